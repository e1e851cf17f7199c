"""How unsure a network is, told from its probabilities."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", np.uint8, np.float32)
GRAIN = 4
"""Pixels, a side, that are averaged before the most unsure ones are looked for: single ones may be noise."""
MOST = 0.25
"""Part of a region, its most unsure one, that tells how unsure the network is of it."""


def uncertainty(probabilities: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Tell how unsure a network is of every pixel: 1 less the margin of the likeliest class over the next.

    Parameters
    ----------
    probabilities
        (K, ...) with K of at least 2; float32 from 0 to 1, or uint8 from 0 to 255.

    Returns
    -------
    array
        (...) of the same type: 0 where one class is certain, 1 (or 255) where two are equally likely.

    Notes
    -----
    Scheffer, Decomain and Wrobel 2001, "Active hidden Markov models for information extraction".

    Examples
    --------
    >>> uncertainty(np.array([[1.0, 0.5, 0.7], [0.0, 0.5, 0.3]], np.float32))
    array([0. , 1. , 0.6], dtype=float32)
    >>> uncertainty(np.array([[255, 128], [0, 127]], np.uint8))
    array([  0, 254], dtype=uint8)
    """
    second, first = np.partition(probabilities, -2, axis=0)[-2:]
    certain: Any = 255 if probabilities.dtype == np.uint8 else np.float32(1)
    unsure: npt.NDArray[Number] = certain - (first - second)
    return unsure


def unsure_of_region(unsure: npt.NDArray[np.float32]) -> float:
    """Tell how unsure a network is of a region: the mean of its most unsure quarter.

    An empty rim does not make a region less worth looking at, and a few noisy pixels do not make it more so.

    Parameters
    ----------
    unsure
        (Y, X), 0 to 1, from `uncertainty`.

    Examples
    --------
    >>> half = np.zeros((8, 8), np.float32)
    >>> half[:, :4] = 0.8
    >>> round(unsure_of_region(half), 3)
    0.8
    >>> one = np.zeros((8, 8), np.float32)
    >>> one[0, 0] = 0.8
    >>> round(unsure_of_region(one), 3)
    0.05
    """
    y, x = (max(1, n // GRAIN) * min(n, GRAIN) for n in unsure.shape)
    grain_y, grain_x = (min(n, GRAIN) for n in unsure.shape)
    grains = unsure[:y, :x].reshape(y // grain_y, grain_y, x // grain_x, grain_x).mean(axis=(1, 3)).ravel()
    count = max(1, round(MOST * grains.size))
    return float(np.partition(grains, -count)[-count:].mean())
