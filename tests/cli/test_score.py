"""``napari-unet score``: cells, membranes, folders and movies."""

import json

import numpy as np
import pytest
import tifffile

from cli_tools import run
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.samples import load_sample


def score(*arguments):
    result = run("score", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_score_of_cells_and_of_folders(tmp_path):
    labels = load_sample("nuclei-2").labels
    half = np.where(labels % 2, labels, 0)
    for folder, second in (("truth", labels), ("found", half)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", labels)
        tifffile.imwrite(tmp_path / folder / "b.tif", second)
    one = score(tmp_path / "found" / "b.tif", tmp_path / "truth" / "b.tif")
    assert (one["truth"], one["cells"], one["true_cells"]) == ("cells", 21, 41)
    assert one["ap50"] == pytest.approx(21 / 41)
    assert one["v_of"] == "one slice, gaps filled"
    both = score(tmp_path / "found", tmp_path / "truth")
    assert both["images"]["a.tif"]["ap50"] == 1
    assert both["v_of"] == "mean over slices, gaps filled in each"
    assert both["mean"]["ap50"] == pytest.approx((1 + 21 / 41) / 2)
    assert both["ap50"] == pytest.approx((41 + 21) / 82)  # matches counted over all images


def test_ids_that_start_anew_in_every_slice_are_scored_slice_by_slice(tmp_path):
    plane = load_sample("nuclei-2").labels
    through = np.stack([plane] * 5)
    anew = np.stack([np.where(plane, (plane + 7 * z) % 41 + 1, 0) for z in range(5)])
    for name, stack in (("through", through), ("anew", anew)):
        tifffile.imwrite(tmp_path / f"{name}.tif", stack.astype(np.uint16))
    for prediction, truth in (("anew", "through"), ("through", "anew"), ("anew", "anew")):
        result = run("score", tmp_path / f"{prediction}.tif", tmp_path / f"{truth}.tif")
        assert "anew.tif numbers its cells by slice: scored slice by slice" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        found = json.loads(result.stdout)
        assert (found["per_slice"], found["ap"], found["cells"]) == (True, 1, 5 * 41)
    result = run("score", tmp_path / "anew.tif", tmp_path / "through.tif", "--per-stack")
    assert (json.loads(result.stdout)["ap50"], result.stderr) == (0, "")
    result = run("score", tmp_path / "through.tif", tmp_path / "through.tif")
    assert (json.loads(result.stdout)["per_slice"], result.stderr) == (False, "")
    by_slice = score(tmp_path / "through.tif", tmp_path / "through.tif", "--per-slice")
    assert (by_slice["cells"], by_slice["v_of"]) == (5 * 41, "mean over slices, gaps filled in each")


def test_mistakes_through_the_slices_are_seen_in_the_v_scores_of_volumes(tmp_path):
    cells = load_sample("nuclei-3d").labels[8:14].astype(np.uint16)
    anew = np.where(cells > 0, cells + 300 * np.arange(6, dtype=np.uint16)[:, None, None], 0)
    tifffile.imwrite(tmp_path / "cells.tif", cells, photometric="minisblack")
    tifffile.imwrite(tmp_path / "anew.tif", anew.astype(np.uint16), photometric="minisblack")
    volume = score(tmp_path / "cells.tif", tmp_path / "anew.tif", "--per-stack")
    assert volume["v_of"] == "volumes, gaps filled in 3D"
    # no gap lies in a true cell: nothing is filled, and the shares are those of the ids
    pairs, own = (np.unique(x[cells > 0], return_counts=True)[1] / (cells > 0).sum() for x in (anew, cells))
    assert volume["v_rand"] == pytest.approx((pairs**2).sum() / ((pairs**2).sum() / 2 + (own**2).sum() / 2))
    assert volume["v_rand"] < 0.5
    assert score(tmp_path / "cells.tif", tmp_path / "anew.tif", "--per-slice")["v_rand"] == 1


def membrane(tmp_path):
    truth = np.full((2, 40, 60), 255, np.uint8)
    truth[:, 20], truth[:, :, 30] = 0, 0
    tifffile.imwrite(tmp_path / "truth.tif", truth)
    return truth


@pytest.mark.parametrize("kind", ["mask", "one channel", "two channels", "boundaries", "cells"])
def test_score_of_membranes_takes_every_kind_of_prediction(tmp_path, kind):
    truth = membrane(tmp_path)
    inside = (truth > 0).astype(np.float32)
    predictions = {
        "mask": truth,
        "one channel": inside,
        "two channels": np.stack([inside, 1 - inside]),
        "boundaries": (truth == 0).astype(np.uint8),
        "cells": np.kron([[3, 2], [1, 4]], np.ones((20, 30))).astype(np.int32) * np.ones((2, 1, 1), np.int32),
    }
    tifffile.imwrite(tmp_path / "p.tif", predictions[kind], photometric="minisblack")
    options = ["--boundaries"] if kind == "boundaries" else []
    found = score(tmp_path / "p.tif", tmp_path / "truth.tif", *options)
    assert found["truth"] == "membrane"
    assert found["v_rand"] > (0.98 if kind == "cells" else 0.999)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_boundaries_scored_as_insides_are_noticed(tmp_path, kind):
    truth = membrane(tmp_path)
    tifffile.imwrite(tmp_path / "p.tif", (truth == 0).astype(kind), photometric="minisblack")
    result = run("score", tmp_path / "p.tif", tmp_path / "truth.tif", "--truth", "membrane")
    assert json.loads(result.stdout)["v_rand"] < 0.5
    assert len(result.stderr.splitlines()) == 1
    assert "p.tif looks like boundaries and was scored as insides: use --boundaries" in result.stderr
    right = run("score", tmp_path / "p.tif", tmp_path / "truth.tif", "--truth", "membrane", "--boundaries")
    assert (json.loads(right.stdout)["v_rand"] > 0.999, right.stderr) == (True, "")
    nearly_all = np.where(np.arange(60) < 58, 1, 0) * np.ones((2, 40, 1))
    tifffile.imwrite(tmp_path / "bad.tif", nearly_all.astype(kind), photometric="minisblack")
    assert run("score", tmp_path / "bad.tif", tmp_path / "truth.tif", "--truth", "membrane").stderr == ""


def test_probabilities_of_a_movie_are_stored_time_first_and_scored_all_the_same(loop, tmp_path):
    folder, _ = loop
    movie = np.stack([tifffile.imread(folder / "image.tif")[:80, :72]] * 5)
    movie[1] = movie[1, ::-1]
    tifffile.imwrite(tmp_path / "movie.tif", movie)
    tifffile.imwrite(tmp_path / "truth.tif", np.where(movie > movie.mean(), 255, 0).astype(np.uint8))
    found = {}
    for name in ("p.zarr", "p.tif"):
        result = run("predict", folder / "model.safetensors", tmp_path / "movie.tif", "-o", tmp_path / name,
                     "--axes", "TYX")  # fmt: skip
        assert result.exit_code == 0, result.output
        found[name] = score(tmp_path / name, tmp_path / "truth.tif")
    stored, plain = (open_image(tmp_path / name) for name in found)
    assert (stored.axes, plain.axes) == ("TCYX", "CTYX")
    np.testing.assert_array_equal(np.moveaxis(read_whole(stored), 1, 0), read_whole(plain))
    assert found["p.zarr"] == found["p.tif"]


def test_score_of_probabilities_as_cells_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", np.zeros((2, 30, 30), np.float32), photometric="minisblack")
    tifffile.imwrite(tmp_path / "t.tif", np.arange(900, dtype=np.uint16).reshape(30, 30))
    result = run("score", tmp_path / "p.tif", tmp_path / "t.tif")
    assert result.exit_code == 1
    assert "predict with --output cells" in result.stderr
