"""What killed processes leave is removed, and nothing else."""

import subprocess
import sys

import numpy as np
import pytest

from napari_unet import leftovers
from napari_unet.files import replacing
from napari_unet.leftovers import remove_leftovers, temporary
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.write import create_output

WRITER = """
import sys, time
from pathlib import Path
from napari_unet.files import replacing
from napari_unet.storage.write import create_output
for name in ("a.tif", "a.zarr"):
    output = create_output(name, (64, 64), "u1", "YX")
    output.__enter__()[:9] = 1
    globals()[name] = output
model = replacing(Path("m.safetensors"))
model.__enter__()
print("writing", flush=True)
time.sleep(600)
"""


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture(autouse=True)
def _forget():
    """Each test stands for a new process."""
    remove_leftovers.cache_clear()


@pytest.fixture(scope="module")
def ended():
    """The number of a process that is gone."""
    code = "import os; print(os.getpid())"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def left_by(process, target, kind, suffix="", machine=None):
    machine = machine or leftovers._machine()
    return target.with_name(f".{target.name}.{machine}-{process}-0123abcd.{kind}{suffix}")


def test_leftovers_of_a_killed_process_go_with_the_next_write(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITER], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline()
        with replacing(tmp_path / "b.txt"):
            pass
        kinds = [n.rsplit("-", 1)[1].split(".", 1)[1] for n in names(tmp_path) if n.startswith(".")]
        assert sorted(kinds) == ["partial", "partial.safetensors", "scratch"]  # it still writes
    finally:
        process.kill()
        process.communicate()
    remove_leftovers.cache_clear()
    with replacing(tmp_path / "b.txt"):
        pass
    assert names(tmp_path) == ["b.txt"]


def test_what_is_not_known_to_be_dead_stays(tmp_path, ended):
    kept = [
        temporary(tmp_path / "mine.tif", "scratch"),
        left_by(ended, tmp_path / "elsewhere.tif", "partial", ".tif", machine="0" * 8),
        tmp_path / ".notes.partial",
        tmp_path / "results.old",
    ]
    for path in kept:
        path.touch()
    left_by(ended, tmp_path / "gone.tif", "partial", ".tif").touch()
    remove_leftovers.cache_clear()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(p.name for p in kept)


@pytest.mark.parametrize("replaced", [True, False])
def test_a_target_put_aside_comes_back_unless_it_was_replaced(tmp_path, ended, replaced):
    target = tmp_path / "a.zarr"
    for value, path in ((1, target), (2, tmp_path / "new.zarr")):
        with create_output(path, (4, 4), "u1", "YX") as array:
            array[...] = value
    target.rename(left_by(ended, target, "old"))
    (tmp_path / "new.zarr").rename(target if replaced else left_by(ended, target, "partial"))
    remove_leftovers.cache_clear()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["a.zarr"]
    np.testing.assert_array_equal(read_whole(open_image(target)), 2 if replaced else 1)


def test_a_folder_that_cannot_be_read_is_left_to_the_writer(tmp_path):
    remove_leftovers(tmp_path / "missing")
