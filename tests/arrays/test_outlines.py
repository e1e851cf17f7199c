"""The outlines of truth and prediction, told apart where they do not run together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_unet.arrays.lines import outline
from napari_unet.arrays.outlines import TOLERANCE, Outline, outlines
from napari_unet.storage.samples import load_sample

CELLS = hnp.arrays(np.int32, (9, 12), elements=st.integers(0, 3))


@given(CELLS, CELLS)
def test_every_true_outline_is_drawn_and_predicted_ones_that_are_not_near(predicted, true):
    drawn = outlines(true, predicted)
    a, b = (np.argwhere(outline(x)) for x in (true, predicted))

    def far(point, others):
        return all(np.abs(point - o).max() > TOLERANCE for o in others)

    expected = np.zeros(true.shape, int)
    for y, x in b:
        expected[y, x] = Outline.PREDICTED if far((y, x), a) else 0
    for y, x in a:
        expected[y, x] = Outline.TRUE if far((y, x), b) else Outline.BOTH
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize("thinned", [False, True])
def test_a_membrane_missing_between_nuclei_is_seen_and_nothing_else(thinned):
    true = load_sample("nuclei-5").labels.astype(np.int64)
    shifted = np.roll(true, 1, axis=1)  # a pixel to the side is no mistake
    shifted[:, :1] = true[:, :1]
    assert (outlines(true, shifted, thinned=thinned) == Outline.BOTH).sum() > 1000
    rows = np.indices(true.shape)[0]
    halves = np.where(rows < 100, 1, 2)
    lines = outlines(halves, np.ones_like(halves), thinned=thinned)
    assert (lines[99] == Outline.TRUE).all()
    assert not np.delete(lines, 99, 0).any()
    lines = outlines(np.ones_like(halves), halves, thinned=thinned)
    assert (lines[99] == Outline.PREDICTED).all()


@given(CELLS)
def test_without_cells_no_line_is_drawn_and_ids_do_not_matter(cells):
    none = np.zeros_like(cells)
    assert not outlines(none, none, thinned=True).any()
    ids = np.array([0, 2**40, 5, 7])
    for thinned in (False, True):
        a, b = outlines(cells, none, thinned=thinned), outlines(ids[cells], none, thinned=thinned)
        np.testing.assert_array_equal(a > 0, b > 0)
        assert set(np.unique(a)) <= {0, Outline.TRUE}
