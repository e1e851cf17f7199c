"""Results of a package of BioImage.IO tell which one it was, and can be made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_unet as nu
from cli_tools import good, run
from exchange_tools import model_of
from napari_unet.jobs.exchange import export_model
from napari_unet.learn.start import shipped
from napari_unet.storage.records import require_record
from napari_unet.storage.samples import load_sample

FOREIGN = Path(__file__).parents[1] / "data" / "unet2d_nuclei_broad.zip"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of ours, one of others, and an image."""
    folder = tmp_path_factory.mktemp("packages")
    export_model(nu.Model(shipped()), folder / "ours.zip")
    shutil.copy(FOREIGN, folder / "theirs.zip")
    tifffile.imwrite(folder / "image.tif", load_sample("nuclei-2").image[:96, :120])
    return folder


@pytest.mark.parametrize("name", ["ours.zip", "theirs.zip"])
def test_a_result_of_a_package_names_it_and_is_made_again(work: Path, tmp_path: Path, name: str) -> None:
    result, again = tmp_path / "a.tif", tmp_path / "b.tif"
    good("predict", work / name, work / "image.tif", "-o", result, "--output", "cells")
    known = require_record(result).model
    assert known is not None
    assert (known.name, known.path) == (name, str(work / name))
    assert known.sha256 == nu.load(work / name).facts.sha256
    assert f"{again} equals {result}" in good("replay", result, "-o", again)
    assert np.array_equal(tifffile.imread(again), tifffile.imread(result))
    assert tifffile.imread(result).any()
    moved = shutil.copy(work / name, tmp_path / "moved.zip")
    assert f"{again} equals {result}" in good("replay", result, "-o", again, "--model", moved)


def test_another_package_is_refused_by_the_hash_of_its_weights(work: Path, tmp_path: Path) -> None:
    result = tmp_path / "a.tif"
    good("predict", work / "ours.zip", work / "image.tif", "-o", result)
    export_model(model_of(), tmp_path / "other.zip")
    refused = run("replay", result, "-o", tmp_path / "b.tif", "--model", tmp_path / "other.zip")
    assert refused.exit_code == 1
    other = nu.load(tmp_path / "other.zip").facts.sha256
    assert f"other.zip is another model: its SHA-256 begins with {other[:12]}" in refused.stderr
    assert not (tmp_path / "b.tif").exists()


def test_a_model_file_and_the_package_of_it_stand_in_for_each_other(work: Path, tmp_path: Path) -> None:
    result = tmp_path / "a.tif"
    good("predict", work / "ours.zip", work / "image.tif", "-o", result, "--output", "classes")
    nu.Model(shipped()).save(tmp_path / "mine.safetensors")
    again = tmp_path / "b.tif"
    said = good("replay", result, "-o", again, "--model", tmp_path / "mine.safetensors")
    assert f"{again} equals {result}" in said
    last = tmp_path / "c.tif"
    assert f"{last} equals {again}" in good("replay", again, "-o", last, "--model", work / "ours.zip")


def test_a_result_of_a_batch_with_a_package_is_made_again(work: Path, tmp_path: Path) -> None:
    good("batch", work / "ours.zip", work / "image.tif", "-o", tmp_path / "out", "--measure")
    results = sorted((tmp_path / "out").rglob("image*"))
    made = [path for path in results if path.suffix in (".tif", ".csv")]
    assert {path.suffix for path in made} == {".tif", ".csv"}
    for path in made:
        again = tmp_path / f"again{path.suffix}"
        assert f"{again} equals {path}" in good("replay", path, "-o", again)
