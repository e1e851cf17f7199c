"""Cells that are alike."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk, rectangle

from napari_unet.arrays.alike import alike, shapes_of, sums_of


def test_size_roundness_and_boundary_of_known_shapes() -> None:
    plane = np.zeros((120, 200), np.int32)
    plane[disk((40, 40), 20)] = 3
    plane[disk((40, 100), 30)] = 4
    plane[rectangle((90, 20), extent=(6, 120))] = 7
    boundary = np.where(plane == 4, 0.25, 0.5)
    shapes = shapes_of([sums_of(plane, boundary)])
    assert {n: s.size for n, s in shapes.items()} == {n: (plane == n).sum() for n in (3, 4, 7)}
    assert shapes[3].roundness == pytest.approx(shapes[4].roundness, rel=0.05)
    assert shapes[7].roundness < 0.3 * shapes[3].roundness
    assert [shapes[n].boundary for n in (3, 4, 7)] == pytest.approx([0.5, 0.25, 0.5])
    assert alike(shapes, [shapes[3], shapes[4]]) == {3, 4}
    assert alike(shapes, [shapes[4], shapes[4]]) == {4}
    assert alike(shapes, [shapes[3]]) == {3, 7}


def test_slices_of_a_volume_add_up() -> None:
    volume = np.zeros((3, 40, 40), np.int32)
    for z, radius in enumerate((5, 10, 5)):
        volume[z][disk((20, 20), radius)] = 2
    shape = shapes_of(sums_of(plane) for plane in volume)[2]
    assert shape.size == (volume == 2).sum()
    flat = shapes_of([sums_of(volume[1])])[2]
    assert shape.roundness == pytest.approx(flat.roundness, rel=0.1)


def test_numbers_of_any_size_are_told_apart() -> None:
    plane = np.random.default_rng(0).integers(0, 5, (30, 40))
    large = np.where(plane > 0, plane + 2**40, 0)
    small, others = sums_of(plane), sums_of(large)
    np.testing.assert_array_equal(small.numbers, [1, 2, 3, 4])
    np.testing.assert_array_equal(others.numbers, small.numbers + 2**40)
    np.testing.assert_array_equal(others.sums, small.sums)
    assert not sums_of(np.zeros((3, 3), np.uint8)).numbers.size
