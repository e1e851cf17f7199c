import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label

from napari_unet.arrays.fragments import Memory, distance_to_boundary, fragments, relative_spacing


@settings(deadline=None)
@given(
    st.one_of(st.tuples(*[st.integers(1, 14)] * 2), st.tuples(*[st.integers(1, 7)] * 3)),
    st.integers(0, 1000),
    st.sampled_from([None, (3.0, 1.0, 1.0)]),
)
def test_fragments_cover_the_mask_and_keep_to_it(shape, seed, spacing):
    rng = np.random.default_rng(seed)
    boundary = ndimage.gaussian_filter(rng.random(shape), 0.5).astype(np.float32)
    mask = ndimage.gaussian_filter(rng.random(shape), 0.5) > 0.4
    free = mask & (boundary < 0.5)
    pieces = fragments(boundary, free, mask, spacing)
    assert pieces.dtype == np.int32
    np.testing.assert_array_equal(pieces > 0, mask)
    ids = np.unique(pieces[mask])
    np.testing.assert_array_equal(ids, np.arange(1, len(ids) + 1))
    # Where a piece of the mask has free pixels, all its fragments have.
    for piece in range(1, label(mask, connectivity=1).max() + 1):
        inside = label(mask, connectivity=1) == piece
        if free[inside].any():
            assert set(pieces[inside]) == set(pieces[inside & free])


def test_a_waist_makes_two_fragments_and_a_disc_one():
    y, x = np.indices((41, 81))
    discs = [(y - 20) ** 2 + (x - c) ** 2 < 18**2 for c in (25, 55)]
    nothing = np.zeros(y.shape, np.float32)
    assert fragments(nothing, discs[0], discs[0]).max() == 1
    both = discs[0] | discs[1]
    assert fragments(nothing, both, both).max() == 2


def test_distances_know_the_voxel_size_and_the_case_without_boundaries():
    free = np.ones((5, 5), bool)
    assert (distance_to_boundary(free, (1, 1)) == 1).all()
    free[0] = False
    np.testing.assert_array_equal(distance_to_boundary(free, (2, 1))[:, 0], [0, 2, 4, 6, 8])


def test_spacing_is_relative_to_the_finest_axis():
    assert relative_spacing((50, 4, 4), 3) == (12.5, 1, 1)
    assert relative_spacing((50, 4, 8), 2) == (1, 2)


def test_what_is_remembered_is_what_is_made_and_the_memory_is_bounded() -> None:
    rng = np.random.default_rng(0)
    planes = [rng.random((20, 30)).astype(np.float32) for _ in range(4)]
    everything = np.ones((20, 30), bool)
    plain = [fragments(p, p < 0.5, everything) for p in planes]
    memory = Memory(limit=3 * plain[0].nbytes)
    for _ in range(2):
        for plane, expected in zip(planes, plain, strict=True):
            with memory.used():
                np.testing.assert_array_equal(fragments(plane, plane < 0.5, everything), expected)
            assert len(memory._known) <= 3
    with memory.used():
        assert fragments(planes[3], planes[3] < 0.5, everything) is fragments(
            planes[3], planes[3] < 0.5, everything
        )
        other = fragments(planes[3], planes[3] < 0.6, everything)
    np.testing.assert_array_equal(other, fragments(planes[3], planes[3] < 0.6, everything))
    assert (other != plain[3]).any()
