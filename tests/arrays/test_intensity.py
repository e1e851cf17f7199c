import numpy as np
import pytest

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.spec import NormalisationSpec

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("method", ["meanstd", "percentile"])
@pytest.mark.parametrize("gain", [1, 37])
def test_gain_and_offset_do_not_matter(method, gain):
    values = RNG.normal(100, 10, (40, 50))
    spec = NormalisationSpec(method=method)

    def normalised(v):
        image = Image(v, "YX")
        return intensity.fit(image, spec).apply(image.read())

    np.testing.assert_allclose(normalised(values), normalised(values * gain + 5), atol=1e-3)


def test_tile_and_whole_are_normalised_alike():
    values = RNG.integers(0, 255, (3, 64, 64)).astype(np.uint8)
    image = Image(values, "ZYX")
    norm = intensity.fit(image)
    whole = norm.apply(image.read())
    np.testing.assert_array_equal(norm.apply(image.read(0, slice(1, 2), slice(8, 20)))[:, 0], whole[:, 1, 8:20])


def test_channels_are_fitted_apart():
    values = np.stack([RNG.normal(0, 1, (32, 32)), RNG.normal(1000, 50, (32, 32))])
    result = intensity.fit(Image(values, "CYX")).apply(values[:, None])
    np.testing.assert_allclose(result.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=(1, 2, 3)), 1, atol=1e-5)


def test_nan_and_infinite_pixels_are_left_out_and_become_zero():
    values = RNG.normal(5, 2, (32, 32))
    clean = intensity.fit(Image(values[1:], "YX"))
    values[0] = np.nan
    values[0, 0] = np.inf
    norm = intensity.fit(Image(values, "YX"))
    assert norm == clean
    result = norm.apply(values[None, None])
    assert (result[0, 0, 0] == 0).all()
    assert np.isfinite(result).all()
    assert intensity.count_invalid(values) == 32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((8, 8), 7), "constant .*7"),
        (np.full((8, 8), np.nan), "no finite pixel"),
        (np.zeros((8, 8), complex), "complex128"),
    ],
)
def test_hopeless_images_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        intensity.fit(Image(values, "YX"))


def test_only_a_bounded_sample_is_read():
    class Huge:
        shape, dtype = (1000, 20_000, 20_000), np.dtype(np.uint8)
        read = 0

        def __getitem__(self, key):
            shape = [len(range(*k.indices(n))) for k, n in zip(key, self.shape, strict=True)]
            Huge.read += int(np.prod(shape))
            return RNG.integers(0, 255, shape).astype(np.uint8)

    intensity.fit(Image(Huge(), "ZYX"))
    assert Huge.read <= intensity.MAX_PLANES * intensity.MAX_SIDE**2


def test_large_offsets_are_not_rounded_away():
    values = RNG.normal(0, 1, (32, 32))
    near, far = (Image(values + o, "YX") for o in (0, 1e8))
    results = [intensity.fit(i).apply(i.read()) for i in (near, far)]
    np.testing.assert_allclose(*results, atol=1e-4)


def test_one_constant_channel_becomes_zero_and_a_blank_image_is_taken_on_request():
    values = np.stack([RNG.normal(0, 1, (32, 32)), np.full((32, 32), 7.0)])
    image = Image(values, "CYX")
    assert (intensity.fit(image).apply(image.read())[1] == 0).all()
    blank = Image(np.full((8, 8), 3), "YX")
    assert (intensity.fit(blank, blank=True).apply(blank.read()) == 0).all()


def test_a_dark_centre_is_not_the_whole_image():
    values = np.zeros((3000, 3000), np.uint8)
    values[:300] = RNG.integers(0, 255, (300, 3000))
    assert intensity.fit(Image(values, "YX")).scale[0] > 1


@pytest.mark.parametrize("method", ["meanstd", "percentile"])
@pytest.mark.parametrize("gain", [1e300, 1e307, 1e30, 1e-300, 1e-320])
def test_the_size_of_numbers_does_not_matter(method, gain):
    """Warnings are errors here: neither squares nor the cast to float32 may overflow."""
    values = RNG.random((40, 50))
    spec = NormalisationSpec(method=method)
    near, far = (Image(v, "YX") for v in (values, values * gain))
    results = [intensity.fit(i, spec).apply(i.read()) for i in (near, far)]
    np.testing.assert_allclose(*results, atol=1e-2 if gain < 1e-310 else 1e-5)
    assert results[1].std() > 0.5


@pytest.mark.parametrize("absurd", [1e300, 1e12, -1e40])
def test_a_few_absurd_values_do_not_hide_the_others(absurd):
    values = RNG.normal(100, 10, (200, 200))
    clean = intensity.fit(Image(values, "YX")).apply(values[None])
    values[3, :5] = absurd
    result = intensity.fit(Image(values, "YX")).apply(values[None])
    assert np.corrcoef(clean[0, 4:].ravel(), result[0, 4:].ravel())[0, 1] > 0.9999
    assert 0.5 < result[0, 4:].std() < 2


def test_hot_pixels_and_sparse_images_keep_their_standard_deviation():
    hot = RNG.normal(100, 10, (200, 200))
    hot[3, :5] = 65_535
    sparse = np.zeros((200, 200))
    sparse[0, :20] = RNG.random(20)
    for values in (hot, sparse):
        assert intensity.fit(Image(values, "YX")).scale == (values.std(),)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_what_is_odd_of_an_image_is_said(kind):
    grey = np.arange(64).reshape(8, 8).astype(kind)
    assert intensity.oddity(Image(grey, "YX")) == ""
    assert intensity.oddity(Image(np.zeros_like(grey), "YX")) == "all pixels are the same"
    assert intensity.oddity(Image(np.stack([grey, 0 * grey]), "CYX")) == ""


def test_how_many_pixels_are_not_finite_is_said():
    grey = np.arange(64.0).reshape(8, 8)
    grey[2, 3] = np.nan
    assert intensity.oddity(Image(grey, "YX")) == "1 pixel is not finite"
    assert intensity.oddity(Image(grey * np.nan, "YX")) == "no pixel is finite"
    stack = np.tile(grey, (48, 1, 1))
    assert intensity.oddity(Image(stack, "ZYX")) == "24 pixels of 1536 that were looked at are not finite"
