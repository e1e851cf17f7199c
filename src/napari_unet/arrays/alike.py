"""Which cells are like some that were chosen: by their size, their roundness, and the boundary in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

TOLERANCE = 0.1
"""By which part cells may lie beyond the range of the chosen ones."""


class Shape(NamedTuple):
    """What is compared of a cell.

    Parameters
    ----------
    size
        Pixels.
    roundness
        ``4 pi size / rim ** 2``, of every slice of it, weighted by size: highest for balls.
    boundary
        Mean probability of being boundary, 0 to 1; 0 where it is not known.
    """

    size: float
    roundness: float
    boundary: float


@dataclass(frozen=True)
class Sums:
    """Sums over the pixels of cells, by number; those of the slices of a volume add up.

    Parameters
    ----------
    numbers
        Of the cells, ascending.
    sums
        Axes cell, (pixels, pixels times roundness, boundary probability).
    """

    numbers: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]


def sums_of(plane: npt.NDArray[np.integer[Any]], boundary: npt.NDArray[Any] | None = None) -> Sums:
    """Add up what is needed of the cells of a plane.

    Parameters
    ----------
    plane
        Cells, axes Y, X; 0 is none.
    boundary
        Probability of being boundary, of the same shape.
    """
    numbers, flat = _numbered(plane)
    pixels = np.bincount(flat, minlength=len(numbers))
    rims = np.bincount(flat[_rims(plane).ravel()], minlength=len(numbers))
    roundness = 4 * np.pi * pixels / np.maximum(rims, 1) ** 2
    weights = np.zeros(plane.size) if boundary is None else np.ravel(boundary)
    walls = np.bincount(flat, weights=weights, minlength=len(numbers))
    cells = (numbers != 0) & (pixels > 0)
    return Sums(numbers[cells].astype(np.int64), np.stack([pixels, pixels * roundness, walls], axis=1)[cells])


def _numbered(plane: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Give numbers, and the index of each pixel's; small numbers need no sorting, which takes long."""
    if plane.min(initial=0) >= 0 and plane.max(initial=0) < plane.size:
        return np.arange(int(plane.max(initial=0)) + 1), plane.ravel()
    numbers, places = np.unique(plane, return_inverse=True)
    return numbers, places.ravel()


def _rims(plane: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Mark the pixels that have a face neighbour of another number."""
    rims = np.zeros(plane.shape, bool)
    for axis in range(plane.ndim):
        values, marks = np.moveaxis(plane, axis, 0), np.moveaxis(rims, axis, 0)
        differ = values[1:] != values[:-1]
        marks[1:] |= differ
        marks[:-1] |= differ
    return rims


def shapes_of(planes: Iterable[Sums]) -> dict[int, Shape]:
    """Put the sums of planes together.

    Examples
    --------
    >>> shapes_of([sums_of(np.array([[4, 4, 0]])), sums_of(np.array([[4, 0, 6]]))])[4].size
    3.0
    """
    total: dict[int, npt.NDArray[np.float64]] = {}
    for plane in planes:
        for number, sums in zip(plane.numbers.tolist(), plane.sums, strict=True):
            total[number] = total.get(number, 0) + sums
    return {n: Shape(float(s[0]), float(s[1] / s[0]), float(s[2] / s[0])) for n, s in total.items()}


def alike(shapes: dict[int, Shape], chosen: Collection[Shape]) -> set[int]:
    """Find the cells that are like the chosen ones.

    Parameters
    ----------
    shapes
        Of all cells, by number.
    chosen
        Those of the chosen cells, one at least. Of a single one, the half to the double of its size counts; of
        several, their range of sizes, the least roundness and the highest boundary among them, each with
        `TOLERANCE`.

    Examples
    --------
    >>> cells = {1: Shape(100, 0.9, 0), 2: Shape(60, 0.4, 0), 3: Shape(300, 0.9, 0)}
    >>> alike(cells, [cells[1]]), alike(cells, [cells[1], cells[3]])
    ({1, 2}, {1, 3})
    """
    sizes = [s.size for s in chosen]
    if len(chosen) == 1:
        return {n for n, s in shapes.items() if sizes[0] / 2 <= s.size <= 2 * sizes[0]}
    smallest, largest = (1 - TOLERANCE) * min(sizes), (1 + TOLERANCE) * max(sizes)
    least = (1 - TOLERANCE) * min(s.roundness for s in chosen)
    most = (1 + TOLERANCE) * max(s.boundary for s in chosen)
    return {
        n
        for n, s in shapes.items()
        if smallest <= s.size <= largest and s.roundness >= least and s.boundary <= most
    }
