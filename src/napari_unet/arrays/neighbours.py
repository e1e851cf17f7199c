"""Which cells are neighbours: those that touch, or that one pixel at most separates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_unet.arrays.cell_sums import Integers, compact

OVERLAP = 2
"""Rows that two parts of an image have to share for no contact to be missed."""


def contacts(labels: npt.NDArray[Any]) -> Integers:
    """Find the pairs of cells that have pixels at most two apart along every axis.

    Such cells touch, if only at a corner, or a line of one pixel runs between them. Two pixels are that close if
    they surround one pixel; so the surroundings of every pixel are looked at: nearly all of them hold one cell or
    two, the least and the greatest id there.

    Parameters
    ----------
    labels
        Cells; 0 is none.

    Returns
    -------
    ndarray
        Ids, the smaller one first; (pairs, 2), each once, in ascending order.

    Examples
    --------
    >>> contacts(np.array([[4, 4, 0, 9, 9, 0, 0, 5]])).tolist()
    [[4, 9]]
    """
    nothing = np.zeros((0, 2), np.int64)
    places = np.nonzero(labels)
    ids, index = compact(labels[places])
    if len(ids) < 2:
        return nothing
    none = len(ids)  # not the number of a cell, and greater than all
    dense = np.full(labels.shape, none, np.int32)
    dense[places] = index
    dense = np.pad(dense, 1, constant_values=none)
    least = ndimage.minimum_filter(dense, 3).ravel()
    most = ndimage.maximum_filter(np.where(dense == none, -1, dense), 3).ravel()
    middle = np.flatnonzero((most > least) & _inside(dense.shape))
    around, flat = _around(dense.shape), dense.ravel()
    least, most = least[middle], most[middle]
    low, high = np.full(len(middle), none), np.full(len(middle), -1)  # of the ids in between, where there are any
    for step in around:
        other = flat[middle + step]
        between = np.flatnonzero((other > least) & (other < most))
        low[between] = np.minimum(low[between], other[between])
        high[between] = np.maximum(high[between], other[between])
    three, more = high >= 0, high > low
    found = {*_codes(least, most, none)}
    found.update(_codes(least[three], low[three], none), _codes(high[three], most[three], none))
    boxes = np.unique(np.sort(flat[middle[more, np.newaxis] + np.array(around)], axis=1), axis=0)
    for one, two in combinations(range(boxes.shape[1]), 2):
        apart = (boxes[:, one] != boxes[:, two]) & (boxes[:, two] != none)
        found.update(_codes(boxes[apart, one], boxes[apart, two], none))
    pairs = np.array(sorted(found), np.int64)
    return np.stack([ids[pairs // none], ids[pairs % none]], axis=1)


def joined(parts: Sequence[Integers]) -> Integers:
    """Put the pairs of several parts of an image together, each once."""
    return np.unique(np.concatenate(parts), axis=0)


def of_each(ids: Integers, pairs: Integers) -> list[Integers]:
    """Tell the neighbours of every cell.

    Examples
    --------
    >>> [n.tolist() for n in of_each(np.array([2, 5, 7]), np.array([[2, 7], [2, 5]]))]
    [[5, 7], [2], [2]]
    """
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    starts = np.searchsorted(both[:, 0], ids)
    stops = np.searchsorted(both[:, 0], ids, side="right")
    return [both[start:stop, 1] for start, stop in zip(starts, stops, strict=True)]


def _codes(one: npt.NDArray[Any], two: npt.NDArray[Any], base: int) -> list[int]:
    codes: list[int] = np.unique(one.astype(np.int64) * base + two).tolist()
    return codes


def _inside(shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Tell which pixels do not lie at a border; flat."""
    inside = np.zeros(shape, bool)
    inside[(slice(1, -1),) * len(shape)] = True
    return inside.ravel()


def _around(shape: Sequence[int]) -> list[int]:
    """Distances from a pixel to itself and to those around it, in a flat array."""
    strides = [int(np.prod(shape[a + 1 :])) for a in range(len(shape))]
    steps = product((-1, 0, 1), repeat=len(shape))
    return [sum(a * b for a, b in zip(step, strides, strict=True)) for step in steps]
