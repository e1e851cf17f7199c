"""What a model file says of its making."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import tifffile

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint, labels_hash, painted_digest
from napari_unet.jobs.training import Training
from napari_unet.spec import TrainingSpec, TrainSpec, UNetSpec
from napari_unet.storage.samples import load_sample

SPEC = TrainingSpec(net=UNetSpec(base=4, depth=1), train=TrainSpec(steps=2, patch=(64, 64), val_fraction=0))


def strokes() -> np.ndarray:
    truth = load_sample("nuclei-5").labels
    painted = np.where(truth > 0, 1, 3).astype(np.uint8)
    painted[100:] = 0
    return painted


def test_a_model_tells_its_images_and_its_strokes(tmp_path: Path) -> None:
    pixels, painted = load_sample("nuclei-5").image, strokes()
    tifffile.imwrite(tmp_path / "nuclei ü.tif", pixels)
    out = tmp_path / "m.safetensors"
    nu.train(tmp_path / "nuclei ü.tif", painted, recipe=SPEC, output=out)
    found = json.loads(json.dumps(nu.load(out).describe()))
    (image,) = found["images"]
    assert image["path"] == str(tmp_path / "nuclei ü.tif")
    assert (image["shape"], image["dtype"], image["axes"]) == (list(pixels.shape), pixels.dtype.name, "YX")
    assert image["fingerprint"] == fingerprint(Image(pixels, "YX"))
    digest = painted_digest(painted)
    assert digest is not None
    assert found["labels"] == {"sha256": labels_hash({(0, 0, 0): digest}), "painted_planes": 1}
    assert datetime.fromisoformat(found["date"]).tzinfo is not None


def test_strokes_that_came_while_it_learnt_are_in_the_hash() -> None:
    pixels = np.stack([load_sample("nuclei-5").image] * 2)
    first, later = np.stack([strokes(), 0 * strokes()]), np.stack([strokes()] * 2)

    def training(labels: np.ndarray) -> Training:
        return Training([(Image(pixels, "ZYX"), Image(labels, "ZYX"))], SPEC)

    job = training(first)
    before = job.model().describe()["labels"]
    job.paint(0, 1, 0, 0, strokes())
    assert job.model().describe()["labels"] == before  # not learnt yet
    job.take_up()
    expected = training(later).model().describe()["labels"]
    assert job.model().describe()["labels"] == expected
    job.paint(0, 1, 0, 0, 0 * strokes())
    job.take_up()
    assert job.model().describe()["labels"] == before
