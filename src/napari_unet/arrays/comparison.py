"""Where a segmentation differs from the truth: every cell is found, missed, extra, merged or split.

Only overlaps rule, never ids. The matches are those of `napari_unet.arrays.metrics.instance_score`, so that the
picture shows what the score counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse
from skimage.measure import label

from napari_unet.arrays.axes import ArrayLike, Writable
from napari_unet.arrays.contingency import Labels, Overlap, ids_of_rows, overlap_of, row_of, sums
from napari_unet.arrays.metrics import InstanceScore, score_tables
from napari_unet.arrays.outlines import STEP, outlines
from napari_unet.arrays.places import Difference, Places
from napari_unet.arrays.steps import Steps, Tell, nobody
from napari_unet.arrays.v_scores import VScores, blocks_of, mean_of, v_scores, volume_v_scores
from napari_unet.errors import UserError

TruthKind = Literal["cells", "membrane"]
Index = tuple[int, ...]


class Category(IntEnum):
    """What becomes of a cell; of two at one pixel, the higher is shown."""

    FOUND = 1
    EXTRA = 2
    MISSED = 3
    SPLIT = 4
    MERGED = 5


@dataclass(frozen=True)
class Comparison:
    """What `compare` has found.

    Parameters
    ----------
    picture
        A `Category` for every pixel, 0 where neither has a cell (see `categories_of`), to which outlines add
        `napari_unet.arrays.outlines.STEP` times their `napari_unet.arrays.outlines.Outline`.
    counts
        By the names of the categories, see `compare`.
    score
        Of the same cells.
    v_rand, v_info
        See `napari_unet.arrays.v_scores`; means over the slices (``ndim`` 2) or volumes (3) that hold true cells,
        NaN if none does.
    ndim
        Axes over which a cell extends.
    differences
        One for each cell that counts as missed, extra, split or merged, the largest first.
    """

    picture: Any
    counts: dict[str, int]
    score: InstanceScore
    v_rand: float
    v_info: float
    ndim: int
    differences: tuple[Difference, ...]


def compare(
    prediction: ArrayLike,
    truth: ArrayLike,
    *,
    ndim: int | None = None,
    kind: TruthKind = "cells",
    out: Any = None,
    tell: Tell = nobody,
) -> Comparison:
    """Tell of every cell whether it is found, missed, extra, merged or split.

    Let a cell *lie in* a cell of the other segmentation if more than half of its pixels do. Then

    - a pair is **found** if its intersection over union is above 0.5, which matches no cell twice;
    - a predicted cell in which two or more true cells lie is **merged**: so many are counted, and it and those in
      it are shown so, unless they are found;
    - a true cell in which two or more predicted cells lie is **split**, counted and shown likewise;
    - other true cells are **missed**, other predicted cells are **extra**.

    To exchange prediction and truth exchanges missed with extra and merged with split.

    Parameters
    ----------
    prediction
        Integer ids, 0 is background: ``([T,] [Z,] Y, X)``. Read slice by slice, twice.
    truth
        Same shape. For the kind ``membrane`` pixels above 0 are inside: true cells are the 4-connected components
        of a slice, and membrane pixels do not count.
    ndim
        How many of the last axes a cell extends over, see `napari_unet.arrays.metrics.instance_score`; None: all,
        at most three. Membranes are compared slice by slice.
    kind
        What the truth is.
    out
        Where to write the picture, of the same shape; None: a new array of uint8.
    tell
        Told how much is done, from 0 to 1; what it raises ends the comparison.

    Raises
    ------
    UserError
        If the shapes differ or ids are not integers.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2, 0, 3, 3, 3, 3]])
    >>> cells = np.array([[7, 7, 0, 0, 0, 0, 5, 5, 6, 6]])
    >>> found = compare(cells, truth)
    >>> categories_of(found.picture)
    array([[1, 1, 0, 3, 3, 0, 4, 4, 4, 4]], dtype=uint8)
    >>> found.counts
    {'found': 1, 'extra': 0, 'missed': 1, 'split': 1, 'merged': 0}
    """
    shape = _check(prediction, truth)
    ndim = 2 if kind == "membrane" else min(ndim or 3, len(shape))
    picture: Writable = np.zeros(shape, np.uint8) if out is None else out
    groups = list(np.ndindex(shape[:-ndim]))
    blocks = len(groups) * len(blocks_of(shape[-3:])) if ndim == 3 else 0
    steps = Steps(2 * int(np.prod(shape[:-2])) + blocks, tell)
    counts = dict.fromkeys((c.name.lower() for c in Category), 0)
    tables: list[sparse.csr_array] = []
    v: list[VScores] = []
    differences: list[Difference] = []
    for group in groups:
        planes = [(*group, *rest) for rest in np.ndindex(shape[len(group) : -2])]
        overlap = overlap_of(_read(prediction, truth, planes, kind, steps, v if ndim == 2 else None))
        if ndim == 3 and (scores := volume_v_scores(prediction, truth, group, steps.next)):
            v.append(scores)
        fates = _fates(overlap)
        places = Places(fates.differs[0]), Places(fates.differs[1])
        tables.append(overlap.table)
        for index in planes:
            steps.next()
            true, found = _plane(prediction, truth, index, kind)
            rows = row_of(overlap.true_ids, true), row_of(overlap.predicted_ids, found)
            shown = np.maximum(*(state[x] for state, x in zip(fates.states, rows, strict=True)))
            own = np.asarray(prediction[index])  # also where the truth does not count
            picture[index] = shown + STEP * outlines(true, own, thinned=kind == "membrane")
            for seen, x in zip(places, rows, strict=True):
                seen.add(index, x)
        counts["found"] += fates.found
        differences += _listed(overlap, fates, places, kind)
    for difference in differences:
        counts[Category(difference.category).name.lower()] += 1
    ordered = tuple(sorted(differences, key=lambda d: (-d.pixels, d.index, d.box, d.category)))
    return Comparison(picture, counts, score_tables(tables), *mean_of(v), ndim, ordered)


def categories_of(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Take the outlines out of the picture of a comparison: a `Category` or 0 for every pixel.

    Examples
    --------
    >>> categories_of(np.array([5, 5 + 2 * STEP], np.uint8))
    array([5, 5], dtype=uint8)
    """
    return picture % np.uint8(STEP)


def kind_of_truth(truth: ArrayLike) -> TruthKind | None:
    """Tell what a truth is by its values: `membrane` if 0 and one of 1 and 255 only, else `cells`; None: neither.

    Read slice by slice, until it is clear.

    Examples
    --------
    >>> kind_of_truth(np.array([[0, 255]])), kind_of_truth(np.array([[0, 2], [1, 7]]))
    ('membrane', 'cells')
    """
    values: set[float] = set()
    for index in np.ndindex(tuple(truth.shape[:-2])):
        values |= set(np.unique(np.asarray(truth[index])).tolist())
        if not (values <= {0, 255} or values <= {0, 1}):
            return "cells" if np.dtype(truth.dtype).kind in "uib" else None
    return "membrane"


def _check(prediction: ArrayLike, truth: ArrayLike) -> Index:
    """Shape of both."""
    shape, other = tuple(prediction.shape), tuple(truth.shape)
    if shape != other:
        raise UserError(f"the cells {shape} and the truth {other} differ in shape; give both the same pixels")
    if len(shape) < 2 or 0 in shape:
        raise UserError(f"cannot compare arrays of shape {shape}; they need at least the axes Y, X")
    for name, array in (("cells", prediction), ("truth", truth)):
        if np.dtype(array.dtype).kind not in "uib":
            raise UserError(f"the {name} has {array.dtype} values; cells need integer ids (1, 2, 3 ...)")
    return shape


def _plane(prediction: ArrayLike, truth: ArrayLike, index: Index, kind: TruthKind) -> tuple[Labels, Labels]:
    """Read the true and the predicted cells of a slice, where the truth counts."""
    true, found = np.asarray(truth[index]), np.asarray(prediction[index])
    if kind == "cells":
        return true, found
    return label(true > 0, connectivity=1), np.where(true > 0, found, 0)


def _read(
    prediction: ArrayLike,
    truth: ArrayLike,
    planes: list[Index],
    kind: TruthKind,
    steps: Steps,
    v: list[VScores] | None,
) -> Iterator[tuple[Labels, Labels]]:
    """Give the slices, adding the V scores of each to a list if there is one."""
    for index in planes:
        steps.next()
        true, found = _plane(prediction, truth, index, kind)
        if v is not None and true.any():
            within = true > 0 if kind == "cells" else None
            v.append(v_scores(np.asarray(prediction[index]), true, within))
        yield true, found


Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Of the true and of the predicted cells, by their rows."""


@dataclass(frozen=True)
class _Fates:
    """What becomes of the cells of a table.

    Parameters
    ----------
    found
        How many pairs match.
    states
        The category in which each cell is shown.
    parts
        How many cells of the other segmentation lie in each.
    """

    found: int
    states: Pair
    parts: Pair

    @property
    def differs(self) -> Pair:
        """Which count as missed or split, and as extra or merged."""
        true, predicted = self.states
        cut, merged = (n >= 2 for n in self.parts)
        return (true == Category.MISSED) | cut, (predicted == Category.EXTRA) | merged


def _fates(overlap: Overlap) -> _Fates:
    """Tell what becomes of every true and every predicted cell."""
    pairs = overlap.table.tocoo()
    real = (pairs.row > 0) & (pairs.col > 0)
    true, found, shared = pairs.row[real], pairs.col[real], pairs.data[real]
    true_size, size = sums(overlap.table, 1), sums(overlap.table, 0)
    matched = 3 * shared > true_size[true] + size[found]  # more than half of the union
    lies, holds = 2 * shared > true_size[true], 2 * shared > size[found]
    pieces = np.bincount(true[holds], minlength=len(true_size))
    held = np.bincount(found[lies], minlength=len(size))
    cut, merged = pieces >= 2, held >= 2

    true_state = np.full(len(true_size), Category.MISSED, np.uint8)
    true_state[cut] = Category.SPLIT
    true_state[true[lies & merged[found]]] = Category.MERGED
    state = np.full(len(size), Category.EXTRA, np.uint8)
    state[merged] = Category.MERGED
    state[found[holds & cut[true]]] = Category.SPLIT
    true_state[true[matched]] = state[found[matched]] = Category.FOUND
    true_state[0] = state[0] = 0
    return _Fates(int(matched.sum()), (true_state, state), (pieces, held))


def _listed(
    overlap: Overlap, fates: _Fates, places: tuple[Places, Places], kind: TruthKind
) -> Iterator[Difference]:
    """Give the cells that differ."""
    sides = (
        (0, overlap.true_ids, Category.MISSED, Category.SPLIT),
        (1, overlap.predicted_ids, Category.EXTRA, Category.MERGED),
    )
    for side, ids, alone, several in sides:
        sizes, names, nameless = sums(overlap.table, 1 - side), ids_of_rows(ids), kind == "membrane" and side == 0
        for row, (index, box) in places[side].found.items():
            n = int(fates.parts[side][row])
            category, parts = (several, n) if n >= 2 else (alone, 0)
            cell = None if nameless else int(names[row])
            yield Difference(int(category), cell, parts, int(sizes[row]), index, box)
