import numpy as np
import pytest
import torch

from napari_unet.learn import augment
from napari_unet.learn.augment import Change
from napari_unet.spec import AugmentSpec


def apply(change, image, patch, nearest=False):
    grid = augment.sampling_grid(change, patch, image.shape[2:])[None]
    return augment.warp(image, grid, nearest=nearest)


@pytest.mark.parametrize(("patch", "crop"), [((8, 8), (8, 8)), ((8, 10), (12, 14)), ((4, 6, 6), (4, 10, 10))])
def test_identity_gives_the_middle_of_the_crop(patch, crop):
    image = torch.rand(1, 2, *crop)
    middle = tuple(slice((c - p) // 2, (c + p) // 2) for c, p in zip(crop, patch, strict=True))
    result = apply(augment.identity(len(patch)), image, patch)
    torch.testing.assert_close(result, image[(slice(None), slice(None), *middle)])


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
def test_flips_and_quarter_turns_are_exact(turns, flips):
    image = torch.rand(1, 1, 6, 6)
    change = Change(flips, turns * np.pi / 2, 1.0, None, 1.0, 0.0, 0.0)
    flipped = torch.rot90(image, -turns, (2, 3)).flip([d + 2 for d, f in enumerate(flips) if f])
    torch.testing.assert_close(apply(change, image, (6, 6)), flipped, atol=1e-5, rtol=0)


def test_image_and_target_move_together():
    """A binary image, deformed strongly: image > 0.5 is the deformed target, but for its very edge."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:80, :80]
    mask = torch.from_numpy(((y - 37) ** 2 + (x - 45) ** 2 < 20**2).astype(np.float32))[None, None]
    for _ in range(10):
        change = augment.draw(AugmentSpec(probability=1.0, elastic=4, rotation=90), 2, rng)
        image, target = (apply(change, mask, (64, 64), nearest=n) for n in (False, True))
        assert ((image > 0.5) != (target > 0.5)).float().mean() < 0.02
        assert 0.05 < target.mean() < 0.6


def test_the_same_seed_draws_the_same():
    spec = AugmentSpec()
    a, b = (augment.draw(spec, 2, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(a.displacement, b.displacement)
    assert (a.angle, a.flips, a.gain) == (b.angle, b.flips, b.gain)


def test_recolour_without_noise_is_linear():
    image = torch.rand(2, 1, 4, 4)
    changes = [Change((), 0, 1, None, 2.0, 0.5, 0.0), Change((), 0, 1, None, 1.0, -1.0, 0.0)]
    result = augment.recolour(image, changes, torch.Generator())
    torch.testing.assert_close(result[0], image[0] * 2 + 0.5)
    torch.testing.assert_close(result[1], image[1] - 1)
