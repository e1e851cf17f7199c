"""Sums over the pixels of every cell: of parts of an image they are added up, and tell of the whole exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """What is known of n cells of d axes, of c channels; a row for each cell.

    Parameters
    ----------
    ids
        Ascending; (n,).
    counts
        Pixels; (n,).
    first, second
        Sums of the coordinates, (n, d), and of their products, (n, d, d).
    low, high
        First and last coordinates; (n, d).
    totals, squares
        Sums of the grey values, and of their squares; (n, c).
    least, most
        Lowest and highest grey values; (n, c). As all of the grey values, they are NaN where a pixel is NaN.
    """

    ids: Integers
    counts: Integers
    first: Integers
    second: Integers
    low: Integers
    high: Integers
    totals: Floats
    squares: Floats
    least: Floats
    most: Floats


def compact(values: npt.NDArray[Any]) -> tuple[Integers, Integers]:
    """Give values the numbers 0, 1, 2 ... in ascending order: `numpy.unique`, but quick where they are small.

    Parameters
    ----------
    values
        Integers, (n,).

    Returns
    -------
    ids, index
        The values that there are; the place of each value among them.

    Examples
    --------
    >>> ids, index = compact(np.array([7, 2, 7]))
    >>> ids.tolist(), index.tolist()
    ([2, 7], [1, 0, 1])
    """
    if values.dtype.kind == "u" and values.size and values.max() > np.iinfo(np.int64).max:
        raise UserError(
            f"cell numbers beyond {np.iinfo(np.int64).max} cannot be measured: renumber the cells first"
        )
    values = values.astype(np.int64, copy=False)
    if not values.size or values.min() < 0 or values.max() > 4 * values.size + 2**16:
        ids, index = np.unique(values, return_inverse=True)
        return ids, index.astype(np.int64).reshape(-1)
    there = np.bincount(values) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def sums_of(labels: npt.NDArray[Any], channels: npt.NDArray[Any], start: Sequence[int]) -> Sums:
    """Sum up a part of an image.

    Parameters
    ----------
    labels
        Cells; 0 is none.
    channels
        Grey values; an axis for the channels, then those of ``labels``.
    start
        Where the part begins in the whole.

    Examples
    --------
    >>> labels = np.array([[0, 5, 5], [3, 0, 5]])
    >>> sums = sums_of(labels, 10.0 * labels[np.newaxis], (100, 0))
    >>> sums.ids.tolist(), sums.counts.tolist(), sums.first.tolist(), sums.most.tolist()
    ([3, 5], [1, 3], [[101, 0], [301, 5]], [[30.0], [50.0]])
    """
    places = np.nonzero(labels)
    ids, index = compact(labels[places])
    n, d = len(ids), labels.ndim

    def summed(weights: npt.NDArray[Any]) -> Floats:
        return np.bincount(index, weights, minlength=n).astype(np.float64)

    counts = np.bincount(index, minlength=n).astype(np.int64)
    first, second = np.zeros((n, d), np.int64), np.zeros((n, d, d), np.int64)
    low, high = np.full((n, d), np.iinfo(np.int64).max), np.zeros((n, d), np.int64)
    for a, along in enumerate(places):
        np.minimum.at(low[:, a], index, along)
        np.maximum.at(high[:, a], index, along)
        first[:, a] = summed(along)
        for b in range(a + 1):
            second[:, a, b] = second[:, b, a] = summed(along * places[b])
    grey = np.zeros((4, n, len(channels)))
    grey[2], grey[3] = np.inf, -np.inf
    for c, channel in enumerate(channels):
        values = channel[places].astype(np.float64)
        grey[0, :, c], grey[1, :, c] = summed(values), summed(values**2)
        with np.errstate(invalid="ignore"):  # what is not a number makes all of its cell's values so
            np.minimum.at(grey[2, :, c], index, values)
            np.maximum.at(grey[3, :, c], index, values)
    return _moved(Sums(ids, counts, first, second, low, high, *grey), np.asarray(start, np.int64))


def _moved(sums: Sums, start: Integers) -> Sums:
    """Count coordinates from further away; in integers, so that nothing is lost."""
    counts = sums.counts[:, np.newaxis]
    cross = sums.first[:, :, np.newaxis] * start
    second = sums.second + cross + cross.swapaxes(1, 2) + counts[..., np.newaxis] * np.outer(start, start)
    first, low, high = sums.first + counts * start, sums.low + start, sums.high + start
    grey = (sums.totals, sums.squares, sums.least, sums.most)
    return Sums(sums.ids, sums.counts, first, second, low, high, *grey)


def together(parts: Sequence[Sums]) -> Sums:
    """Add up the sums of several parts of an image.

    Examples
    --------
    >>> labels = np.array([[0, 5, 5], [3, 0, 5]])
    >>> grey = labels[np.newaxis]
    >>> parts = [sums_of(labels[i : i + 1], grey[:, i : i + 1], (i, 0)) for i in range(2)]
    >>> together(parts).first.tolist() == sums_of(labels, grey, (0, 0)).first.tolist()
    True
    """
    ids, index = np.unique(np.concatenate([part.ids for part in parts]), return_inverse=True)
    found = {}
    for field in fields(Sums):
        values = np.concatenate([getattr(part, field.name) for part in parts])
        ufunc, initial = _JOINED.get(field.name, (np.add, 0))
        whole = np.full((len(ids), *values.shape[1:]), initial, values.dtype)
        with np.errstate(invalid="ignore"):
            ufunc.at(whole, index, values)
        found[field.name] = whole
    return Sums(**{**found, "ids": ids})


_JOINED: dict[str, tuple[np.ufunc, float]] = {
    "low": (np.minimum, np.iinfo(np.int64).max),
    "high": (np.maximum, 0),
    "least": (np.minimum, np.inf),
    "most": (np.maximum, -np.inf),
}
