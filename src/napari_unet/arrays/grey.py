"""Whether whole numbers are grey values rather than ids of cells."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

ALIKE = 0.55
"""Part of the pairs of neighbouring pixels, both above 0, that have the same value in label images, at least: 0.94
and more in our samples of cells, and 0.49 at most in their images; cells of 3 pixels' width have 0.67."""
ENOUGH = 1000
"""Pairs below which nothing is said."""


def looks_grey(plane: npt.NDArray[Any]) -> bool:
    """Tell whether the values of a slice change from pixel to pixel, as those of an image do.

    Parameters
    ----------
    plane
        Whole numbers; Y, X.

    Examples
    --------
    >>> import numpy as np
    >>> cells = np.repeat(np.arange(1, 51), 5) * np.ones((10, 1), int)
    >>> noise = np.random.default_rng(0).poisson(40, (50, 50))
    >>> looks_grey(cells), looks_grey(noise), looks_grey(noise[:5])
    (False, True, False)
    """
    left, right = plane[:, :-1], plane[:, 1:]
    both = (left > 0) & (right > 0)
    pairs = int(both.sum())
    return pairs >= ENOUGH and int((both & (left == right)).sum()) < ALIKE * pairs
