"""Cells corrected by hand: joined, cut, filled, and kept as they are when all others are made anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.measure import label
from skimage.morphology import flood
from skimage.segmentation import watershed

from napari_unet.arrays.fragments import (
    BOUNDARY_SIGMA,
    DISTANCE_WEIGHT,
    distance_to_boundary,
    fragments,
    relative_spacing,
)
from napari_unet.errors import UserError

Cells = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]

THRESHOLD = 0.5
"""Boundary probability from which on a fragment of a cell ends."""


def merged(cells: Cells, into: int, other: int) -> Cells:
    """Give a cell the number of another one; a line of 0 between the two, one pixel wide, is filled.

    Parameters
    ----------
    cells
        ``([Z,] Y, X)``; 0 is none.
    into, other
        The number that stays, and the one that goes.

    Returns
    -------
    array
        Of the same shape and type. A pixel of the line that touches a third cell stays 0, so that lines around
        the two stay closed.

    Examples
    --------
    >>> merged(np.array([[1, 1, 0, 2, 0, 3], [1, 1, 0, 2, 0, 3]]), 1, 2)
    array([[1, 1, 1, 1, 0, 3],
           [1, 1, 1, 1, 0, 3]])
    """
    first, second = cells == into, cells == other
    near_third = ndi.binary_dilation((cells != 0) & ~first & ~second)
    line = (cells == 0) & ndi.binary_dilation(first) & ndi.binary_dilation(second) & ~near_third
    both = first | second | line
    return np.where(both | _left_between(both, cells == 0, first, second), into, cells).astype(cells.dtype)


def _left_between(both: Mask, free: Mask, first: Mask, second: Mask) -> Mask:
    """Holes that are left of a line where it was two pixels wide."""
    inside = label(ndi.binary_fill_holes(both) & free & ~both, connectivity=1)
    near = ndi.binary_dilation(first, iterations=2) & ndi.binary_dilation(second, iterations=2)
    beyond = np.unique(inside[~near])
    return np.asarray((inside > 0) & ~np.isin(inside, beyond))


def split(
    mask: Mask, seeds: Cells, boundary: Floats | None = None, spacing: Sequence[float] | None = None
) -> npt.NDArray[np.int32]:
    """Cut a cell by a watershed from seeds.

    Parameters
    ----------
    mask
        The cell, ``([Z,] Y, X)``.
    seeds
        Of the same shape; every number but 0 is a seed. Those beside the cell do not count.
    boundary
        Probability of being boundary, on which is cut. None: on the distance to the rim of the cell.
    spacing
        Size of a voxel along the axes, in any unit.

    Returns
    -------
    int32 array
        The parts, numbered from 1 in the order of the seeds; together they are the cell.

    Raises
    ------
    UserError
        If fewer than two seeds lie in the cell.

    Examples
    --------
    >>> split(np.array([[1, 1, 1, 1, 1, 1]], bool), np.array([[7, 0, 0, 0, 0, 9]]))
    array([[1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    inside = np.where(mask, seeds, 0)
    numbers = np.unique(inside[inside != 0])
    if len(numbers) < 2:
        raise UserError("this does not cut the cell: it takes seeds at two places of one and the same cell")
    markers = np.where(inside != 0, np.searchsorted(numbers, inside) + 1, 0).astype(np.int32)
    within, mask = _with_margin(mask)
    markers = np.pad(markers, [(s.start, s.start) for s in within])
    rise = np.zeros(mask.shape, np.float32)
    if boundary is not None:
        rise[within] = boundary
    pixel = relative_spacing(spacing, mask.ndim)
    parts = watershed(
        _landscape(mask, rise, pixel), _grown(markers, mask, rise, spacing), mask=mask, connectivity=1
    )
    missed = mask & (parts == 0)  # pieces of the cell without a seed
    if missed.any():
        nearest = ndi.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
        parts = np.where(missed, parts[tuple(nearest)], parts)
    return np.asarray(parts[within], dtype=np.int32)


def _with_margin(mask: Mask) -> tuple[tuple[slice, ...], Mask]:
    """Put a margin around a cell, as its rim may be that of the array; tells where the array is in it."""
    margin = [int(n > 1) for n in mask.shape]
    within = tuple(slice(m, m + n) for m, n in zip(margin, mask.shape, strict=True))
    return within, np.pad(mask, [(m, m) for m in margin])


def _grown(
    markers: npt.NDArray[np.int32], mask: Mask, boundary: Floats, spacing: Sequence[float] | None
) -> npt.NDArray[np.int32]:
    """Grow each seed to the fragment in which it lies; seeds in one fragment share it by their distance.

    Where the user clicks is chance: from a seed beside the middle of a cell, a flood would first fill that of a
    neighbour. And of two seeds in one hollow, the lower one would take nearly all.
    """
    pieces = fragments(boundary.astype(np.float32), (boundary < THRESHOLD) & mask, mask, spacing)
    pairs = np.unique(np.stack([pieces[markers > 0], markers[markers > 0]]), axis=1)
    owners = np.bincount(pairs[0], minlength=int(pieces.max()) + 1)
    owner = np.zeros(len(owners), np.int32)
    owner[pairs[0]] = pairs[1]
    shared = owners[pieces] > 1
    halves = watershed(np.zeros(mask.shape, np.uint8), markers * shared, mask=shared, compactness=1)
    return np.where(shared, halves, np.where(owners[pieces] == 1, owner[pieces], 0)).astype(np.int32)


def _landscape(mask: Mask, boundary: Floats, pixel: tuple[float, ...]) -> Floats:
    """High at boundaries, low in the middle of the cell."""
    depth = distance_to_boundary(mask, pixel)
    rise = ndi.gaussian_filter(boundary, [BOUNDARY_SIGMA / p for p in pixel])
    return np.asarray(rise - DISTANCE_WEIGHT * depth / max(float(depth.max()), 1e-6))


def cut_by(cells: Cells, line: Mask) -> tuple[int, npt.NDArray[np.int32]]:
    """Find the cell that a line cuts, and seeds on both sides of the line.

    Parameters
    ----------
    cells
        Axes Y, X; 0 is none.
    line
        Pixels of the line, of the same shape; its steps may go over corners.

    Returns
    -------
    int
        Number of the cell; of several that are cut, the one in which most of the line lies.
    int32 array
        A number for every part of the cell that the line leaves.

    Raises
    ------
    UserError
        If the line cuts no cell.

    Examples
    --------
    >>> number, seeds = cut_by(np.full((2, 4), 5), np.array([[0, 1, 0, 0], [0, 0, 1, 0]], bool))
    >>> number, seeds.tolist()
    (5, [[1, 0, 2, 2], [1, 1, 0, 2]])
    """
    numbers, counts = np.unique(cells[line & (cells != 0)], return_counts=True)
    for number in numbers[np.argsort(-counts)].tolist():
        body = cells == number
        parts, count = label(body & ~line, connectivity=1, return_num=True)
        if count > label(body, connectivity=1, return_num=True)[1]:
            return int(number), np.asarray(parts, dtype=np.int32)
    raise UserError("this line cuts no cell in two: draw it from one side of a cell to the other")


def holes(cells: Cells, number: int) -> Mask:
    """Find the holes of a cell in a plane; what other cells fill is no hole.

    Examples
    --------
    >>> holes(np.array([[5, 5, 5, 5], [5, 0, 3, 5], [5, 5, 5, 5]]), 5).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    """
    body = cells == number
    return np.asarray(ndi.binary_fill_holes(body) & (cells == 0))


def gap_at(cells: Cells, y: int, x: int) -> Mask | None:
    """Find the gap at a pixel of a plane, if cells enclose it.

    Parameters
    ----------
    cells
        Axes Y, X.
    y, x
        A pixel without a cell.

    Returns
    -------
    mask or None
        None if the gap goes on to the edge of the plane. Of a gap from which lines between cells go out, what is
        wider than a line, up to a line around it.

    Examples
    --------
    >>> cells = np.array([[1, 1, 1, 2], [1, 0, 0, 2], [1, 1, 2, 2], [0, 0, 0, 0]])
    >>> gap_at(cells, 1, 1).astype(int)[1].tolist(), gap_at(cells, 3, 1)
    ([0, 1, 1, 0], None)
    """
    free = cells == 0
    gap = flood(free, (y, x), connectivity=1)
    if not _at_edge(gap):
        return np.asarray(gap)
    wide = ndi.binary_opening(free, np.ones((3, 3), bool)) & ~ndi.binary_dilation(~free)
    if not wide[y, x]:
        return None
    gap = flood(wide, (y, x), connectivity=1)
    return None if _at_edge(gap) else np.asarray(gap)


def neighbours(cells: Cells, mask: Mask) -> set[int]:
    """Return the numbers of the cells that touch a part of a plane.

    Examples
    --------
    >>> neighbours(np.array([[3, 0, 0, 4]]), np.array([[False, True, False, False]]))
    {3}
    """
    ring = ndi.binary_dilation(mask) & ~mask
    return set(np.unique(cells[ring]).tolist()) - {0}


def hang_together(whole: Mask, first: Mask, second: Mask) -> bool:
    """Tell whether a piece of a cell holds pixels of two parts.

    Examples
    --------
    >>> first, second = np.array([1, 0, 0, 0], bool), np.array([0, 0, 0, 1], bool)
    >>> hang_together(np.array([1, 1, 1, 1], bool), first, second), hang_together(first | second, first, second)
    (True, False)
    """
    pieces = label(whole, connectivity=1)
    return bool(np.intersect1d(pieces[first], pieces[second]).size)


def _at_edge(mask: Mask) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def protect(new: Cells, old: Cells, ids: Collection[int], min_size: int = 0, *, line: bool = False) -> Cells:
    """Keep some cells as they are where all cells are made anew.

    Parameters
    ----------
    new, old
        Cells as they are made now, and as they were; of the same shape.
    ids
        Numbers of the old cells that are kept: their pixels, all of them, and their numbers.
    min_size
        Pixels; of new cells that lose a part to the kept ones, smaller pieces are dropped.
    line
        Leave a pixel of 0 between kept cells and new ones, as in a tissue.

    Returns
    -------
    array
        The kept cells, and what they leave of the new ones. These get running numbers after the highest kept one;
        one that is cut into pieces becomes several cells. Of the type of ``new``, or one with more room if needed.

    Examples
    --------
    >>> new, old = np.array([1, 1, 1, 2, 2, 3]), np.array([0, 7, 7, 7, 8, 8])
    >>> protect(new, old, {7})
    array([ 9,  7,  7,  7, 10,  8])
    >>> protect(new, old, {7}, min_size=2)
    array([0, 7, 7, 7, 0, 8])
    """
    kept = np.isin(old, list(ids)) & (old != 0)
    gone = ndi.binary_dilation(kept) if line else kept
    rest = np.where(gone, 0, new)
    touched = np.isin(rest, np.unique(new[gone])) & (rest != 0)
    pieces = label(np.where(touched, rest, 0), connectivity=1)
    large = np.bincount(pieces.ravel()) >= max(min_size, 1)
    large[0] = False
    pieces = np.where(large[pieces], pieces, 0)
    # Whole cells first in the order of their numbers, then pieces.
    order = np.where(touched, int(new.max(initial=0)) + pieces.astype(np.int64), rest)
    order[touched & (pieces == 0)] = 0
    values, places = np.unique(order, return_inverse=True)
    highest = int(old[kept].max(initial=0))
    numbers = np.where(values != 0, highest + np.cumsum(values != 0), 0)
    result = np.where(kept, old, numbers[places].reshape(new.shape))
    room = np.result_type(new.dtype, np.min_scalar_type(int(result.max(initial=0))))
    return result.astype(room)
