"""How good a segmentation is: against membrane truth, and against truth that names every cell.

The sums of both run over a contingency table, which says how many pixels each pair of a true and a predicted
segment shares. Ids never matter, only which pixels carry the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from skimage.measure import label

from napari_unet.arrays.contingency import Labels, contingency, entropy, renumber, sums
from napari_unet.arrays.lines import fill_gaps
from napari_unet.arrays.v_scores import v_of_segments
from napari_unet.errors import UserError

Array = npt.NDArray[Any]
Arrays = Array | Sequence[Array]

THRESHOLDS = tuple(round(0.1 * i, 1) for i in range(1, 10))
"""Inside probabilities at which `membrane_score` cuts."""
OVERLAPS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""Intersections over union at which `instance_score` counts matches."""


@dataclass(frozen=True)
class MembraneScore:
    """Scores of the ISBI 2012 challenge, each between 0 and 1 (perfect)."""

    v_rand: float
    v_info: float
    threshold: float | None
    """Inside probability that gave the best ``v_rand``; None where nothing was cut."""


@dataclass(frozen=True)
class InstanceScore:
    """Agreement of two sets of cells."""

    ap50: float
    """TP / (TP + FP + FN) at an intersection over union of at least 0.5."""
    ap: float
    """Mean of the same over 0.50, 0.55 ... 0.95."""
    ap_per_iou: tuple[float, ...]
    adapted_rand: float
    """Adapted Rand error: 0 is perfect."""
    voi_split: float
    """Bits lost by cutting cells apart: 0 is perfect."""
    voi_merge: float
    """Bits lost by joining cells: 0 is perfect."""
    cells: int
    true_cells: int


def membrane_score(prediction: Arrays, truth: Arrays) -> MembraneScore:
    """Score a prediction against membrane truth, slice by slice, as the ISBI 2012 challenge does.

    Parameters
    ----------
    prediction
        ``([T,] [Z,] Y, X)``, or a list of such arrays. One of: float, the probability of being inside a cell;
        bool, or integers that are all 0 and 1 or all 0 and 255: the mask of the insides; other integers: cells,
        0 being the lines between them.
    truth
        Same shapes. Above 0 (255, True) is inside a cell, 0 is membrane.

    Returns
    -------
    MembraneScore
        Averages over the slices that have true cells. For probabilities ``v_rand`` and ``v_info`` each are the
        best over `THRESHOLDS`.

    Raises
    ------
    UserError
        If the shapes differ, probabilities leave 0 to 1, or the truth has no inside.

    Notes
    -----
    True cells are the 4-connected components; membrane pixels of the truth do not count. Predicted membranes are
    thinned to lines of one pixel first, in each slice. See `napari_unet.arrays.v_scores` for the formulas.

    Examples
    --------
    >>> truth = np.full((5, 9), 255)
    >>> truth[:, 4] = 0
    >>> membrane_score(truth, truth)
    MembraneScore(v_rand=1.0, v_info=1.0, threshold=None)
    >>> round(membrane_score(np.ones((5, 9), bool), truth).v_rand, 3)
    0.667
    """
    predictions, truths = _pair(prediction, truth)
    kind = _kind(predictions)
    if not any(np.any(t) for t in truths):
        raise UserError("the truth has no pixel inside a cell (above 0); is it empty or inverted?")
    thresholds = THRESHOLDS if kind == "probability" else (None,)
    scores: list[list[tuple[float, float]]] = []
    for p, t in _slices(predictions, truths, 2):
        if not t.any():
            continue
        true_cells = label(t > 0, connectivity=1)
        segments = (_segments(p, kind, threshold) for threshold in thresholds)
        scores.append([v_of_segments(s, true_cells) for s in segments])
    means = np.mean(scores, axis=0)
    best = int(np.argmax(means[:, 0]))
    return MembraneScore(float(means[best, 0]), float(means[:, 1].max()), thresholds[best])


def cells_of(prediction: Array, threshold: float | None) -> Labels:
    """Return the cells that `membrane_score` sees in a prediction, slice by slice.

    Parameters
    ----------
    prediction
        ``([T,] [Z,] Y, X)``; see there.
    threshold
        Of the score, for probabilities.

    Examples
    --------
    >>> cells_of(np.array([[0.9, 0.8, 0.1, 0.7]]), 0.5).tolist()
    [[1, 1, 0, 2]]
    """
    kind = _kind([prediction])
    planes = prediction.reshape(-1, *prediction.shape[-2:])
    return np.stack([_segments(p, kind, threshold) for p in planes]).reshape(prediction.shape)


def looks_inverted(prediction: Arrays, truth: Arrays) -> bool:
    """Tell whether a mask or probability means boundary: wrong in most pixels, it scores better inverted.

    Arguments as of `membrane_score`.

    Examples
    --------
    >>> truth = np.full((5, 9), 255)
    >>> truth[:, 4] = 0
    >>> looks_inverted(truth == 0, truth), looks_inverted(truth > 0, truth)
    (True, False)
    """
    predictions, truths = _pair(prediction, truth)
    if _kind(predictions) == "cells":
        return False
    middles = [0.5 if p.dtype.kind == "f" else 0 for p in predictions]
    wrong = sum(int(((p > m) != (t > 0)).sum()) for p, t, m in zip(predictions, truths, middles, strict=True))
    if 2 * wrong <= sum(t.size for t in truths):
        return False
    inverted = [1 - p if p.dtype.kind == "f" else p == 0 for p in predictions]
    return membrane_score(inverted, truths).v_rand > membrane_score(predictions, truths).v_rand


def instance_score(prediction: Arrays, truth: Arrays, *, ndim: int | None = None) -> InstanceScore:
    """Score cells against true cells.

    Parameters
    ----------
    prediction
        Integer ids, 0 is background: ``([T,] [Z,] Y, X)``, or a list of such arrays.
    truth
        Same shapes.
    ndim
        How many of the last axes a cell extends over; along the others, the same id is another cell. None: all
        axes, at most three. Give 2 for slices that were segmented one by one.

    Returns
    -------
    InstanceScore
        Matches are counted over all images together (as in DSB 2018 and StarDist, TP / (TP + FP + FN), 1 if there
        is no cell in either); errors and entropies are means over the images, over the pixels of true cells.

    Raises
    ------
    UserError
        If the shapes differ or an array is not integer.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2]])
    >>> score = instance_score(truth * 7, truth)
    >>> score.ap, score.adapted_rand, score.cells
    (1.0, 0.0, 2)
    >>> instance_score(np.array([[1, 1, 1, 0, 0]]), truth).ap50
    0.5
    """
    predictions, truths = _pair(prediction, truth)
    for name, arrays in (("prediction", predictions), ("truth", truths)):
        for a in arrays:
            if a.dtype.kind not in "uib":
                raise UserError(f"the {name} has {a.dtype} values; cells need integer ids (1, 2, 3 ...)")
    return score_tables(contingency(renumber(t), renumber(p)) for p, t in _slices(predictions, truths, ndim))


def score_tables(tables: Iterable[sparse.csr_array]) -> InstanceScore:
    """Score images by their tables (see `napari_unet.arrays.contingency`), as `instance_score` does."""
    counts = np.zeros((len(OVERLAPS), 3), int)
    errors = []
    cells = true_cells = 0
    for table in tables:
        counts += _matches(table)
        errors.append(_region_errors(table))
        cells, true_cells = cells + table.shape[1] - 1, true_cells + table.shape[0] - 1
    total = counts.sum(axis=1)
    ap = np.where(total > 0, counts[:, 0] / np.maximum(total, 1), 1.0)
    rand, split, merge = np.mean(errors, axis=0)
    return InstanceScore(
        ap50=float(ap[0]),
        ap=float(ap.mean()),
        ap_per_iou=tuple(float(a) for a in ap),
        adapted_rand=float(rand),
        voi_split=float(split),
        voi_merge=float(merge),
        cells=cells,
        true_cells=true_cells,
    )


def _pair(prediction: Arrays, truth: Arrays) -> tuple[list[Array], list[Array]]:
    """Both as lists of arrays of the same shapes."""
    predictions, truths = (
        [np.asarray(a) for a in x] if isinstance(x, list | tuple) else [np.asarray(x)] for x in (prediction, truth)
    )
    if len(predictions) != len(truths):
        raise UserError(f"there are {len(predictions)} predictions but {len(truths)} truths; give one for each")
    if not predictions:
        raise UserError("there is nothing to score: the list is empty")
    for p, t in zip(predictions, truths, strict=True):
        if p.shape != t.shape:
            raise UserError(f"prediction {p.shape} and truth {t.shape} differ in shape; give both the same pixels")
        if p.ndim < 2 or p.size == 0:
            raise UserError(f"cannot score an array of shape {p.shape}; it needs at least the axes Y, X")
    return predictions, truths


def _slices(predictions: list[Array], truths: list[Array], ndim: int | None) -> Iterator[tuple[Array, Array]]:
    """Pairs of images with ``ndim`` axes each."""
    for p, t in zip(predictions, truths, strict=True):
        shape = p.shape[-(ndim or min(p.ndim, 3)) :]
        yield from zip(p.reshape(-1, *shape), t.reshape(-1, *shape), strict=True)


def _kind(predictions: list[Array]) -> str:
    """Tell what a prediction is: ``probability``, ``mask`` or ``cells``."""
    if any(p.dtype.kind not in "fuib" for p in predictions):
        raise UserError(f"cannot score {predictions[0].dtype} values; use float, bool or integers")
    if any(p.dtype.kind == "f" for p in predictions):
        low, high = (float(f([f(p) for p in predictions])) for f in (np.min, np.max))
        if not (low >= 0 and high <= 1):
            raise UserError(f"probabilities lie between 0 and 1, these between {low:g} and {high:g}")
        return "probability"
    values = set().union(*(_few_values(p) for p in predictions))
    return "mask" if values <= {0, 1} or values <= {0, 255} else "cells"


def _few_values(array: Array) -> set[int]:
    """Smallest and largest value, and another one if there is any."""
    low, high = int(array.min()), int(array.max())
    between = array[(array != array.min()) & (array != array.max())]
    return {low, high, *(int(v) for v in between[:1])}


def _segments(prediction: Array, kind: str, threshold: float | None) -> Labels:
    """Segments of a slice with their gaps thinned to lines of 0."""
    if kind == "cells":
        return fill_gaps(renumber(prediction))
    inside = prediction > (threshold or 0)
    return fill_gaps(label(inside, connectivity=1))


def _matches(table: sparse.csr_array) -> npt.NDArray[np.int64]:
    """Count true positives, false positives and false negatives at each of `OVERLAPS`."""
    pairs = table.tocoo()
    real = (pairs.row > 0) & (pairs.col > 0)
    row, col, shared = pairs.row[real], pairs.col[real], pairs.data[real]
    iou = shared / (sums(table, 1)[row] + sums(table, 0)[col] - shared)
    n_true, n_predicted = table.shape[0] - 1, table.shape[1] - 1
    counts = []
    for overlap in OVERLAPS:
        hit = iou >= overlap
        # Above 0.5 a match is unique. At exactly 0.5, one cell may match both halves of another, and nothing else:
        # that is one match for two pairs.
        tp = len(np.unique(row[hit])) + len(np.unique(col[hit])) - int(hit.sum())
        counts.append((tp, n_predicted - tp, n_true - tp))
    return np.array(counts)


def _region_errors(table: sparse.csr_array) -> tuple[float, float, float]:
    """Adapted Rand error, split and merge entropies, over the pixels of true cells."""
    inside = table[1:]
    if inside.nnz == 0:
        return (0.0 if table.shape[1] == 1 else 1.0), 0.0, 0.0
    sizes = inside.data, sums(inside, 1), sums(inside, 0)
    # As scikit-image's adapted_rand_error, which divides by zero where no two pixels belong together.
    together, true, predicted = (float(np.sum(n * (n - 1.0))) for n in sizes)
    rand = 1 - 2 * together / (true + predicted) if true + predicted > 0 else 0.0
    joint, h_true, h_predicted = (entropy(n / inside.sum()) for n in sizes)
    return rand, max(0.0, joint - h_true), max(0.0, joint - h_predicted)
