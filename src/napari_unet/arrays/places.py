"""The places of a picture of categories: one for each patch, however many slices it goes through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import label, regionprops


@dataclass(frozen=True)
class Difference:
    """One place.

    Parameters
    ----------
    category
        Value of the picture there.
    pixels
        In all slices.
    index
        Of the slice where it is largest, along the axes before Y and X.
    centre
        Pixel (y, x) of it that is nearest to its centre of mass in that slice.
    box
        Rows and columns there: (y0, x0, y1, x1), without the last ones.
    """

    category: int
    pixels: int
    index: tuple[int, ...]
    centre: tuple[int, int]
    box: tuple[int, int, int, int]


class Places:
    """Collects patches of equal values from consecutive slices; one that lies over another continues it.

    Examples
    --------
    >>> places = Places()
    >>> places.add((0,), np.array([[3, 3, 0, 2]], np.uint8))
    >>> places.add((1,), np.array([[3, 0, 0, 0]], np.uint8))
    >>> [(p.category, p.pixels, p.index) for p in places.found()]
    [(3, 3, (0,)), (2, 1, (0,))]
    """

    def __init__(self) -> None:
        self._found: list[Difference] = []
        self._largest: list[int] = []
        """Pixels of each in its slice."""
        self._above: npt.NDArray[np.int64] | None = None
        """Number of the place, from 1 on, of every pixel of the slice before."""

    def add(self, index: tuple[int, ...], plane: npt.NDArray[np.uint8]) -> None:
        """Add a slice; 0 is no place."""
        patches = label(plane, connectivity=1, background=0)
        numbers = np.zeros(int(patches.max()) + 1, np.int64)
        for patch in regionprops(patches):
            number = self._continued(plane, patch)
            if number:
                self._found[number - 1] = self._grow(number, index, patch)
            else:
                y, x = patch.coords[0]
                self._found.append(_describe(int(plane[y, x]), index, patch))
                self._largest.append(int(patch.area))
            numbers[patch.label] = number or len(self._found)
        self._above = numbers[patches]

    def found(self) -> list[Difference]:
        """Return all of them, as they were come upon."""
        return self._found

    def _continued(self, plane: npt.NDArray[np.uint8], patch: Any) -> int:
        """Find the number of a place of the same category under a patch; 0 if there is none."""
        if self._above is None:
            return 0
        rows, columns = patch.coords.T
        below = np.unique(self._above[rows, columns])
        value = int(plane[rows[0], columns[0]])
        return next((int(n) for n in below if n and self._found[n - 1].category == value), 0)

    def _grow(self, number: int, index: tuple[int, ...], patch: Any) -> Difference:
        known = self._found[number - 1]
        pixels = known.pixels + int(patch.area)
        if patch.area <= self._largest[number - 1]:
            return replace(known, pixels=pixels)
        self._largest[number - 1] = int(patch.area)
        return replace(_describe(known.category, index, patch), pixels=pixels)


def _describe(category: int, index: tuple[int, ...], patch: Any) -> Difference:
    coords = patch.coords
    y, x = coords[np.square(coords - coords.mean(axis=0)).sum(axis=1).argmin()].tolist()
    y0, x0, y1, x1 = (int(n) for n in patch.bbox)
    return Difference(category, int(patch.area), index, (y, x), (y0, x0, y1, x1))
