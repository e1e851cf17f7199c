"""Contingency tables: how many pixels each pair of segments of two segmentations shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Labels = npt.NDArray[np.int64]


FEW = 2**22
"""Ids below this are counted, which is ten times as quick as to sort them."""


def unique(labels: npt.NDArray[Any]) -> tuple[Labels, Labels]:
    """Return the ids that occur, ascending, and the place of every pixel's among them.

    As ``numpy.unique`` with its inverse.

    Examples
    --------
    >>> unique(np.array([[7, 0], [3, 7]]))
    (array([0, 3, 7]), array([[2, 0],
           [1, 2]]))
    """
    if labels.size == 0 or labels.dtype.kind not in "ui" or labels.min() < 0 or labels.max() >= FEW:
        ids, places = np.unique(labels, return_inverse=True)
        return ids, places.reshape(labels.shape)
    there = np.bincount(labels.ravel().astype(np.intp, copy=False)) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[labels]


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
    ids, inverse = unique(labels)
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


@dataclass(frozen=True)
class Overlap:
    """How many pixels the segments of two segmentations share, with the ids of both.

    Parameters
    ----------
    table
        See `contingency`; row and column 0 are the background.
    true_ids, predicted_ids
        All ids that occur, ascending; their rows and columns are ``renumber(ids)``.
    """

    table: sparse.csr_array
    true_ids: Labels
    predicted_ids: Labels


def overlap_of(planes: Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> Overlap:
    """Count shared pixels plane by plane: an id is the same segment in all of them.

    Parameters
    ----------
    planes
        Pairs (truth, prediction) of integer ids; only one is needed at a time.

    Examples
    --------
    >>> above = np.array([[900, 900]]), np.array([[1, 0]])
    >>> below = np.array([[900, 0]]), np.array([[1, 1]])
    >>> overlap_of([above, below]).table.toarray()
    array([[0, 1],
           [1, 2]])
    """
    parts = [_count(truth, prediction) for truth, prediction in planes]
    rows, columns, numbers = (np.concatenate(found) for found in zip(*parts, strict=True))
    true_ids, predicted_ids = np.unique(np.append(rows, 0)), np.unique(np.append(columns, 0))
    at = row_of(true_ids, rows), row_of(predicted_ids, columns)
    table = sparse.coo_array((numbers, at), shape=(len(true_ids), len(predicted_ids)))
    return Overlap(table.tocsr(), true_ids, predicted_ids)


def row_of(ids: Labels, labels: npt.NDArray[Any]) -> Labels:
    """Tell the row, or column, of every label in the table of an `Overlap` with these ids; 0 for other labels.

    Examples
    --------
    >>> row_of(np.array([-3, 0, 8]), np.array([[8, 0], [-3, 9]]))
    array([[2, 0],
           [1, 0]])
    """
    at = np.minimum(np.searchsorted(ids, labels), len(ids) - 1)
    return np.where(ids[at] == labels, renumber(ids)[at], 0)


def ids_of_rows(ids: Labels) -> Labels:
    """Tell the id of every row, or column, of the table of an `Overlap` with these ids: the reverse of `row_of`.

    Examples
    --------
    >>> ids_of_rows(np.array([-3, 0, 8]))
    array([ 0, -3,  8])
    """
    return np.concatenate([np.zeros(1, ids.dtype), ids[ids != 0]])


def _count(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> tuple[Labels, Labels, Labels]:
    """Ids of every pair of segments of a plane that share pixels, and how many."""
    true_ids, true = unique(truth)
    predicted_ids, predicted = unique(prediction)
    pairs = contingency(true, predicted).tocoo()
    return true_ids[pairs.row].astype(np.int64), predicted_ids[pairs.col].astype(np.int64), pairs.data
