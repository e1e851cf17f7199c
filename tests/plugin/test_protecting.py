"""Accepted cells stay where cells are made anew, in the same layer and in a new one."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet.arrays import boxes
from napari_unet.arrays.region import Region
from napari_unet.plugin.cells.accepted import accepted_in
from napari_unet.plugin.protecting import Protection, accepted_planes, keys_of


@pytest.fixture
def layer():
    data = np.zeros((2, 8, 8), np.int32)
    data[0, :4, :4], data[0, 4:, 4:], data[1, :4, :4] = 3, 5, 3
    return Labels(data)


SLICES = [Region((0, 1), (z, z + 1), (0, 8), (0, 8)) for z in range(2)]


def protection(layer, tissue=False):
    return Protection(layer, "ZYX", tissue=tissue, min_size=0)


def test_nothing_is_protected_where_nothing_is_accepted(layer):
    new = np.ones((1, 8, 8), np.int32)
    assert protection(layer).apply(new, SLICES[0]) is new


def test_what_is_accepted_later_is_protected_from_then_on(layer):
    protects = protection(layer)
    accepted_in(layer).change(add=[(0, 0, 3)])
    assert (protects.apply(np.ones((1, 8, 8), np.int32), SLICES[0])[0, :4, :4] == 3).all()


def test_cells_of_a_slice_are_protected_in_this_slice_only(layer):
    accepted_in(layer).change(add=[(0, 0, 3)])
    protects = protection(layer)
    new = np.ones((1, 8, 8), np.int32)
    kept = protects.apply(new, SLICES[0])
    assert (kept[0, :4, :4] == 3).all()
    assert np.unique(kept).tolist() == [3, 4]
    assert protects.apply(new, SLICES[1]) is new


def test_tissue_gets_a_line_around_what_is_protected(layer):
    accepted_in(layer).change(add=[(0, 0, 3)])
    kept = protection(layer, tissue=True).apply(np.ones((1, 8, 8), np.int32), SLICES[0])
    assert (kept[0, :4, :4] == 3).all()
    assert (kept[0, 4, :4] == 0).all()
    assert kept[0, 5, 0] == 4


def test_a_volume_keeps_its_cells_through_all_slices(layer):
    accepted_in(layer).change(add=[(0, None, 3)])
    protects = protection(layer)
    volume = Region((0, 1), (0, 2), (0, 8), (0, 8))
    assert (protects.apply(np.ones((2, 8, 8), np.int32), volume)[:, :4, :4] == 3).all()


def test_blocks_of_a_large_layer_keep_their_numbers(layer, monkeypatch):
    monkeypatch.setattr(boxes, "IN_ONE_PIECE", 20)
    accepted_in(layer).change(add=[(0, 0, 3), (0, 0, 5)])
    protects = protection(layer)
    new = np.full((1, 8, 8), 2, np.int32)
    whole = protects.apply(new, SLICES[0])
    halves = [Region((0, 1), (0, 1), (y, y + 4), (0, 8)) for y in (0, 4)]
    parts = [protects.apply(new[:, :4], half) for half in halves]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert np.unique(whole).tolist() == [3, 5, 7]


def test_cells_of_slices_are_not_protected_in_volumes(layer):
    """The same number is another cell in every slice."""
    accepted_in(layer).change(add=[(0, 0, 3)])
    new, volume = np.ones((2, 8, 8), np.int32), Region((0, 1), (0, 2), (0, 8), (0, 8))
    assert protection(layer).apply(new, volume) is new
    assert keys_of(layer, flat=False) == []
    assert keys_of(layer, flat=True) == [(0, 0, 3)]
    assert keys_of(None, flat=True) == []


def test_accepted_cells_are_given_plane_by_plane(layer):
    accepted_in(layer).change(add=[(0, 0, 5), (0, None, 3)])
    (found,) = accepted_planes(layer, "ZYX", flat=True)
    assert found[0] == SLICES[0]
    np.testing.assert_array_equal(found[1][0], np.where(layer.data[0] == 5, 5, 0))
    planes = dict(accepted_planes(layer, "ZYX", flat=False))
    assert set(planes) == set(SLICES)
    np.testing.assert_array_equal(planes[SLICES[1]][0], np.where(layer.data[1] == 3, 3, 0))
