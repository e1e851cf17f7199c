"""``napari-unet batch``: what it understands, what it says, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tifffile

import cli_tools
import napari_unet as nu
from napari_unet import jobs
from napari_unet.events import BatchProgress, Finished, ImageDone
from napari_unet.spec import BatchSpec, CellSpec, TilingSpec, batch_arguments
from napari_unet.storage.samples import load_sample

COMMAND = (sys.executable, "-m", "napari_unet", "batch")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    sample = load_sample("nuclei-2")
    options = {"steps": 5, "base": 4, "depth": 2, "patch": (64, 64), "val_fraction": 0}
    nu.train(sample.image, sample.labels, style="cells", dense=True, **options).save(path)
    return path


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for n in (1, 2):
        tifffile.imwrite(folder / f"n{n}.tif", load_sample(f"nuclei-{n}").image[:90, :100])
    return folder


def run(*arguments):
    return cli_tools.run("batch", *arguments)


@pytest.fixture
def understood(monkeypatch):
    """What the command asks of `napari_unet.jobs`."""
    asked = []

    def batch(spec, **more):
        asked.append((spec, more))
        yield Finished("nothing to do")

    monkeypatch.setattr(jobs, "batch", batch)
    return asked


@pytest.mark.parametrize(
    "spec",
    [
        BatchSpec(model="m.safetensors", inputs=("a.tif",), folder="out"),
        BatchSpec(
            model="my model.safetensors",
            inputs=("a b/*.tif", "c.zarr"),
            folder="the out",
            outputs=("boundaries", "cells"),
            format="ome.zarr",
            recursive=True,
            measure=True,
            axes="TCZYX",
            channel=0,
            t=(0, 5),
            z=(-3, None),
            y=(7, 8),
            x=(0, None),
            tiling=TilingSpec(tile=96, halo=12, device="cpu", threads=1),
            cells=CellSpec(method="watershed", threshold=0.4, beta=0.3, min_size=9, grow=2),
        ),
        BatchSpec(
            model="m.safetensors", inputs=("-odd.tif", "a.tif"), folder="out", tiling=TilingSpec(halo="auto")
        ),
    ],
)
def test_the_command_line_of_a_spec_means_that_spec(spec, understood):
    done = cli_tools.run(*batch_arguments(spec))
    assert done.exit_code == 0, done.output
    assert understood == [(spec, {"shard": None, "scheduler": None})]


def test_outputs_with_commas_or_one_by_one_and_shards(understood):
    assert run("m", "a", "-o", "x", "--output", "cells", "--output", "classes", "--shard", "2/3").exit_code == 0
    ((spec, more),) = understood
    assert spec.outputs == ("cells", "classes")
    assert more["shard"] == (2, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--output", "cell"], "--output 'cell' must be one or more of"),
        (["--output", "boundaries", "--measure"], "only cells can be measured"),
        (["--output", "cells,cells"], "name one twice"),
        (["--z", "a:b"], "--z 'a:b' must be a number"),
        (["--shard", "3/2"], "--shard '3/2'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options, words, understood):
    done = run("m", "a", "-o", "x", *options)
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not understood


def test_one_bad_image_exit_code_1_and_the_others_are_there(model, images, tmp_path):
    (images / "cut.tif").write_bytes((images / "n1.tif").read_bytes()[:3000])
    out = tmp_path / "out"
    done = run(model, images / "*.tif", "-o", out, "--measure", "--device", "cpu")
    assert done.exit_code == 1
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("napari-unet:")]
    assert f"{images / 'cut.tif'}: " in line
    assert "damaged" in line
    assert "3 images: 2 done, 1 failed" in done.stdout
    table = pd.read_csv(out / "summary.csv").set_index("name")
    assert table["status"].to_dict() == {"cut": "failed", "n1": "done", "n2": "done"}
    cells = tifffile.imread(out / "n1.tif")
    assert table["cells"]["n1"] == len(np.unique(cells[cells > 0])) == len(pd.read_csv(out / "n1-cells.csv"))
    replayed = cli_tools.run("replay", str(out / "n1-cells.csv"), "-o", str(tmp_path / "again.csv"))
    assert f"{tmp_path / 'again.csv'} equals {out / 'n1-cells.csv'}" in replayed.stdout
    assert (tmp_path / "again.csv").read_text() == (out / "n1-cells.csv").read_text()
    (images / "cut.tif").unlink()
    again = run(model, images / "*.tif", "-o", out, "--measure", "--device", "cpu")
    assert again.exit_code == 0
    assert "2 images: 2 skipped" in again.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode here")
@pytest.mark.parametrize("events", [False, True])
def test_a_name_that_cannot_be_printed(model, images, tmp_path, events):
    (images / "n2.tif").rename(images / os.fsdecode(b"caf\xe9.tif"))
    command = [*COMMAND, model, images, "-o", tmp_path / "out", "--device", "cpu", *["--events"] * events]
    with subprocess.Popen(
        [str(a) for a in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:  # whose stdin stays open
        said, complained = process.stdout.read(), process.stderr.read()
    assert process.returncode == 1
    assert b"caf\\udce9" in said
    assert b"caf\\udce9.tif: its name is not text" in complained
    assert b"Traceback" not in complained
    if events:
        rows = [json.loads(line) for line in said.splitlines() if b"ImageDone" in line]
        assert {row["file"]: row["status"] for row in rows} == {
            str(images / "n1.tif"): "done",
            str(images / os.fsdecode(b"caf\xe9.tif")): "failed",
        }


def test_a_missing_model_or_no_image_is_one_line(images, tmp_path):
    done = run(tmp_path / "none.safetensors", images, "-o", tmp_path / "out")
    assert (done.exit_code, len(done.stderr.strip().splitlines())) == (1, 1)


@pytest.fixture
def long_batch(model, images, tmp_path):
    """Starts a batch that has a long second image, and returns when that has begun."""
    stack = np.stack([load_sample("nuclei-2").image] * 60)
    tifffile.imwrite(images / "n2.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    started = []

    def start(*options):
        arguments = [*COMMAND, model, images, "-o", tmp_path / "out", "--tile", "96", "--device", "cpu", *options]
        process = subprocess.Popen(
            [str(a) for a in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        unfinished = tmp_path / "out" / ".n2.tif.unfinished" / "done"
        deadline = time.monotonic() + 120
        while not list(unfinished.glob("*.json")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_signal_ends_it_between_two_tiles_and_says_how_to_go_on(long_batch, tmp_path):
    process = long_batch()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped after 1 image; the same command goes on" in said.decode()
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["name"].tolist() == ["n1"]


def test_the_end_of_stdin_ends_what_another_program_runs(long_batch, tmp_path):
    process = long_batch("--events")
    process.stdin.close()
    lines = [json.loads(line) for line in process.stdout]
    process.wait(60)
    assert process.returncode == 128 + signal.SIGTERM
    kinds = [line["event"] for line in lines]
    assert kinds[0] == "BatchBegun"
    assert lines[0]["names"] == ["n1", "n2"]
    (row,) = [line for line in lines if line["event"] == ImageDone.__name__]
    assert (row["name"], row["status"]) == ("n1", "done")
    assert BatchProgress.__name__ in kinds
    assert Finished.__name__ not in kinds
