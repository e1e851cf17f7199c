"""Cells that stand alone: painted, with unpainted pixels around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def count_alone(labels: npt.NDArray[np.integer[Any]]) -> tuple[int, int]:
    """Count the cells of which more than half of the rim lies beside unpainted pixels, and all cells.

    Parameters
    ----------
    labels
        One plane, axes Y, X; one value per cell, 0 is not painted. The plane's border is no rim.

    Examples
    --------
    >>> count_alone(np.array([[0, 1, 1, 0, 0], [0, 1, 1, 0, 4], [0, 0, 0, 0, 0]]))
    (2, 2)
    >>> count_alone(np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 0, 0]]))
    (0, 3)
    """
    values, index = np.unique(labels, return_inverse=True)
    index = index.reshape(labels.shape)
    rim, free = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for axis in range(labels.ndim):
        first, last = (np.moveaxis(index, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        differ = first != last
        for here, there in ((first[differ], last[differ]), (last[differ], first[differ])):
            rim += np.bincount(here, minlength=len(values))
            free += np.bincount(here[values[there] == 0], minlength=len(values))
    cells = values != 0
    return int((cells & (2 * free > rim)).sum()), int(cells.sum())
