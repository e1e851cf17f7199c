"""Mistakes of a user: the contract's exit codes and its one line of error."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from cli_tools import run

MISTAKES = {
    "missing image": ("train missing.tif labels.tif -o m.safetensors", "missing.tif: no such file"),
    "missing labels": ("train image.tif missing.tif -o m.safetensors", "missing.tif: no such file"),
    "shapes differ": ("train image.tif small.tif -o m.safetensors", "256"),
    "nothing painted": ("train image.tif zeros.tif -o m.safetensors", "paint"),
    "float labels": ("train image.tif float.tif -o m.safetensors", "whole numbers"),
    "axes": ("train image.tif labels.tif -o m.safetensors --axes CZYX", "axes 'CZYX' name 4 axes"),
    "both budgets": ("train image.tif labels.tif -o m.safetensors --seconds 5 --steps 5", "not both"),
    "negative time": ("train image.tif labels.tif -o m.safetensors --seconds -5", "seconds"),
    "dense classes": ("train image.tif labels.tif -o m.safetensors --dense", "belong to the annotation style"),
    "unpainted": ("train image.tif labels.tif -o m.safetensors --unpainted boundary", "say --dense as well"),
    "network": ("train image.tif labels.tif -o m.safetensors --net unet5", "there is no network 'unet5'"),
    "model suffix": ("train image.tif labels.tif -o m.pt --style cells", ".safetensors"),
    "model folder": ("train image.tif labels.tif -o no/m.safetensors --style cells", "does not exist"),
    "no resume": (
        "train image.tif labels.tif -o m.safetensors --style cells --dense --resume",
        "nothing to go on",
    ),
    "roles": ("train image.tif labels.tif -o m.safetensors --classes a=b", "the role of 'a' is 'b'"),
    "missing model": ("predict missing.safetensors image.tif -o o.tif", "missing.safetensors"),
    "damaged model": ("predict damaged.safetensors image.tif -o o.tif", "damaged.safetensors"),
    "predict missing": ("predict model.safetensors missing.tif -o o.tif", "missing.tif: no such file"),
    "output suffix": ("predict model.safetensors image.tif -o o.png", "end the name in .tif"),
    "onto itself": ("predict model.safetensors image.tif -o image.tif", "is or holds the image"),
    "halo": ("predict model.safetensors image.tif -o o.tif --halo wide", "--halo 'wide' must be"),
    "channels": ("predict model.safetensors image.tif -o o.tif --axes CX", "lack Y"),
    "colours": ("predict model.safetensors colour.png -o o.tif", "needs 1"),
    "score shapes": ("score labels.tif small.tif", "must be the same"),
    "score missing": ("score labels.tif missing.tif", "missing.tif: no such file"),
    "info of no model": ("info image.tif", "image.tif does not tell how it was made"),
}


@pytest.fixture
def folder(loop, monkeypatch):
    path, _ = loop
    tifffile.imwrite(path / "small.tif", np.ones((64, 64), np.uint8))
    tifffile.imwrite(path / "zeros.tif", np.zeros((256, 256), np.uint8))
    tifffile.imwrite(path / "float.tif", np.ones((256, 256), np.float32))
    from PIL import Image

    Image.new("RGB", (64, 64)).save(path / "colour.png")
    (path / "damaged.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-100])
    monkeypatch.chdir(path)
    return path


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_1(folder, name):
    command, words = MISTAKES[name]
    result = run(*command.split())
    assert result.exit_code == 1, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert words in result.stderr
    assert not list(folder.glob("o.*"))


@pytest.mark.parametrize("command", ["train image.tif", "predict", "score a.tif", "train a b -o c --net", "fly",
                                     "train a b -o c --style dots", "train a b -o c --batch none"])  # fmt: skip
def test_wrong_usage_is_exit_code_2(command):
    assert run(*command.split()).exit_code == 2


def test_a_real_process_ends_with_one_line_and_code_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "napari_unet", "train", "no.tif", "no.tif", "-o", "m.safetensors"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "napari-unet: no.tif: no such file or folder; check the name\n"
