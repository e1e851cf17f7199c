"""Accepted cells stay where cells are made anew, in the same layer and in a new one."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet.arrays import boxes
from napari_unet.arrays.region import Region
from napari_unet.plugin.cells.accepted import accepted_in, accepted_of
from napari_unet.plugin.protecting import protection_of


@pytest.fixture
def layer():
    data = np.zeros((2, 8, 8), np.int32)
    data[0, :4, :4], data[0, 4:, 4:], data[1, :4, :4] = 3, 5, 3
    return Labels(data)


SLICES = [Region((0, 1), (z, z + 1), (0, 8), (0, 8)) for z in range(2)]


def test_nothing_is_protected_where_nothing_is_accepted(layer):
    assert protection_of(layer, "ZYX", tissue=False, min_size=0) is None
    assert protection_of(None, "ZYX", tissue=False, min_size=0) is None
    accepted_in(layer).change(add=[(0, 0, 3)])
    assert protection_of(layer, "ZYX", tissue=False, min_size=0) is not None


def test_cells_of_a_slice_are_protected_in_this_slice_only(layer):
    accepted_in(layer).change(add=[(0, 0, 3)])
    protection = protection_of(layer, "ZYX", tissue=False, min_size=0)
    new = np.ones((1, 8, 8), np.int32)
    kept = protection.apply(new, SLICES[0])
    assert (kept[0, :4, :4] == 3).all()
    assert np.unique(kept).tolist() == [3, 4]
    assert protection.apply(new, SLICES[1]) is new


def test_tissue_gets_a_line_around_what_is_protected(layer):
    accepted_in(layer).change(add=[(0, 0, 3)])
    kept = protection_of(layer, "ZYX", tissue=True, min_size=0).apply(np.ones((1, 8, 8), np.int32), SLICES[0])
    assert (kept[0, :4, :4] == 3).all()
    assert (kept[0, 4, :4] == 0).all()
    assert kept[0, 5, 0] == 4


def test_a_volume_keeps_its_cells_through_all_slices(layer):
    accepted_in(layer).change(add=[(0, None, 3)])
    protection = protection_of(layer, "ZYX", tissue=False, min_size=0)
    volume = Region((0, 1), (0, 2), (0, 8), (0, 8))
    assert (protection.apply(np.ones((2, 8, 8), np.int32), volume)[:, :4, :4] == 3).all()


def test_blocks_of_a_large_layer_keep_their_numbers(layer, monkeypatch):
    monkeypatch.setattr(boxes, "IN_ONE_PIECE", 20)
    accepted_in(layer).change(add=[(0, 0, 3), (0, 0, 5)])
    protection = protection_of(layer, "ZYX", tissue=False, min_size=0)
    new = np.full((1, 8, 8), 2, np.int32)
    whole = protection.apply(new, SLICES[0])
    halves = [Region((0, 1), (0, 1), (y, y + 4), (0, 8)) for y in (0, 4)]
    parts = [protection.apply(new[:, :4], half) for half in halves]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert np.unique(whole).tolist() == [3, 5, 7]


def test_what_was_accepted_is_accepted_of_the_layer_that_follows(layer):
    accepted_in(layer).change(add=[(0, 0, 3)])
    protection = protection_of(layer, "ZYX", tissue=False, min_size=0)
    other = Labels(np.zeros((2, 8, 8), np.int32))
    protection.hand_over(other)
    protection.hand_over(layer)
    assert accepted_of(other).keys == accepted_of(layer).keys == {(0, 0, 3)}
    accepted_in(layer).change(remove=[(0, 0, 3)])
    assert accepted_of(other).keys == {(0, 0, 3)}
    new = np.ones((1, 8, 8), np.int32)
    assert protection.apply(new, SLICES[0]) is new
