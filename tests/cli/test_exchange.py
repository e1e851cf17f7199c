"""``napari-unet export-model``, ``import-model``, ``import-weights``: what they write, refuse and warn of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import napari_unet as nu
from cli_tools import run
from exchange_tools import model_of, unpacked
from milesial import trained
from napari_unet.jobs.exchange import export_model

CARD = ("--name", "My cells", "--author", "Ada Lovelace")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model_of().save(tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    export_model(model_of(), tmp_path / "given.zip")
    return tmp_path / "given.zip"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(trained().state_dict(), tmp_path / "theirs.pth")
    return tmp_path / "theirs.pth"


@pytest.mark.parametrize(
    ("words", "source", "name"),
    [
        (("export-model", *CARD), "model", "a.zip"),
        (("import-model",), "package", "a.safetensors"),
        (("import-weights", "--layout", "milesial"), "weights", "a.safetensors"),
    ],
)
def test_a_file_that_is_there_is_replaced_on_demand_only(
    request: pytest.FixtureRequest, tmp_path: Path, words: tuple[str, ...], source: str, name: str
) -> None:
    out = tmp_path / name
    out.write_text("a year of work")
    command = (*words, request.getfixturevalue(source), "-o", out)
    refused = run(*command)
    assert refused.exit_code == 1
    assert f"{out} is there already: choose another name, or replace it with --overwrite" in refused.stderr
    assert out.read_text() == "a year of work"
    done = run(*command, "--overwrite")
    assert done.exit_code == 0, done.output
    assert f"saved {out}" in done.stdout
    assert nu.load(out).spec.net.kind == "unet"


def test_the_model_itself_is_not_replaced_by_a_slip(package: Path, model: Path) -> None:
    before = model.read_bytes()
    assert run("import-model", package, "-o", model).exit_code == 1
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (CARD, ""),
        (CARD[:2], "warning: its author 'unknown' is made up: give --author before you publish the package"),
        (CARD[2:], "warning: its name 'U-Net' is made up: give --name before you publish the package"),
        (
            (),
            "warning: its name 'U-Net' and its author 'unknown' are made up: give --name and --author before you "
            "publish the package",
        ),
    ],
)
def test_what_is_made_up_is_told(tmp_path: Path, model: Path, options: tuple[str, ...], warning: str) -> None:
    done = run("export-model", model, "-o", tmp_path / "a.zip", *options)
    assert done.exit_code == 0
    assert done.stderr.strip() == warning
    told, _ = unpacked(tmp_path / "a.zip")
    assert told["name"] == ("My cells" if "--name" in options else "U-Net")
    assert told["authors"] == [{"name": "Ada Lovelace" if "--author" in options else "unknown"}]


def test_an_image_that_shows_nothing_is_no_test_input(tmp_path: Path, model: Path) -> None:
    tifffile.imwrite(tmp_path / "nan.tif", np.full((300, 300), np.nan, np.float32))
    refused = run("export-model", model, "-o", tmp_path / "a.zip", "--image", tmp_path / "nan.tif", *CARD)
    assert refused.exit_code == 1
    assert "the middle of nan.tif, which becomes the test input, holds pixels that are NaN" in refused.stderr
    assert not (tmp_path / "a.zip").exists()
