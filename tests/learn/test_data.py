import numpy as np
import pytest
import torch

import synthetic
from napari_unet.arrays.axes import Image
from napari_unet.arrays.targets import IGNORE
from napari_unet.errors import UserError
from napari_unet.jobs.training import complete
from napari_unet.learn import data
from napari_unet.spec import AugmentSpec, TargetSpec, TrainingSpec

STILL = AugmentSpec(
    flip=False, rotate90=False, rotation=0, scale=0, elastic=0, contrast=0, brightness=0, noise=0, probability=0
)


CLASSES = TargetSpec()


def sampler_of(image, labels, patch, augment=STILL, target=CLASSES, seed=0):
    pairs = [(Image(image, "ZYX"), Image(labels, "ZYX"))]
    found = data.survey(pairs, target)
    spec = complete(TrainingSpec(target=target), pairs, found)
    units = list(data.load_units(pairs, found, spec))
    return data.PatchSampler(units, [u.target for u in units], patch, augment, len(found.classes), seed)


def test_every_patch_holds_annotation_and_matches_the_image():
    labels = np.zeros((3, 100, 120), np.uint8)
    labels[1, 50, 60:64] = 1
    labels[2, 5, 3:5] = 2
    image = np.random.default_rng(0).normal(size=labels.shape)
    sampler = sampler_of(image, labels, (32, 32))
    norm = sampler.units[0].normalisation
    batch = sampler.draw(20)
    for values, target in zip(batch.images, batch.target, strict=True):
        annotated = torch.nonzero(target != IGNORE)
        assert len(annotated)
        y, x = annotated[0]
        k = int(target[y, x])
        places = np.argwhere(labels == k + 1)
        found = [norm.apply(image[None, None])[0, 0][tuple(p)] for p in places]
        assert min(abs(float(values[0, y, x]) - f) for f in found) < 1e-5


def test_rare_classes_are_seen():
    labels = np.ones((1, 200, 200), np.uint8)
    labels[0, 100, 100:103] = 2
    batch = sampler_of(np.random.default_rng(0).normal(size=labels.shape), labels, (16, 16)).draw(60)
    assert 0.15 < np.mean([bool((t == 1).any()) for t in batch.target]) < 0.4


def test_same_seed_same_patches():
    image, cells = synthetic.tissue((2, 64, 64), 20)
    a, b = (sampler_of(image, synthetic.classes(cells), (32, 32), AugmentSpec(), seed=7).draw(4) for _ in range(2))
    torch.testing.assert_close(a.images, b.images)
    torch.testing.assert_close(a.target, b.target)


def test_weights_travel_with_the_target():
    image, cells = synthetic.tissue((1, 96, 96), 20)
    cells = np.where(synthetic.classes(cells) == 2, 0, cells)
    sampler = sampler_of(image, cells, (48, 48), target=TargetSpec(style="cells", dense=True, weight_map=True))
    batch = sampler.draw(4)
    assert batch.weights.shape == batch.target.shape
    assert (batch.weights[batch.target == 0] == 1).all()
    assert batch.weights[batch.target == 1].mean() > 5


@pytest.mark.parametrize(
    ("image", "labels", "message"),
    [
        (np.zeros((5, 6)), np.zeros((5, 7), int), r"differ in size: \(5, 6\) \(YX\) and \(5, 7\) \(YX\)"),
        (np.zeros((5, 6)), np.zeros((5, 6)), "labels hold float64 values"),
        (np.zeros((5, 6), complex), np.zeros((5, 6), int), "complex128"),
    ],
)
def test_pairs_that_do_not_fit(image, labels, message):
    with pytest.raises(UserError, match=message):
        data.check_pair(Image(image, "YX"), Image(labels, "YX", name="labels"))


def test_bool_labels_are_copied():
    labels = np.ones((4, 4), bool)
    plane = data.read_labels(Image(labels, "YX"), 0, 0)
    assert plane.dtype == np.uint8
    plane[:] = 0
    assert labels.all()


def test_nan_pixels_are_not_learnt_from():
    image, cells = synthetic.tissue((1, 64, 64), 20)
    image = image.astype(float)
    image[0, 10:20] = np.nan
    sampler = sampler_of(image, synthetic.classes(cells), (32, 32))
    assert (sampler.units[0].target[10:20] == IGNORE).all()
    assert torch.isfinite(sampler.draw(8).images).all()
