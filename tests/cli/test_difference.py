"""``napari-unet score --picture``: where a prediction differs from the truth, as a file."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from cli_tools import run
from napari_unet.arrays.comparison import Category, categories_of, compare
from napari_unet.arrays.outlines import STEP, Outline
from napari_unet.storage.difference import COLOURS
from napari_unet.storage.read import open_labels
from napari_unet.storage.samples import load_sample


@pytest.fixture
def pair(tmp_path):
    truth = load_sample("nuclei-2").labels.astype(np.uint16)
    cells = np.where(truth % 5 == 0, 0, truth)
    cells[truth == 1] = 2
    tifffile.imwrite(tmp_path / "truth.tif", truth)
    tifffile.imwrite(tmp_path / "cells.tif", cells)
    return cells, truth


@pytest.mark.parametrize("name", ["where.png", "where.tif"])
def test_the_picture_is_where_they_differ_in_colours(tmp_path, pair, name):
    plain = run("score", tmp_path / "cells.tif", tmp_path / "truth.tif")
    result = run("score", tmp_path / "cells.tif", tmp_path / "truth.tif", "--picture", tmp_path / name)
    assert result.exit_code == 0, result.output
    expected = compare(*pair)
    scores = json.loads(result.stdout)
    assert scores.pop("difference") == expected.counts
    assert scores == json.loads(plain.stdout)  # nothing else of the JSON changes
    found = np.asarray(open_labels(tmp_path / name).data)
    np.testing.assert_array_equal(found, expected.picture)
    if name.endswith("png"):
        seen = np.asarray(Pillow.open(tmp_path / name).convert("RGB"))
    else:
        with tifffile.TiffFile(tmp_path / name) as file:
            page = file.pages[0]
            seen = (page.colormap[:, page.asarray()] >> 8).transpose(1, 2, 0)
    colours = {int(c): colour for c, colour in COLOURS.items()}
    colours |= {category + 2 * STEP: "#FFFFFF" for category in colours}  # in the truth only
    colours |= {category + 3 * STEP: "#000000" for category in COLOURS}
    assert {2 * STEP + Category.MISSED, STEP + Category.FOUND, Category.MERGED} <= set(np.unique(expected.picture))
    for value, colour in colours.items():
        where = expected.picture == value
        assert (seen[where] == list(bytes.fromhex(colour[1:]))).all()
    assert not seen[expected.picture == 0].any()
    assert {p.name for p in tmp_path.iterdir()} == {"truth.tif", "cells.tif", name}


def test_a_picture_for_every_image_of_a_folder(tmp_path, pair):
    for folder, plane in (("a", pair[0]), ("b", pair[1])):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "one.tif", plane)
        tifffile.imwrite(tmp_path / folder / "two.tif", pair[1])
    result = run("score", tmp_path / "a", tmp_path / "b", "--picture", tmp_path / "where")
    assert result.exit_code == 0, result.output
    assert [p.name for p in sorted((tmp_path / "where").iterdir())] == ["one.tif", "two.tif"]
    scores = json.loads(result.stdout)
    n = len(np.unique(pair[1])) - 1
    assert scores["images"]["two.tif"]["difference"]["found"] == n
    assert scores["images"]["one.tif"]["difference"] == compare(*pair).counts
    assert scores["difference"]["found"] == n + compare(*pair).counts["found"]


def test_probabilities_are_cut_where_they_score_best(tmp_path):
    truth = np.full((2, 41, 60), 255, np.uint8)
    truth[:, 20], truth[:, :, 30] = 0, 0
    inside = np.where(truth > 0, 0.8, 0.65).astype(np.float32)
    inside[1, 20, :25] = 0.75  # a gap in a membrane
    tifffile.imwrite(tmp_path / "p.tif", inside, photometric="minisblack")
    tifffile.imwrite(tmp_path / "t.tif", truth, photometric="minisblack")
    result = run("score", tmp_path / "p.tif", tmp_path / "t.tif", "--picture", tmp_path / "d.tif")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert scores["threshold"] == 0.7
    assert scores["difference"] == {"found": 6, "extra": 0, "missed": 0, "split": 0, "merged": 1}
    found = tifffile.imread(tmp_path / "d.tif")
    assert found.shape == truth.shape
    assert set(np.unique(categories_of(found[1][:, :30]))) == {0, 5}
    assert set(np.unique(categories_of(found[0]))) == {0, 1}
    assert set(np.unique(found[0] // STEP)) == {0, Outline.BOTH}
    assert (found[1, 20, 3:22] == STEP * Outline.TRUE).all()  # the gap in the membrane


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("truth.tif", "is or holds the image"),
        ("cells.tif", "is or holds the image"),
        ("d.jpg", "end the name in .png or .tif"),
        ("no/d.tif", "does not exist; make it first"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(tmp_path, pair, picture, words):
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    result = run("score", tmp_path / "cells.tif", tmp_path / "truth.tif", "--picture", tmp_path / picture)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stdout == ""
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_stack_is_no_png(tmp_path):
    stack = load_sample("nuclei-3d").labels[10:14]
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack")
    result = run("score", tmp_path / "s.tif", tmp_path / "s.tif", "--picture", tmp_path / "d.png")
    assert result.exit_code == 1
    assert "a stack of shape (4, 85, 128) cannot be a PNG; end the name in .tif" in result.stderr
    assert not (tmp_path / "d.png").exists()
