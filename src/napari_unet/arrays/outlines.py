"""The outlines of true and of predicted cells, told apart where they do not run together."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_unet.arrays.contingency import renumber
from napari_unet.arrays.lines import Labels, draw_lines, fill_gaps, outline

TOLERANCE = 2
"""Pixels, to each side, by which the outlines of the same membrane may lie apart."""


class Outline(IntEnum):
    """Whose outline goes through a pixel."""

    BOTH = 1
    """The true one, with a predicted one near."""
    TRUE = 2
    """A true one alone: a membrane that is missing in the prediction."""
    PREDICTED = 3
    """A predicted one alone: a membrane that is not there."""


STEP = 8
"""What `Outline` 1 adds to the value of a category; 2 and 3 add twice and three times as much."""


def outlines(true: Labels, predicted: Labels, *, thinned: bool = False) -> npt.NDArray[np.uint8]:
    """Draw the outlines of the cells of a slice (Y, X), one pixel wide: an `Outline` or 0 for every pixel.

    Parameters
    ----------
    true, predicted
        Integer ids, 0 where there is none.
    thinned
        Thin the gaps to lines, as the scores of membranes do; else draw the rims of the cells.

    Examples
    --------
    >>> outlines(np.array([[1, 1, 1, 1, 2, 2, 2, 2]]), np.array([[7, 7, 7, 7, 7, 7, 7, 7]]))
    array([[0, 0, 0, 2, 0, 0, 0, 0]], dtype=uint8)
    >>> outlines(np.array([[1, 1, 1, 1, 2, 2, 2, 2]]), np.array([[7, 7, 7, 8, 8, 8, 8, 8]]))
    array([[0, 0, 0, 1, 0, 0, 0, 0]], dtype=uint8)
    """
    a, b = ((_thinned if thinned else outline)(x) for x in (true, predicted))
    square = np.ones((2 * TOLERANCE + 1,) * 2, bool)
    near_a, near_b = (ndi.binary_dilation(x, square) for x in (a, b))
    drawn = np.zeros(true.shape, np.uint8)
    drawn[b & ~near_a] = Outline.PREDICTED
    drawn[a] = np.where(near_b[a], Outline.BOTH, Outline.TRUE)
    return drawn


def _thinned(labels: Labels) -> npt.NDArray[np.bool_]:
    """Lines between cells that fill the slice."""
    cells = renumber(labels)
    lines: npt.NDArray[np.bool_] = (draw_lines(fill_gaps(cells)) == 0) & cells.any()
    return lines
