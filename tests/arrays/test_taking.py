"""Cells out of predictions, on the cells of real samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.arrays.taking import REACH, CellMap, ClassMap, cell_at, likeliest, whole_cells
from napari_unet.arrays.targets import cell_target
from napari_unet.spec import BACKGROUND, BOUNDARY, CELL, TargetSpec
from napari_unet.storage.samples import load_sample

CLASSES = (CELL, BOUNDARY, BACKGROUND)
SPEC = TargetSpec(style="cells", rim=2)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.asarray(load_sample("nuclei-5").labels)


@pytest.fixture(scope="module")
def predicted(truth: np.ndarray) -> ClassMap:
    """What a perfect network says: cells, their rims two pixels wide, background."""
    return ClassMap(CLASSES, (cell_target(truth, SPEC, "background") + 1).astype(np.uint8))


def inner(truth: np.ndarray, predicted: ClassMap) -> list[int]:
    return [int(v) for v in np.unique(truth[predicted.kinds == 1])]


def whole(box: tuple[slice, slice], mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    plane = np.zeros(shape, bool)
    plane[box] = mask
    return plane


def test_every_nucleus_is_found_with_its_rim_and_nothing_else(truth: np.ndarray, predicted: ClassMap) -> None:
    for value in inner(truth, predicted):
        core = (truth == value) & (predicted.kinds == 1)
        parts, n = ndimage.label(core)
        y, x = np.argwhere(parts == 1)[0]
        cell = cell_at(predicted, int(y), int(x))
        assert cell is not None
        body, ring = (whole(cell.box, m, truth.shape) for m in (cell.body, cell.ring))
        np.testing.assert_array_equal(body, parts == 1)
        assert (predicted.kinds[ring] == 2).all()
        assert (ndimage.distance_transform_cdt(~body, "chessboard")[ring] <= REACH).all()
        if n == 1:  # the rim of the nucleus is the ring, but for thin tips
            assert ring[(truth == value) & ~core].mean() > 0.7


def test_no_cell_on_boundary_background_or_nothing(truth: np.ndarray, predicted: ClassMap) -> None:
    for kind in (2, 3):
        y, x = np.argwhere(predicted.kinds == kind)[0]
        assert cell_at(predicted, int(y), int(x)) is None
    assert cell_at(ClassMap(CLASSES, np.zeros((4, 4), np.uint8)), 1, 1) is None
    assert cell_at(CellMap(np.zeros((4, 4), int)), 1, 1) is None


def test_numbered_cells_go_to_their_edge(truth: np.ndarray, predicted: ClassMap) -> None:
    found = CellMap(truth, predicted.kinds == 2)
    value = inner(truth, predicted)[3]
    y, x = np.argwhere(truth == value)[0]  # on the rim: a cell all the same
    cell = cell_at(found, int(y), int(x))
    assert cell is not None
    np.testing.assert_array_equal(whole(cell.box, cell.body, truth.shape), truth == value)
    assert (cell.ring & cell.body).any()


@given(st.data())
def test_only_whole_cells_of_a_box_are_numbered(
    truth: np.ndarray, predicted: ClassMap, data: st.DataObject
) -> None:
    height, width = truth.shape
    y = sorted(data.draw(st.lists(st.integers(0, height), min_size=2, max_size=2, unique=True)))
    x = sorted(data.draw(st.lists(st.integers(0, width), min_size=2, max_size=2, unique=True)))
    box = slice(*y), slice(*x)
    for found in (predicted, CellMap(truth)):
        numbers = whole_cells(found, box, rim=2)
        if isinstance(found, ClassMap):
            parts = ndimage.label(predicted.kinds == 1)[0]
            core = np.where(predicted.kinds[box] == 1, numbers, 0)
            assert set(np.unique(numbers[predicted.kinds[box] == 3])) <= {0}
        else:
            parts, core = truth, numbers
        wanted = {int(v) for v in np.unique(parts[box]) if v and (parts == v).sum() == (parts[box] == v).sum()}
        assert numbers.max(initial=0) == len(wanted)
        np.testing.assert_array_equal(core != 0, np.isin(parts[box], list(wanted)))


def test_the_rims_of_whole_cells_go_to_the_nearest(truth: np.ndarray, predicted: ClassMap) -> None:
    everything = slice(0, truth.shape[0]), slice(0, truth.shape[1])
    numbers = whole_cells(predicted, everything, rim=2)
    cores, count = ndimage.label(predicted.kinds == 1)
    assert numbers.max() == count
    owner = np.r_[0, ndimage.maximum(truth, cores, np.arange(1, count + 1))].astype(int)
    numbered = numbers > 0
    assert (owner[numbers] == truth)[numbered].mean() > 0.98
    assert numbered[truth > 0].mean() > 0.95  # the rest are thin tips
    assert not numbered[truth == 0].any()


def test_what_is_nearly_undecided_is_not_sure() -> None:
    probabilities = np.array([[[127, 140, 255, 85]], [[128, 115, 0, 85]], [[0, 0, 0, 85]]], np.uint8)
    box = slice(0, 1), slice(0, 4)
    found = ClassMap(CLASSES, likeliest(probabilities), probabilities)
    assert found.kinds.tolist() == [[2, 1, 1, 1]]
    assert found.certain_part(box).tolist() == [[0, 0, 1, 0]]
    assert ClassMap((CELL,), likeliest(probabilities[:1]), probabilities[:1]).certain_part(box).all()


def test_the_likeliest_is_that_of_numpy() -> None:
    probabilities = np.random.default_rng(0).integers(0, 6, (4, 50, 60)).astype(np.uint8)  # many are equal
    np.testing.assert_array_equal(likeliest(probabilities), probabilities.argmax(axis=0) + 1)


def test_painted_boundary_and_background_part_a_clump(truth: np.ndarray, predicted: ClassMap) -> None:
    clump = ClassMap(CLASSES, np.where(truth > 0, 1, 3).astype(np.uint8))
    rim = np.where((truth > 0) & (predicted.kinds == 2), 2, 0)
    y, x = np.argwhere(predicted.kinds == 1)[0]
    for painted, classes in ((rim, CLASSES), (np.where(rim, 1, 0), (BACKGROUND, CELL))):
        whole_clump, cell = cell_at(clump, int(y), int(x)), cell_at(clump.cut(painted, classes), int(y), int(x))
        assert cell is not None
        assert whole_clump is not None
        parts = ndimage.label((truth > 0) & (rim == 0))[0]
        np.testing.assert_array_equal(whole(cell.box, cell.body, truth.shape), parts == parts[y, x])
        assert whole_clump.body.sum() > cell.body.sum()
    same = clump.cut(np.where(truth > 0, 1, 0), CLASSES)  # painted cells part nothing
    np.testing.assert_array_equal(same.kinds, clump.kinds)
