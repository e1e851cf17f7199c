"""A result is found again where it was moved to together with its model and its images."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_unet as nu
from cli_tools import good, run
from napari_unet.learn.start import shipped
from napari_unet.storage.samples import load_sample

RESULT, TABLE = Path("results", "day 1", "x.ome.tif"), Path("results", "day 1", "x.csv")
MODEL, IMAGE, GREY = Path("models", "m.safetensors"), Path("images", "x.tif"), Path("images", "grey.tif")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project: a model, images, cells in a folder below, and a table of them."""
    folder = tmp_path_factory.mktemp("made") / "project"
    for path in (RESULT, MODEL, IMAGE):
        (folder / path).parent.mkdir(parents=True)
    nu.Model(shipped()).save(folder / MODEL)
    grey = load_sample("nuclei-2").image[:96, :120]
    tifffile.imwrite(folder / IMAGE, grey)
    tifffile.imwrite(folder / GREY, grey // 2)
    good("predict", folder / MODEL, folder / IMAGE, "-o", folder / RESULT, "--output", "cells")
    good("measure", folder / RESULT, "-o", folder / TABLE, "--image", folder / GREY)
    return folder


@pytest.fixture
def moved(made: Path, tmp_path: Path) -> Iterator[Path]:
    """The project at another place, while nothing is left where it was made."""
    before = made.parent / "hidden"
    made.rename(before)
    try:
        yield Path(shutil.copytree(before, tmp_path / "elsewhere" / "renamed"))
    finally:
        before.rename(made)


def test_a_moved_project_gives_the_same_pixels(made: Path, moved: Path) -> None:
    again = moved / "again.tif"
    said = good("replay", moved / RESULT, "-o", again)
    assert f"note: the image x.tif is not at {made / IMAGE} any more; {moved / IMAGE} is taken" in said
    assert f"note: the model m.safetensors is not at {made / MODEL} any more; {moved / MODEL} is taken" in said
    assert f"{again} equals {moved / RESULT}" in said
    assert np.array_equal(tifffile.imread(again), tifffile.imread(moved / RESULT))
    assert tifffile.imread(again).max() > 2


def test_a_moved_table_finds_its_cells_and_its_grey_image(made: Path, moved: Path) -> None:
    again = moved / "again.csv"
    said = good("replay", moved / TABLE, "-o", again)
    assert f"{moved / RESULT} is taken" in said
    assert f"{moved / GREY} is taken" in said
    assert again.read_text() == (moved / TABLE).read_text()
    assert "mean" in again.read_text().splitlines()[0]


def test_a_dry_run_names_what_was_found(made: Path, moved: Path) -> None:
    *comments, line = good("replay", moved / RESULT, "-o", moved / "a.tif", "--dry-run").splitlines()
    assert shlex.split(line)[2:4] == [str(moved / MODEL), str(moved / IMAGE)]
    assert comments[0].startswith("# the model m.safetensors is not at")


def test_what_is_where_it_was_is_taken_from_there(made: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy")
    said = good("replay", copy / RESULT, "-o", tmp_path / "again.tif")
    assert "is taken" not in said
    assert str(made / IMAGE) in said


def test_another_image_of_that_name_is_refused(made: Path, moved: Path) -> None:
    other = tifffile.imread(moved / IMAGE)
    other[40, 50] ^= 1
    tifffile.imwrite(moved / IMAGE, other)
    refused = run("replay", moved / RESULT, "-o", moved / "again.tif")
    assert refused.exit_code == 1
    assert f"{moved / IMAGE} is another image: its fingerprint is " in refused.stderr
    assert "give the right one with --image" in refused.stderr
    assert not (moved / "again.tif").exists()


def test_the_longest_end_of_the_path_is_found_first(made: Path, moved: Path) -> None:
    tifffile.imwrite(moved / RESULT.parent / IMAGE.name, np.zeros((8, 8), np.uint8))  # nearer, of the same name
    said = good("replay", moved / RESULT, "-o", moved / "again.tif")
    assert f"{moved / IMAGE} is taken" in said
    assert f"equals {moved / RESULT}" in said


def test_all_that_is_missing_is_told_at_once(made: Path, moved: Path) -> None:
    lost = moved.parent.parent / "lost"
    lost.mkdir()
    for path in (MODEL, IMAGE, GREY, RESULT):
        (moved / path).rename(lost / path.name.replace("x", "y").replace("grey", "g").replace("m.", "n."))
    table = run("replay", moved / TABLE, "-o", moved / "a.csv")
    assert table.exit_code == 1
    assert f"the image x.ome.tif is not at {made / RESULT}: tell where it is now with --image" in table.stderr
    assert f"is not at {made / GREY}: tell where it is now with --grey" in table.stderr
    result = lost / "y.ome.tif"
    refused = run("replay", result, "-o", moved / "a.tif")
    assert f"the model m.safetensors is not at {made / MODEL}: tell where it is now with --model" in refused.stderr
    assert f"the image x.tif is not at {made / IMAGE}: tell where it is now with --image" in refused.stderr
    told = ["--model", lost / "n.safetensors", "--image", lost / "y.tif"]
    assert f"equals {result}" in good("replay", result, "-o", moved / "a.tif", *told)
    wrong = run("replay", result, "-o", moved / "a.tif", "--model", lost / "none", "--image", lost / "y.tif")
    assert f"is not at {lost / 'none'}: tell where it is now with --model" in wrong.stderr


def test_a_moved_training_is_run_again(tmp_path: Path) -> None:
    folder, sample = tmp_path / "before", load_sample("nuclei-2")
    for name, pixels in (("images", sample.image), ("labels", sample.labels)):
        (folder / name).mkdir(parents=True)
        for number in (1, 2):
            tifffile.imwrite(folder / name / f"{number}.tif", pixels[:64, number * 64 : number * 64 + 64])
    (folder / "models").mkdir()
    options = ["--style", "cells", "--dense", "--steps", 2, "--base", 4, "--depth", 2, "--patch", 32]
    options += ["--device", "cpu", "--threads", 1]
    model = folder / "models" / "m.safetensors"
    good("train", folder / "images", folder / "labels", "-o", model, *options)
    moved = folder.rename(tmp_path / "after")
    model, again = moved / "models" / "m.safetensors", tmp_path / "again.safetensors"
    said = good("replay", model, "-o", again)
    assert f"is not at {folder / 'images'} any more; {moved / 'images'} is taken" in said
    assert f"{again} equals {model}" in said
    assert str(moved / "labels") in good("replay", model, "--dry-run")
    for name in ("images", "labels"):
        (moved / name).rename(tmp_path / f"lost {name}")
    refused = run("replay", model, "-o", again)
    assert refused.exit_code == 1
    for name, option in (("images", "--image"), ("labels", "--labels")):
        told = f"{name} of this training is not at {folder / name}: tell where it is now with {option}"
        assert told in refused.stderr
    found = ["--image", tmp_path / "lost images", "--labels", tmp_path / "lost labels"]
    assert f"{again} equals {model}" in good("replay", model, "-o", again, *found)
