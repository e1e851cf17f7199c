import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.arrays.uncertainty import GRAIN, uncertainty, unsure_of_region


@given(st.integers(2, 5), st.integers(0, 1000))
def test_it_is_1_less_the_margin_whatever_the_order_of_the_classes(classes, seed):
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.ones(classes), (6, 7)).transpose(2, 0, 1).astype(np.float32)
    unsure = uncertainty(chances)
    ordered = np.sort(chances, axis=0)
    np.testing.assert_allclose(unsure, 1 - (ordered[-1] - ordered[-2]), atol=1e-6)
    np.testing.assert_array_equal(unsure, uncertainty(chances[rng.permutation(classes)]))
    bytes_ = np.rint(chances * 255).astype(np.uint8)
    np.testing.assert_allclose(uncertainty(bytes_) / 255, unsure, atol=1.5 / 255)


def test_a_certain_plane_has_none_and_an_even_one_has_all():
    certain = np.stack([np.ones((5, 5), np.float32), np.zeros((5, 5), np.float32)])
    assert not uncertainty(certain).any()
    assert (uncertainty(np.full((2, 5, 5), 0.5, np.float32)) == 1).all()


def test_noise_makes_a_region_less_unsure_than_a_place_that_is():
    place = np.zeros((64, 64), np.float32)
    place[:16, :16] = 1
    noise = np.random.default_rng(0).permutation(place.ravel()).reshape(64, 64)
    assert unsure_of_region(place) > 1.5 * unsure_of_region(noise)
    assert unsure_of_region(np.zeros((64, 64), np.float32)) == 0


def test_regions_of_any_size_are_told():
    for shape in ((1, 1), (3, 50), (GRAIN, GRAIN), (65, 7)):
        assert unsure_of_region(np.full(shape, 0.25, np.float32)) == 0.25
