"""Where the cells lie that differ from the truth: one place for each, however many slices or pieces it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Difference:
    """A cell that differs.

    Parameters
    ----------
    category
        What became of it, see `napari_unet.arrays.comparison.Category`. Missed and split are true cells, extra and
        merged predicted ones.
    cell
        Its id; None if the truth has no ids.
    parts
        Of a split or merged one: how many cells of the other segmentation lie in it; else 0.
    pixels
        Its size, in all slices.
    index
        Of the slice where it is largest, along the axes before Y and X.
    box
        Rows and columns there: (y0, x0, y1, x1), without the last ones.
    """

    category: int
    cell: int | None
    parts: int
    pixels: int
    index: tuple[int, ...]
    box: Box


class Places:
    """Looks for the slice where each of some cells is largest.

    Parameters
    ----------
    wanted
        For every row of the cells' table whether the cell is looked for.

    Examples
    --------
    >>> places = Places(np.array([False, True, False, True]))
    >>> places.add((0,), np.array([[3, 3, 0, 2]]))
    >>> places.add((1,), np.array([[3, 0, 1, 0]]))
    >>> places.found[3], places.found[1]
    (((0,), (0, 0, 1, 2)), ((1,), (0, 2, 1, 3)))
    """

    def __init__(self, wanted: npt.NDArray[np.bool_]) -> None:
        self._rows = np.flatnonzero(wanted)
        self._numbers = np.where(wanted, np.cumsum(wanted), 0).astype(np.int32)
        self._largest = np.zeros(len(self._rows) + 1, np.int64)
        self.found: dict[int, tuple[tuple[int, ...], Box]] = {}
        """Slice and box of every cell that was come upon, by its row."""

    def add(self, index: tuple[int, ...], rows: npt.NDArray[Any]) -> None:
        """Look at a slice, in which every pixel tells the row of its cell."""
        numbers = self._numbers[rows]
        sizes = np.bincount(numbers.ravel(), minlength=len(self._largest))
        boxes = ndi.find_objects(numbers)
        for n in np.flatnonzero(sizes[1:] > self._largest[1:]).tolist():
            y, x = boxes[n]
            self.found[int(self._rows[n])] = index, (y.start, x.start, y.stop, x.stop)
        self._largest[1:] = np.maximum(self._largest[1:], sizes[1:])
