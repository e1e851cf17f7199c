"""Every network learns from a real image, survives its model file, and tiles exactly."""

import numpy as np
import pytest

from napari_unet import load
from napari_unet.arrays.axes import Image
from napari_unet.events import StepDone
from napari_unet.jobs import Training
from napari_unet.nets import geometry_of
from napari_unet.spec import TargetSpec, TilingSpec, TrainingSpec, TrainSpec
from napari_unet.storage.samples import load_sample
from networks import SMALL


def real(spec):
    """A bundled image with as many dimensions and channels as the network, and its cells."""
    name = "nuclei-3d" if spec.ndim == 3 else "epithelium"
    image, labels = load_sample(name).pair()
    return image, labels


@pytest.mark.parametrize("net", [s for s in SMALL if s.in_channels == 1 and s.classes == 2], ids=str)
def test_learns_saves_and_tiles(net, tmp_path):
    image, labels = real(net)
    geometry = geometry_of(net)
    wanted = (16, 32, 32) if net.ndim == 3 else (64, 64)
    steps = 60 if net.kind == "vnet" else 30  # its loss of 30 falls or not by how the machine rounds
    spec = TrainingSpec(
        target=TargetSpec(style="cells", dense=net.ndim == 3),
        net=net,
        train=TrainSpec(steps=steps, patch=geometry.input_shape(wanted), batch=2, learning_rate=3e-3, threads=1),
    )
    training = Training([(image, labels)], spec)
    losses = [e.loss for e in training if isinstance(e, StepDone)]
    assert np.mean(losses[-8:]) < 0.97 * np.mean(losses[:4])

    model = training.model(best=False)
    box = (slice(0, 24), slice(0, 45), slice(0, 37)) if net.ndim == 3 else (slice(0, 131), slice(0, 203))
    part = Image(np.asarray(image.data)[box], image.axes, image.spacing)
    whole = model.predict(part)
    assert np.ptp(whole[0]) > 0.02

    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").predict(part), whole)

    least = max(
        2 * m + s if m else 2 * h + s
        for m, h, s in zip(geometry.margin, geometry.halo, geometry.stride, strict=True)
    )
    tile = least + max(geometry.stride)
    tiled = model.predict(part, tiling=TilingSpec(tile=tile))
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    mirrored, tiled = (model.predict(part, tiling=TilingSpec(tile=n, mirrors=4)) for n in (None, tile))
    assert np.abs(mirrored - whole).max() > 1e-3
    np.testing.assert_allclose(tiled, mirrored, atol=1e-5)
