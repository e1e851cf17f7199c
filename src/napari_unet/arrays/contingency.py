"""Contingency tables: how many pixels each pair of segments of two segmentations shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Labels = npt.NDArray[np.int64]


def renumber(labels: npt.NDArray[Any]) -> Labels:
    """Give the ids the numbers 1, 2, 3 ... in ascending order; 0 stays.

    Parameters
    ----------
    labels
        Integer ids, of any size and sign.

    Examples
    --------
    >>> renumber(np.array([[0, 70000, 5], [5, 0, 9]]))
    array([[0, 3, 1],
           [1, 0, 2]])
    """
    ids, inverse = np.unique(labels, return_inverse=True)
    new = np.zeros(len(ids), np.int64)
    new[ids != 0] = np.arange(1, np.count_nonzero(ids) + 1)
    return new[inverse].reshape(labels.shape)


def contingency(truth: Labels, prediction: Labels) -> sparse.csr_array:
    """Count the pixels of every pair (true id, predicted id).

    Parameters
    ----------
    truth
        Ids from 0 on; without large gaps (see `renumber`), as each takes a row.
    prediction
        Same shape; each id takes a column.

    Examples
    --------
    >>> contingency(np.array([0, 1, 1, 1]), np.array([0, 0, 2, 2])).toarray()
    array([[1, 0, 0],
           [1, 0, 2]])
    """
    shape = (int(truth.max()) + 1, int(prediction.max()) + 1)
    ones = np.ones(truth.size, np.int64)
    return sparse.coo_array((ones, (truth.ravel(), prediction.ravel())), shape=shape).tocsr()


def sums(table: sparse.csr_array, axis: int) -> npt.NDArray[np.float64]:
    """Sum a table over its rows (0: sizes of the predicted segments) or its columns (1: of the true ones)."""
    return np.asarray(table.sum(axis=axis), dtype=float).ravel()


def entropy(shares: npt.NDArray[np.float64]) -> float:
    """Entropy, in bits, of shares that sum to one.

    Examples
    --------
    >>> entropy(np.array([0.25, 0.25, 0.5, 0.0]))
    1.5
    """
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log2(shares)))
