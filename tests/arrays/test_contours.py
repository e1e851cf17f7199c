"""Contours and outlines of cells: filled, contours are the cells again; outlines are one pixel wide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage as ndi
from skimage.draw import polygon2mask
from skimage.measure import label

from napari_unet.arrays.contours import contours
from napari_unet.arrays.lines import outline
from napari_unet.storage.samples import load_sample

CELLS = hnp.arrays(np.int32, (7, 9), elements=st.integers(0, 2))


def filled(cells):
    """Cells without their holes, painted from the contours."""
    found = np.zeros_like(cells)
    for contour in contours(cells):
        found[polygon2mask(cells.shape, contour.centred)] = contour.id
    return found


def area(corners):
    y, x = corners.T
    return np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2


@given(CELLS)
def test_a_filled_contour_is_a_piece_of_its_cell_without_holes(cells):
    found = list(contours(cells))
    pieces = [(int(i), label(cells == i, connectivity=1)) for i in np.unique(cells) if i]
    assert [c.id for c in found] == [i for i, p in pieces for _ in range(p.max())]
    whole = {i: [ndi.binary_fill_holes(p == n, np.ones((3, 3))) for n in range(1, p.max() + 1)] for i, p in pieces}
    for contour in found:
        mask = polygon2mask(cells.shape, contour.centred)
        assert any(np.array_equal(mask, piece) for piece in whole[contour.id])
        assert area(contour.corners) == mask.sum()


def test_real_cells_are_filled_again():
    cells = load_sample("nuclei-4").labels.astype(np.int32)
    np.testing.assert_array_equal(filled(cells), cells)
    epithelium = load_sample("epithelium").labels
    for i in np.unique(epithelium)[1:]:
        mask = epithelium == i
        found = np.zeros(mask.shape, bool)
        for contour in contours(mask.astype(np.int32)):
            found |= polygon2mask(mask.shape, contour.centred)
        assert (found & mask).sum() / (found | mask).sum() > 0.97


def test_only_the_outer_contour_of_a_ring_is_told():
    ring = np.full((5, 6), 8)
    ring[2, 2:4] = 0
    (contour,) = contours(ring)
    assert contour.corners.tolist() == [[0, 0], [0, 6], [5, 6], [5, 0]]
    assert contour.centred.tolist()[2] == [4.5, 5.5]


@pytest.mark.parametrize("name", ["nuclei-4", "epithelium"])
def test_outlines_are_lines_of_one_pixel_that_part_the_cells(name):
    cells = load_sample(name).labels.astype(np.int32)
    lines = outline(cells)
    assert not lines[cells == 0].any()
    inside = np.where(lines, 0, cells)
    parts = label(inside > 0, connectivity=1)
    for part in range(1, parts.max() + 1):
        assert len(np.unique(inside[parts == part])) == 1  # no two cells touch any more
    rim = ndi.distance_transform_cdt(np.pad(cells > 0, 1, mode="edge"), "taxicab")[1:-1, 1:-1]
    touching = np.zeros(cells.shape, bool)
    for axis in (0, 1):
        other = np.roll(cells, -1, axis)
        touching |= (other != cells) & (other > 0) & (cells > 0)
    assert not (lines & (rim > 1) & ~touching).any()  # nothing but rims and borders


def test_a_border_of_two_cells_is_one_pixel_wide():
    cells = np.repeat([[1] * 5 + [2] * 5], 6, axis=0)
    lines = outline(cells)
    assert lines.sum(axis=1).tolist() == [1] * 6
    apart = np.pad(cells, 2)
    assert outline(apart)[4].sum() == 3  # a rim on each side and the border
