"""What of a predicted plane can become annotation: a cell with the boundary around it, or a part of the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
class ClassMap:
    """The classes that are predicted of a plane; a cell is what hangs together.

    Parameters
    ----------
    classes
        Their specs.
    kinds
        Axes Y, X; 0 where nothing is known, else ``i + 1`` for class ``i``.
    probabilities
        Axes K, Y, X; 255 is certain. None: the kinds are certain everywhere.

    Examples
    --------
    >>> probabilities = np.array([[[200, 130]], [[55, 125]]], np.uint8)
    >>> found = ClassMap((CELL, BOUNDARY), likeliest(probabilities), probabilities)
    >>> everything = (slice(0, 1), slice(0, 2))
    >>> found.part(everything), found.certain_part(everything)
    (array([[1, 1]], dtype=uint8), array([[1, 0]], dtype=uint8))
    """

    classes: tuple[ClassSpec, ...]
    kinds: Plane
    probabilities: npt.NDArray[np.uint8] | None = None

    def part(self, box: Box) -> Plane:
        """Give the kinds in a box."""
        kinds: Plane = self.kinds[box]
        return kinds

    def certain_part(self, box: Box) -> Plane:
        """Give the kinds in a box, 0 where two classes are nearly equally probable."""
        kinds = self.kinds[box]
        if self.probabilities is None or len(self.probabilities) < 2:
            return kinds
        ordered = np.sort(self.probabilities[:, *box], axis=0)
        certain: Plane = np.where(ordered[-1] - ordered[-2] >= LEAD, kinds, np.zeros_like(kinds))
        return certain

    def cut(self, painted: Plane, classes: Sequence[ClassSpec]) -> ClassMap:
        """Let painted boundary and background part what is predicted to hang together.

        Parameters
        ----------
        painted
            Axes Y, X; 0 where nothing is painted, else ``i + 1`` for class ``i`` of ``classes``.
        classes
            Those of the annotation.

        Examples
        --------
        >>> found = ClassMap((CELL, BOUNDARY), np.array([[1, 1, 1]]))
        >>> found.cut(np.array([[0, 2, 0]]), (CELL, BOUNDARY)).kinds
        array([[1, 2, 1]])
        """
        kinds = self.kinds.copy()
        for role in ("boundary", "background"):
            known = (i for i, c in enumerate(self.classes, start=1) if c.role == role)
            kinds[has_role(painted, classes, role)] = next(known, 0)
        return replace(self, kinds=kinds)

    def body(self, y: int, x: int) -> tuple[Mask, int]:
        """Find the pixels of the cell at a pixel, and the index of its class; none where there is no cell."""
        kind = int(self.kinds[y, x])
        if kind == 0 or self.classes[kind - 1].role in ("boundary", "background"):
            return np.zeros(self.kinds.shape, bool), 0
        return flood(self.kinds, (y, x), connectivity=1), kind - 1

    def cells(self, box: Box) -> Plane:
        """Give the cells in a box different numbers."""
        numbers: Plane = connected_components(has_role(self.part(box), self.classes, "cell"), connectivity=1)
        return numbers


@dataclass(frozen=True)
class CellMap:
    """Cells of a plane that are told apart already, and their boundary.

    Parameters
    ----------
    numbers
        Axes Y, X; a number per cell, 0 between them.
    boundary
        Predicted boundary, in the cells or between them. Their outermost pixels are boundary as well, as they are
        of cells that are painted whole.

    Examples
    --------
    >>> CellMap(np.array([[3, 3, 3, 0, 0]])).part((slice(0, 1), slice(0, 5)))
    array([[1, 1, 2, 0, 0]], dtype=uint8)
    """

    numbers: Plane
    boundary: Mask | None = None

    @property
    def classes(self) -> tuple[ClassSpec, ...]:
        """Those that `part` knows."""
        return CELL, BOUNDARY

    def part(self, box: Box) -> Plane:
        """Give the kinds in a box: 1 cell, 2 boundary, 0 unknown."""
        near = _wider(box, 1, self.numbers.shape)
        rim = near_other_value(self.numbers[near], 1)[_within(box, near)]
        numbers = self.numbers[box]
        kinds: Plane = (numbers != 0).astype(np.uint8)
        kinds[rim & (numbers != 0)] = 2
        if self.boundary is not None:
            kinds[self.boundary[box]] = 2
        return kinds

    certain_part = part

    def body(self, y: int, x: int) -> tuple[Mask, int]:
        """Find the pixels of the cell at a pixel, and the index of its class; none where there is no cell."""
        number = self.numbers[y, x]
        body: Mask = (self.numbers == number) & (number != 0)
        return body, 0

    def cells(self, box: Box) -> Plane:
        """Give the cells in a box different numbers."""
        numbers: Plane = self.numbers[box]
        return numbers


Prediction = ClassMap | CellMap
"""What is predicted of one plane."""


def likeliest(probabilities: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Label value of the likeliest class; of equals, the first (`numpy.argmax` takes twenty times as long).

    Parameters
    ----------
    probabilities
        Axes K, Y, X.

    Examples
    --------
    >>> likeliest(np.array([[[200, 10, 85]], [[55, 245, 85]]], np.uint8))
    array([[1, 2, 1]], dtype=uint8)
    """
    highest, values = probabilities[0].copy(), np.ones(probabilities.shape[1:], np.uint8)
    for value, plane in enumerate(probabilities[1:], start=2):
        np.copyto(values, np.uint8(value), where=plane > highest)
        np.maximum(highest, plane, out=highest)
    return values


def has_role(kinds: Plane, classes: Sequence[ClassSpec], *roles: str) -> Mask:
    """Mark the pixels whose class (``i + 1`` for class ``i``) has one of some roles."""
    mask: Mask = np.isin(kinds, [i for i, c in enumerate(classes, start=1) if c.role in roles])
    return mask


def cell_at(found: Prediction, y: int, x: int, reach: int = REACH) -> Cell | None:
    """Find the cell at a pixel.

    Parameters
    ----------
    found
        What is predicted.
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
    >>> cell = cell_at(ClassMap((CELL, BOUNDARY, ClassSpec(name="x", role="background")), kinds), 0, 0)
    >>> cell.box
    (slice(0, 2, None), slice(0, 3, None))
    >>> cell.body.astype(int).tolist(), cell.ring.astype(int).tolist()
    ([[1, 1, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 1]])
    """
    body, kind = found.body(y, x)
    around = bounding_box(body)
    if around is None:
        return None
    near = _wider(around, reach, body.shape)
    body, boundary = body[near], has_role(found.part(near), found.classes, "boundary")
    ring = boundary & ndimage.binary_dilation(body, SQUARE, iterations=reach, mask=body | boundary)
    box = bounding_box(body | ring)
    assert box is not None
    (y0, x0), (rows, columns) = (s.start for s in near), box
    place = slice(y0 + rows.start, y0 + rows.stop), slice(x0 + columns.start, x0 + columns.stop)
    return Cell(place, body[box], ring[box], kind)


def whole_cells(found: Prediction, box: Box, rim: int = 0) -> npt.NDArray[np.int32]:
    """Give numbers, from 1, to the cells that lie in a box as a whole.

    Parameters
    ----------
    found
        What is predicted.
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
    >>> found = ClassMap((CELL, BOUNDARY), np.array([[1, 2, 2, 1, 1, 2]]))
    >>> whole_cells(found, (slice(0, 1), slice(0, 4)), rim=1)
    array([[1, 1, 0, 0]], dtype=int32)
    >>> whole_cells(found, (slice(0, 1), slice(0, 5)), rim=1)
    array([[1, 1, 2, 2, 2]], dtype=int32)
    """
    shape = (found.numbers if isinstance(found, CellMap) else found.kinds).shape
    near = _wider(box, 1, shape)
    numbers = found.cells(near)
    beyond = np.ones(numbers.shape, bool)
    beyond[_within(box, near)] = False
    kept = np.where(np.isin(numbers, np.unique(numbers[beyond])), 0, numbers)[_within(box, near)]
    order = np.unique(kept[kept != 0])
    result = np.where(kept != 0, np.searchsorted(order, kept) + 1, 0).astype(np.int32)
    if isinstance(found, ClassMap) and rim:
        boundary = has_role(found.part(box), found.classes, "boundary")
        result = np.where(boundary, expand_labels(result, rim + 0.5), result)
    return result


def _wider(box: tuple[slice, ...], by: int, shape: tuple[int, ...]) -> Box:
    y, x = (slice(max(0, s.start - by), min(n, s.stop + by)) for s, n in zip(box, shape, strict=True))
    return y, x


def _within(box: Box, outer: Box) -> Box:
    """Tell where a box is in another one that holds it."""
    y, x = (slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    return y, x
