"""Predictions that are averaged over mirror images of the image."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile

import napari_unet as nu
from cli_tools import run
from napari_unet.events import Note
from napari_unet.learn.halo import find_halo
from napari_unet.learn.precision import has_bfloat16
from napari_unet.learn.predictor import read_tile
from napari_unet.spec import AugmentSpec, TilingSpec, TrainingSpec, TrainSpec
from napari_unet.storage.records import require_record
from synthetic import classes, tissue

IMAGE, CELLS = tissue((2, 64, 80), 40)
"""Its sides are multiples of the strides: mirrored as a whole, it is cut as it is mirrored tile by tile."""


def train(**more):
    return nu.train(IMAGE, classes(CELLS), steps=20, base=8, depth=2, patch=(48, 48), val_fraction=0, **more)


@pytest.fixture(scope="module")
def model():
    return train()


@pytest.mark.parametrize(("count", "axes"), [(1, [()]), (2, [(), (2, 3)]), (4, [(), (2, 3), (2,), (3,)])])
@pytest.mark.parametrize("precision", ["full", "half"])
def test_it_is_the_mean_of_the_predictions_of_mirrored_images(model, count, axes, precision):
    if precision == "half" and not has_bfloat16():
        pytest.skip("this processor does not compute with bfloat16")
    found = model.predict(IMAGE, tiling=TilingSpec(mirrors=count, precision=precision, tile=60))
    one = TilingSpec(precision=precision)
    mirrored = [
        np.flip(model.predict(np.flip(IMAGE, [a - 1 for a in flipped]).copy(), tiling=one), flipped)
        for flipped in axes
    ]
    np.testing.assert_allclose(found, np.mean(mirrored, axis=0), atol=1e-5)
    if count > 1:
        assert np.abs(mirrored[1] - mirrored[0]).max() > 1e-3


def test_they_belong_to_what_is_asked_for(model, tmp_path):
    """Blocks of a run without them are not used, and the record names them."""
    model.save(tmp_path / "m.safetensors")
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    common = (
        "predict",
        tmp_path / "m.safetensors",
        tmp_path / "a.tif",
        "--out",
        tmp_path / "p.tif",
        "--axes",
        "ZYX",
    )
    assert run(*common, "--shard", "1/2").exit_code == 0
    again = run(*common, "--mirrors", "2")
    assert "another number of mirror images; starting anew" in again.output
    written, expected = tifffile.imread(tmp_path / "p.tif"), model.predict(IMAGE, tiling=TilingSpec(mirrors=2))
    np.testing.assert_allclose(written, expected, atol=1e-6)
    assert "--mirrors 2" in " ".join(require_record(tmp_path / "p.tif").settings.options())
    refused = run(*common, "--mirrors", "3")
    assert refused.exit_code == 2
    assert "'3' is not one of" in refused.output


def test_whoever_has_not_learnt_from_mirror_images_is_warned(tmp_path):
    """And the preview does not look through them either."""
    spec = TrainSpec(steps=4, patch=(48, 48), augment=AugmentSpec(flip=False), val_fraction=0)
    training = nu.jobs.Training(nu.jobs.as_pairs([IMAGE], [classes(CELLS)], None), TrainingSpec(train=spec))
    list(training)
    model = training.model(best=False)
    image = nu.jobs.as_image(IMAGE, None)
    assert training.mirrors == model.mirrors == 2  # turned by half, as it has learnt
    assert np.abs(training.preview(image, 0, 1, 1) - training.preview(image, 0, 1)).max() > 1e-4
    model.save(tmp_path / "m.safetensors")
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0])
    common = ("predict", tmp_path / "m.safetensors", tmp_path / "a.tif", "--out", tmp_path / "p.tif")
    words = "averaging over 4 may make the result worse than 2"
    assert words in run(*common, "--mirrors", "4").output
    assert words not in run(*common, "--mirrors", "2").output


def test_of_an_imported_model_nobody_knows_what_it_has_learnt_from(model):
    assert model.mirrors == 4
    imported = nu.jobs.Model(replace(model.trained, info={"steps": 0, "imported": {"file": "weights.pt"}}))
    assert imported.mirrors == 1
    out = {"boundaries": np.zeros(IMAGE.shape, np.uint8)}
    tilings = TilingSpec(), TilingSpec(mirrors=2)
    notes = [
        [
            e.text
            for e in nu.jobs.prediction(imported, nu.jobs.as_image(IMAGE, None), out, tiling=t)
            if isinstance(e, Note)
        ]
        for t in tilings
    ]
    words = (
        "nobody knows whether it has learnt from mirror images: averaging over 2 may make the result worse than 1"
    )
    assert [sum(words in text for text in told) for told in notes] == [0, 1]


def test_the_halo_is_measured_on_what_is_averaged(model, monkeypatch):
    found = []
    monkeypatch.setattr(
        sys.modules["napari_unet.jobs.prediction"],
        "find_halo",
        lambda predictor, *more: found.append((predictor, more)) or find_halo(predictor, *more),
    )
    model.predict(IMAGE, tiling=TilingSpec(mirrors=4, halo="auto"))
    ((predictor, (image, normalisation, plan)),) = found
    tile = plan.tiles_of(plan.block_at(0))[0]
    pixels = normalisation.apply(read_tile(image, 0, tile))[None]
    seen = predictor.compute((tile,), pixels).arrays()[0]["float"]
    expected = model.predict(IMAGE, tiling=TilingSpec(mirrors=4))[:, :1]
    np.testing.assert_allclose(
        seen, expected[(slice(None), slice(0, 1), *(slice(s.start, s.stop) for s in tile[1:]))], atol=1e-5
    )
