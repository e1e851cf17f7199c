"""Levels that follow the voxel spacing."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.arrays.spacing import LEAST, describe, plan
from napari_unet.errors import UserError
from napari_unet.nets.unet import geometry
from napari_unet.spec import UNet3DSpec

spacings = st.tuples(*[st.floats(0.01, 1000)] * 3)
depths = st.integers(1, 6)
shapes = st.tuples(*[st.integers(1, 600)] * 3)


def ratios(spacing, strides):
    now, found = list(spacing), [max(spacing) / min(spacing)]
    for stride in strides:
        now = [n * s for n, s in zip(now, stride, strict=True)]
        found.append(max(now) / min(now))
    return found


def test_isotropic_voxels_are_pooled_along_every_axis():
    assert plan((1, 1, 1), 3) == (((2, 2, 2),) * 3, ((3, 3, 3),) * 4)


def test_thick_sections_are_pooled_in_the_plane_until_nearly_isotropic():
    strides, kernels = plan((50, 4, 4), 5)
    assert strides == ((1, 2, 2), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
    assert kernels == ((1, 3, 3),) * 3 + ((3, 3, 3),) * 3


def test_a_single_coarse_axis_may_be_any():
    assert plan((1, 1, 9), 2)[0] == ((2, 2, 1), (2, 2, 1))
    assert plan((1, 2, 4), 3)[0] == ((2, 1, 1), (2, 2, 1), (2, 2, 2))


def test_a_shallow_network_still_sees_z_at_the_bottom():
    assert plan((50, 4, 4), 1)[1] == ((1, 3, 3), (3, 3, 3))


def test_a_short_axis_is_not_pooled_away():
    strides, kernels = plan((1, 1, 1), 4, (9, 512, 512))
    assert strides == ((2, 2, 2), (1, 2, 2), (1, 2, 2), (1, 2, 2))
    assert kernels == ((3, 3, 3),) * 5
    assert plan((1, 1, 1), 2, (1, 64, 64)) == (((1, 2, 2),) * 2, ((1, 3, 3),) * 3)


def test_the_coarse_axis_is_pooled_where_the_fine_ones_are_too_short():
    assert plan((4, 1, 1), 2, (64, 8, 8))[0] == ((1, 2, 2), (2, 1, 1))


def test_a_short_fine_axis_does_not_decide():
    assert plan((0.1, 1, 1), 1, (1, 64, 64)) == (((1, 2, 2),), ((1, 3, 3),) * 2)
    assert plan((0.1, 1, 1), 1, (3, 64, 64)) == (((1, 2, 2),), ((3, 3, 3),) * 2)
    assert plan((1, 1, 9), 1, (4, 4, 4)) == (((1, 1, 1),), ((3, 3, 3),) * 2)


@given(spacings, depths)
def test_the_ratio_of_spacings_never_grows(spacing, depth):
    strides, kernels = plan(spacing, depth)
    assert len(strides) == depth
    assert len(kernels) == depth + 1
    assert {s for level in strides for s in level} <= {1, 2}
    assert {k for level in kernels for k in level} <= {1, 3}
    assert all(2 in level for level in strides)
    found = ratios(spacing, strides)
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(found))


@given(spacings, depths)
def test_after_nearly_isotropic_comes_every_axis(spacing, depth):
    strides, kernels = plan(spacing, depth)
    for ratio, stride, kernel in zip(ratios(spacing, strides), strides, kernels, strict=False):
        if ratio < 2:
            assert stride == (2, 2, 2)
            assert kernel == (3, 3, 3)


@given(spacings, depths, shapes)
def test_no_axis_gets_shorter_than_the_least(spacing, depth, shape):
    strides, kernels = plan(spacing, depth, shape)
    assert len(strides) == depth
    for axis, n in enumerate(shape):
        factor = math.prod(s[axis] for s in strides)
        assert factor == 1 or n / factor > LEAST - 1
        assert n >= 2 * LEAST or factor == 1
        assert kernels[-1][axis] == (3 if n > 1 else 1)
    spec = UNet3DSpec(depth=depth, strides=strides, kernels=kernels)
    assert geometry(spec).stride == tuple(math.prod(s[a] for s in strides) for a in range(3))


@given(spacings, depths, st.sampled_from(["", "nm"]))
def test_a_line_per_level(spacing, depth, unit):
    lines = describe(spacing, *plan(spacing, depth), unit).splitlines()
    assert len(lines) == depth + 1
    assert all(("pooled" in line) == (n < depth) for n, line in enumerate(lines))


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (-1, 1, 1), (math.nan, 1, 1), (math.inf, 1, 1)])
def test_a_spacing_that_is_none(spacing):
    with pytest.raises(UserError, match="three positive numbers"):
        plan(spacing, 2)
