"""What of a predicted plane can become annotation: a cell with the boundary around it, or a part of the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import label as connected_components
from skimage.morphology import flood
from skimage.segmentation import expand_labels

from napari_unet.arrays.regions import bounding_box
from napari_unet.arrays.targets import near_other_value
from napari_unet.spec import BOUNDARY, CELL, ClassSpec

REACH = 3
"""Pixels around a cell in which predicted boundary is its own."""
LEAD = 26
"""Of 255: the likeliest class is certain enough if it is this much more probable than the second."""

Box = tuple[slice, slice]
Mask = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.integer[Any]]
SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Cell:
    """A predicted cell.

    Parameters
    ----------
    box
        Rows and columns around it and its ring.
    body, ring
        Its pixels in the box, and the predicted boundary that touches it. The body of a cell that has a number
        goes as far as the number does, so that the two may overlap.
    kind
        Index of its class.
    """

    box: Box
    body: Mask
    ring: Mask
    kind: int


@dataclass(frozen=True)
class Prediction:
    """What is predicted of one plane.

    Parameters
    ----------
    classes
        Their specs.
    kinds
        Axes Y, X; 0 where nothing is known, else ``i + 1`` for class ``i``.
    sure
        Where the kinds are certain enough to be taken without a look at each; None: everywhere.
    numbers
        A number per cell where cells are told apart, 0 elsewhere; None: a cell is what hangs together.
    """

    classes: tuple[ClassSpec, ...]
    kinds: Plane
    sure: Mask | None = None
    numbers: Plane | None = None

    @classmethod
    def of_probabilities(cls, probabilities: npt.NDArray[np.uint8], classes: Sequence[ClassSpec]) -> Prediction:
        """Take the likeliest classes.

        Parameters
        ----------
        probabilities
            Axes K, Y, X; 255 is certain.
        classes
            The K classes.

        Examples
        --------
        >>> found = Prediction.of_probabilities(np.array([[[200, 130]], [[55, 125]]], np.uint8), (CELL, BOUNDARY))
        >>> found.kinds.tolist(), found.sure.tolist()
        ([[1, 1]], [[True, False]])
        """
        ordered = np.sort(probabilities, axis=0).astype(np.int16)
        sure = ordered[-1] - ordered[-2] >= LEAD if len(ordered) > 1 else np.ones(ordered.shape[1:], bool)
        return cls(tuple(classes), (probabilities.argmax(axis=0) + 1).astype(np.uint8), sure)

    @classmethod
    def of_cells(cls, numbers: Plane, boundary: Mask | None = None) -> Prediction:
        """Take separate cells.

        Parameters
        ----------
        numbers
            Axes Y, X; a number per cell, 0 between them.
        boundary
            Predicted boundary, in the cells or between them. Their outermost pixels are boundary as well, as they
            are of cells that are painted whole.

        Examples
        --------
        >>> Prediction.of_cells(np.array([[3, 3, 3, 0, 0]])).kinds.tolist()
        [[1, 1, 2, 0, 0]]
        """
        rim = (numbers != 0) & near_other_value(numbers, 1)
        kinds = (numbers != 0).astype(np.uint8)
        kinds[rim if boundary is None else rim | boundary] = 2
        return cls((CELL, BOUNDARY), kinds, None, numbers)

    def cell_at(self, y: int, x: int, reach: int = REACH) -> Cell | None:
        """Find the cell at a pixel.

        Parameters
        ----------
        y, x
            The pixel.
        reach
            Pixels around the cell, counted through boundary only, in which boundary is its ring.

        Returns
        -------
        Cell or None
            None where no cell is predicted.

        Examples
        --------
        >>> kinds = np.array([[1, 1, 2, 1, 3], [1, 2, 2, 1, 3]])
        >>> cell = Prediction((CELL, BOUNDARY, ClassSpec(name="x", role="background")), kinds).cell_at(0, 0)
        >>> cell.box
        (slice(0, 2, None), slice(0, 3, None))
        >>> cell.body.astype(int).tolist(), cell.ring.astype(int).tolist()
        ([[1, 1, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 1]])
        """
        body, kind = self._body(y, x)
        around = bounding_box(body)
        if around is None:
            return None
        near = _wider(around, reach, body.shape)
        body, boundary = body[near], self._roles(near, "boundary")
        ring = boundary & ndimage.binary_dilation(body, SQUARE, iterations=reach, mask=body | boundary)
        box = bounding_box(body | ring)
        assert box is not None
        (y0, x0), (rows, columns) = (s.start for s in near), box
        place = slice(y0 + rows.start, y0 + rows.stop), slice(x0 + columns.start, x0 + columns.stop)
        return Cell(place, body[box], ring[box], kind)

    def _body(self, y: int, x: int) -> tuple[Mask, int]:
        """Find the pixels of the cell at a pixel, and the index of its class; none where there is no cell."""
        if self.numbers is not None:
            body: Mask = (self.numbers == self.numbers[y, x]) & (self.numbers != 0)
            return body, 0
        kind = int(self.kinds[y, x])
        if kind == 0 or self.classes[kind - 1].role in ("boundary", "background"):
            return np.zeros(self.kinds.shape, bool), 0
        return flood(self.kinds, (y, x), connectivity=1), kind - 1

    def _roles(self, box: Box, *roles: str) -> Mask:
        mask: Mask = np.isin(self.kinds[box], [i for i, c in enumerate(self.classes, start=1) if c.role in roles])
        return mask

    def part(self, box: Box) -> Plane:
        """Give the kinds in a box, 0 where they are not certain enough."""
        kinds = self.kinds[box]
        return kinds if self.sure is None else np.where(self.sure[box], kinds, np.zeros_like(kinds))

    def whole_cells(self, box: Box, rim: int = 0) -> npt.NDArray[np.int32]:
        """Give numbers, from 1, to the cells that lie in a box as a whole.

        Parameters
        ----------
        box
            Rows and columns. A cell that goes on beyond them is left out.
        rim
            Pixels of the boundary around a cell that belong to it, where cells have no numbers yet.

        Returns
        -------
        ndarray
            int32, of the box; 0 elsewhere.

        Examples
        --------
        >>> found = Prediction((CELL, BOUNDARY), np.array([[1, 2, 2, 1, 1, 2]]))
        >>> found.whole_cells((slice(0, 1), slice(0, 4)), rim=1)
        array([[1, 1, 0, 0]], dtype=int32)
        >>> found.whole_cells((slice(0, 1), slice(0, 5)), rim=1)
        array([[1, 1, 2, 2, 2]], dtype=int32)
        """
        near = _wider(box, 1, self.kinds.shape)
        if self.numbers is not None:
            numbers = np.asarray(self.numbers[near])
        else:
            numbers = connected_components(self._roles(near, "cell"), connectivity=1)
        inner = tuple(slice(b.start - n.start, b.stop - n.start) for b, n in zip(box, near, strict=True))
        beyond = np.ones(numbers.shape, bool)
        beyond[inner] = False
        kept = np.where(np.isin(numbers, np.unique(numbers[beyond])), 0, numbers)[inner]
        order = np.unique(kept[kept != 0])
        result = np.where(kept != 0, np.searchsorted(order, kept) + 1, 0).astype(np.int32)
        if self.numbers is None and rim:
            result = np.where(self._roles(box, "boundary"), expand_labels(result, rim + 0.5), result)
        return result


def _wider(box: tuple[slice, ...], by: int, shape: tuple[int, ...]) -> Box:
    y, x = (slice(max(0, s.start - by), min(n, s.stop + by)) for s, n in zip(box, shape, strict=True))
    return y, x


def number_for(body: Mask, painted: Plane, sizes: dict[int, int], next_free: int) -> int | None:
    """Choose the number of a cell that is taken: its own, if a part of it is painted, else the next free one.

    A painted cell is the same cell if more than half of it lies within.

    Parameters
    ----------
    body
        The cell; Y, X.
    painted
        What is painted there, without background; 0 is nothing.
    sizes
        Pixels of the painted cells in the whole plane, by number.
    next_free
        A number that is not used yet.

    Returns
    -------
    int or None
        None if it holds several painted cells.

    Examples
    --------
    >>> body, painted = np.array([True, True, True, False]), np.array([0, 5, 5, 5])
    >>> number_for(body, painted, {5: 3}, 9), number_for(body, painted, {5: 300}, 9)
    (5, 9)
    >>> number_for(body, np.array([4, 5, 5, 5]), {4: 1, 5: 3}, 9) is None
    True
    """
    values, counts = np.unique(painted[body & (painted != 0)], return_counts=True)
    same = [int(v) for v, n in zip(values, counts, strict=True) if 2 * n > sizes[int(v)]]
    return None if len(same) > 1 else same[0] if same else next_free
