"""Contours of cells as polygons along the edges of their pixels: filled, they are the cells again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.measure import find_contours

from napari_unet.arrays.contingency import renumber


@dataclass(frozen=True)
class Contour:
    """The outer contour of a cell in a slice, or of one of its pieces; holes are not told.

    Parameters
    ----------
    id
        Of the cell.
    corners
        (n, 2) whole numbers y, x, without the first one again at the end. They are corners of pixels: pixel (0, 0)
        lies between the corners 0 and 1, its centre at 0.5.
    """

    id: int
    corners: npt.NDArray[np.int64]

    @property
    def centred(self) -> npt.NDArray[np.floating[Any]]:
        """The same in napari's coordinates, in which whole numbers are the centres of pixels."""
        return self.corners - 0.5


def contours(cells: npt.NDArray[Any]) -> Iterator[Contour]:
    """Give the contours of all cells of a slice, by ascending id.

    Parameters
    ----------
    cells
        Integer ids (Y, X), 0 is background. Pixels of a cell that meet at a corner only are pieces of it.

    Examples
    --------
    >>> [(c.id, c.corners.tolist()) for c in contours(np.array([[0, 7, 7]]))]
    [(7, [[0, 1], [0, 3], [1, 3], [1, 1]])]
    """
    numbers = renumber(cells)
    for number, box in enumerate(ndi.find_objects(numbers), start=1):
        mask = numbers[box] == number
        y, x = np.argwhere(mask)[0]
        corner = np.array([s.start for s in box])
        for ring in _rings(mask):
            yield Contour(int(cells[box][y, x]), ring + corner)


def _rings(mask: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.int64]]:
    """Outer contours of the 4-connected pieces of a mask, each from its topmost corner, the leftmost of these."""
    for middles in find_contours(np.pad(mask, 1).astype(float), 0.5):
        # The line leads through the middles of the edges of pixels; two in turn have a corner in common.
        corners = np.floor((middles[1:] + middles[:-1]) / 2).astype(np.int64)
        y, x = corners.T
        if np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) > 0:  # clockwise as seen; the others are holes
            yield _simplified(np.roll(corners, -np.lexsort((x, y))[0], axis=0))


def _simplified(corners: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Leave out the corners that lie on straight lines."""
    steps = np.roll(corners, -1, axis=0) - corners
    turns = (steps != np.roll(steps, 1, axis=0)).any(axis=1)
    kept: npt.NDArray[np.int64] = corners[turns]
    return kept
