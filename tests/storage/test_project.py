"""The folder of a project: bit-exact, whole after a kill or a full disk, and not to be trusted."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_unet import files
from napari_unet.errors import UserError
from napari_unet.storage import blocks
from napari_unet.storage.blocks import read_blocks, remove_others, repeated_axes, write_blocks, zeros
from napari_unet.storage.claim import Claim, is_claimed
from napari_unet.storage.copies import read_copy, write_copy
from napari_unet.storage.project import (
    FILE,
    Annotation,
    KeptImage,
    Look,
    Project,
    find_image,
    inside,
    read_project,
    relative_to,
    write_project,
)
from napari_unet.storage.samples import load_sample


def keep(project: Path, array: Any, known: Annotation | None = None) -> Annotation:
    repeated = repeated_axes(array)
    return Annotation(
        id=1,
        look=Look(name="strokes"),
        shape=array.shape,
        dtype=str(array.dtype),
        repeated=repeated,
        blocks=write_blocks(project, 1, array, repeated, known.blocks if known else None),
    )


def files_of(project: Path) -> list[str]:
    return sorted(p.name for p in (project / "annotations" / "1").iterdir())


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", ">u2", "int32", "uint32", "int64", "uint64", ">i8"]
)
@pytest.mark.parametrize("sample", ["nuclei-5", "nuclei-3d"])
def test_painted_labels_come_back_bit_by_bit(tmp_path: Path, sample: str, dtype: str) -> None:
    truth = load_sample(sample).labels
    array = truth.astype(dtype)
    array[(*[0] * (array.ndim - 1), 1)] = np.iinfo(dtype).max if dtype != "bool" else True
    if np.dtype(dtype).kind == "i":
        array[(*[0] * (array.ndim - 1), 2)] = np.iinfo(dtype).min
    found = read_blocks(tmp_path, keep(tmp_path, array))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.flags.writeable


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_any_shape_in_any_number_of_blocks(shape: list[int], side: int, seed: int) -> None:
    import tempfile

    rng = np.random.default_rng(seed)
    array = (rng.random(shape) < 0.2) * rng.integers(0, 300, shape)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(blocks, "SIDE", side)
        kept = keep(Path(folder), array)
        np.testing.assert_array_equal(read_blocks(Path(folder), kept), array)
        assert bool(kept.blocks) == array.any()


@pytest.mark.parametrize("lazy", [np.asfortranarray, lambda a: da.from_array(a, chunks=64), lambda a: a[:, ::-1]])
def test_arrays_of_all_kinds(tmp_path: Path, lazy: Any) -> None:
    array = lazy(load_sample("nuclei-5").labels)
    np.testing.assert_array_equal(read_blocks(tmp_path, keep(tmp_path, array)), np.asarray(array))


def test_channels_share_their_strokes_again(tmp_path: Path) -> None:
    array = zeros((2, 3, 64, 48), [1], np.int32)
    array[1, 0, 5:9, 7] = 4
    kept = keep(tmp_path, array)
    assert len(files_of(tmp_path)) == 1
    found = read_blocks(tmp_path, kept)
    np.testing.assert_array_equal(found, array)
    found[0, 2, 3, 3] = 9
    assert (found[0, :, 3, 3] == 9).all()


def test_only_what_has_changed_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.zeros((40, 64, 64), np.uint8)
    array[[3, 17]] = 1
    first = keep(tmp_path, array)
    assert len(files_of(tmp_path)) == 2
    written: list[Path] = []
    imwrite = tifffile.imwrite
    monkeypatch.setattr(tifffile, "imwrite", lambda path, *a, **k: (written.append(path), imwrite(path, *a, **k)))
    array[17, 5, 5], array[20, 1, 1] = 2, 3
    second = keep(tmp_path, array, first)
    assert len(written) == 2
    np.testing.assert_array_equal(read_blocks(tmp_path, first)[3], 1)  # the older state is whole as well
    assert read_blocks(tmp_path, first)[17, 5, 5] == 1
    remove_others(tmp_path, [second])
    assert len(files_of(tmp_path)) == 3
    np.testing.assert_array_equal(read_blocks(tmp_path, second), array)


def test_a_block_painted_on_while_it_is_written_is_what_its_sum_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.zeros((2, 16, 16), np.uint8)
    array[1, 2, 2] = 3
    write = tifffile.imwrite

    def paint_meanwhile(*args: Any, **more: Any) -> None:
        array[1, 5, 5] = 7
        write(*args, **more)

    monkeypatch.setattr(tifffile, "imwrite", paint_meanwhile)
    kept = keep(tmp_path, array)
    back = read_blocks(tmp_path, kept)
    assert (back[1, 2, 2], back[1, 5, 5]) == (3, 0)
    np.testing.assert_array_equal(read_blocks(tmp_path, keep(tmp_path, array, kept)), array)


def test_other_programs_read_a_slice(tmp_path: Path) -> None:
    truth = load_sample("nuclei-5").labels
    (block,) = keep(tmp_path, truth).blocks.values()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / block.file), truth)


def started(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)


# A process that paints and saves until it is killed; every state is "all of one value".
SAVING = """
import sys
from pathlib import Path
import numpy as np
from napari_unet.storage.blocks import remove_others, write_blocks
from napari_unet.storage.project import Annotation, Look, Project, write_project

folder, known = Path(sys.argv[1]), {}
for value in range(1, 10**6):
    array = np.full((3, 256, 256), value, np.int32)
    known = write_blocks(folder, 1, array, known=known)
    kept = Annotation(id=1, look=Look(name="a"), shape=array.shape, dtype="int32", blocks=known)
    write_project(folder, Project(annotations=(kept,)))
    remove_others(folder, [kept])
    print(value, flush=True)
"""


def test_a_kill_at_any_moment_leaves_the_last_whole_state(tmp_path: Path) -> None:
    last = 0
    for _ in range(3):
        with started(SAVING, tmp_path) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(3)]
            time.sleep(random.random() * 0.2)
            os.kill(process.pid, signal.SIGKILL)
            said += process.stdout.read().splitlines()
        last = max(int(line) for line in said if line.strip().isdigit())
        (kept,) = read_project(tmp_path).annotations
        values = np.unique(read_blocks(tmp_path, kept))
        assert len(values) == 1
        assert values[0] in (last, last + 1)
    assert last > 2


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = load_sample("nuclei-5").labels
    kept = keep(tmp_path, array)
    write_project(tmp_path, Project(annotations=(kept,)))
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(tifffile, "imwrite", no_space)
        with pytest.raises(OSError, match="No space"):
            keep(tmp_path, array + 1, kept)
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", no_space)
        with pytest.raises(OSError, match="No space"):
            write_project(tmp_path, Project())
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    np.testing.assert_array_equal(read_blocks(tmp_path, read_project(tmp_path).annotations[0]), array)


# What is read


def test_the_project_file_is_checked(tmp_path: Path) -> None:
    def refused(text: str | bytes, words: str) -> None:
        (tmp_path / FILE).write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(UserError, match=words) as caught:
            read_project(tmp_path)
        assert str(tmp_path) in str(caught.value)

    with pytest.raises(UserError, match="holds no project"):
        read_project(tmp_path)
    refused("", "is damaged")
    refused(b"\xff\xfe", "is damaged")
    refused("[1]", "is damaged")
    refused('{"format": 2, "made_by": "9.1"}', r"newer version 9\.1 in format 2.*please update")
    refused('{"format": "one"}', "is damaged: format")
    refused("[" * 100_000, "is damaged")
    refused('{"format": 1, "point": [1e999]}', "is damaged")
    layer = {"id": 1, "look": {"name": "a"}, "shape": [8, 8], "dtype": "uint8"}
    for change in ({"shape": "8"}, {"shape": [8]}, {"shape": [8, -1]}, {"id": None}, {"blocks": [1]}, {"look": 1}):
        refused(json.dumps({"format": 1, "annotations": [layer | change]}), r"damaged: annotations\.0")


def test_names_of_files_lead_nowhere_else(tmp_path: Path) -> None:
    project = tmp_path / "a.unet"
    (project / "annotations").mkdir(parents=True)
    (tmp_path / "secret.tif").touch()
    (project / "link").symlink_to(tmp_path)
    for name in (
        "../secret.tif",
        str(tmp_path / "secret.tif"),
        "annotations/../../secret.tif",
        "link/secret.tif",
        "a\0b",
    ):
        with pytest.raises(UserError, match="not inside"):
            inside(project, name)
    assert inside(project, "annotations/ü x.tif") == project / "annotations/ü x.tif"
    kept = keep(project, np.ones((8, 8), np.uint8))
    for name in ("../secret.tif", "link/secret.tif"):
        spoilt = kept.model_copy(update={"blocks": {"0-0": kept.blocks["0-0"].model_copy(update={"file": name})}})
        with pytest.raises(UserError, match="not inside"):
            read_blocks(project, spoilt)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (10**15, 10**15)}, "needs .* of memory"),
        ({"shape": (4, 8, 8)}, "has no block '0-0'"),
        ({"shape": (9, 8)}, "is damaged"),
        ({"dtype": "int16"}, "is damaged"),
        ({"dtype": "float32"}, "no type of labels"),
        ({"dtype": "object"}, "no type of labels"),
        ({"dtype": "nonsense" * 100}, "no type of labels"),
    ],
)
def test_claims_that_do_not_hold(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    kept = keep(tmp_path, np.ones((8, 8), np.uint8))
    with pytest.raises(UserError, match=words):
        read_blocks(tmp_path, kept.model_copy(update=change))


@pytest.mark.parametrize("fault", ["missing", "cut", "flipped", "other"])
def test_a_block_that_is_not_what_was_painted_is_named_with_the_cure(tmp_path: Path, fault: str) -> None:
    kept = keep(tmp_path, load_sample("nuclei-5").labels)
    path = tmp_path / kept.blocks["0-0"].file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 64
    if fault == "missing":
        path.unlink()
    elif fault == "other":
        tifffile.imwrite(path, np.ones((4, 4), np.uint8))
    else:
        path.write_bytes(content if fault == "flipped" else content[: len(content) // 2])
    with pytest.raises(UserError, match=r'0-0.*\.tif is .*remove the entry "0-0" from project\.json'):
        read_blocks(tmp_path, kept)


def test_images_are_found_beside_the_project_first(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        (folder / "a.unet").mkdir(parents=True)
        (folder / "a.tif").touch()
    image = KeptImage(
        id=1, look=Look(name="a"), shape=(8, 8), dtype="uint8", axes="YX", fingerprint="",
        path=str(here / "a.tif"), relative=relative_to(here / "a.tif", here / "a.unet"),
    )  # fmt: skip
    assert find_image(there / "a.unet", image) == there / "a.tif"
    (there / "a.tif").unlink()
    assert find_image(there / "a.unet", image) == here / "a.tif"
    (here / "a.tif").unlink()
    assert find_image(there / "a.unet", image) is None
    odd = image.model_copy(update={"path": "\0", "relative": "x" * 5000})
    assert find_image(there / "a.unet", odd) is None


@pytest.mark.parametrize(
    ("dtype", "shape", "axes"),
    [
        ("uint8", (70, 60, 3), "YXS"),
        ("float16", (3, 2, 33, 40), "TCYX"),
        (">u2", (5, 64, 30), "ZYX"),
        ("bool", (9, 9), "YX"),
    ],
)
def test_copies_of_images_are_exact(tmp_path: Path, dtype: str, shape: tuple[int, ...], axes: str) -> None:
    values: npt.NDArray[Any] = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    write_copy(tmp_path / "images" / "1.zarr", values, axes)
    found = read_copy(tmp_path / "images" / "1.zarr")
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype.newbyteorder("=")
    write_copy(tmp_path / "images" / "1.zarr", values[::-1], axes)
    np.testing.assert_array_equal(read_copy(tmp_path / "images" / "1.zarr"), values[::-1])


# Two windows

HOLDING = """
import sys, time
from pathlib import Path
from napari_unet.storage.claim import Claim
mine = Claim(Path(sys.argv[1]))
mine.take()
print("held", flush=True)
time.sleep(600)
"""


def test_one_window_at_a_time_and_the_dead_have_no_claim(tmp_path: Path) -> None:
    with started(HOLDING, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        assert is_claimed(tmp_path)
        with pytest.raises(UserError, match=rf"is open in another window \(process {process.pid}\)"):
            Claim(tmp_path).take()
        process.kill()
    assert not is_claimed(tmp_path)
    mine = Claim(tmp_path)
    mine.take()
    with pytest.raises(UserError, match=f"process {os.getpid()}"):  # a second viewer in this process
        Claim(tmp_path).take()
    mine.release()
    Claim(tmp_path).take()
