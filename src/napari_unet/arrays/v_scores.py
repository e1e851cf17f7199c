"""V_rand and V_info: of slices as in the ISBI 2012 challenge, and of volumes, block by block.

With ``p`` the shares of the pixels in each pair of true segment ``t`` and predicted segment ``s``, and every pixel
without a predicted segment a segment of its own, ``V_rand = sum p^2 / (sum s^2 / 2 + sum t^2 / 2)`` and
``V_info = 2 I(S; T) / (H(S) + H(T))`` over the pixels of true cells (Arganda-Carreras et al. 2015,
doi:10.3389/fnana.2015.00142, with both weights one half).

The challenge thins the gaps between predicted cells, so that wide membranes cost nothing, and leaves out the true
membranes. Slices are scored so. In the truth of a volume cells touch: no voxels are left out for the walls. There
gaps are filled wholly, in 3D, each voxel by the cell that is nearest along a path through true cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.boxes import Box, block_of, boxes_of, grown, within
from napari_unet.arrays.contingency import (
    Labels,
    contingency,
    entropy,
    ids_of_rows,
    overlap_of,
    renumber,
    sums,
    unique,
)
from napari_unet.arrays.lines import fill_gaps

Array = npt.NDArray[Any]
VScores = tuple[float, float]

REACH = 16
"""Voxels around a block that are looked at: gaps of up to twice as many are filled as in one piece, but for
voxels that are as near to one cell as to another."""


def v_scores(cells: Labels, truth: Labels, within: npt.NDArray[np.bool_] | None = None) -> VScores:
    """V_rand and V_info of the cells of a slice, gaps between them thinned to lines in 2D.

    Parameters
    ----------
    cells, truth
        Ids (Y, X), 0 where there is none; there is a true cell.
    within
        Where gaps between the predicted cells are thinned to lines; None: everywhere. In images of scattered
        cells, tell the true cells: else a cell that was missed would count as one with its neighbours.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 2, 2, 2]] * 4)
    >>> v_scores(truth * 7, truth)
    (1.0, 1.0)
    """
    return v_of_segments(fill_gaps(renumber(cells), within), renumber(truth))


def volume_v_scores(
    cells: ArrayLike, truth: ArrayLike, index: tuple[int, ...] = (), begin: Callable[[], None] | None = None
) -> VScores | None:
    """V_rand and V_info of the cells of a volume, gaps in true cells filled in 3D; None without a true cell.

    Parameters
    ----------
    cells, truth
        Ids ``(..., Z, Y, X)``, 0 where there is none. Large volumes are read block by block.
    index
        Of the volume, along the axes before Z.
    begin
        Called before every block.

    Examples
    --------
    >>> truth = np.array([[[1, 1, 1, 2, 2, 2]] * 4] * 3)
    >>> volume_v_scores(truth * 7, truth)
    (1.0, 1.0)
    >>> other_in_every_slice = truth + 2 * np.arange(3)[:, None, None]
    >>> [round(v, 3) for v in volume_v_scores(truth, other_in_every_slice)]
    [0.5, 0.558]
    """
    table = overlap_of(_filled(cells, truth, index, begin or (lambda: None))).table[1:]
    return _of_table(table) if table.nnz else None


def blocks_of(shape: Sequence[int]) -> list[Box]:
    """Return the blocks of which a volume (Z, Y, X) is scored."""
    return boxes_of(shape, block_of(shape))


def mean_v_scores(predictions: Sequence[Array], truths: Sequence[Array], ndim: int | None = None) -> VScores:
    """Average the scores of all slices or volumes that hold true cells; "not a number" if there is none.

    Parameters
    ----------
    predictions, truths
        Ids ``([T,] [Z,] Y, X)``, 0 where there is none.
    ndim
        2: of slices, see `v_scores`; 3: of volumes, see `volume_v_scores`. None: of volumes, or of a slice.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 2, 2, 2]] * 4)
    >>> mean_v_scores([np.stack([truth * 7, truth * 0])], [np.stack([truth, truth * 0])], 2)
    (1.0, 1.0)
    """
    found: list[VScores] = []
    for p, t in zip(predictions, truths, strict=True):
        axes = min(ndim or 3, p.ndim)
        for index in np.ndindex(p.shape[:-axes]):
            if not t[index].any():
                continue
            scores = volume_v_scores(p, t, index) if axes == 3 else v_scores(p[index], t[index], t[index] > 0)
            assert scores is not None  # there is a true cell
            found.append(scores)
    return mean_of(found)


def mean_of(found: Sequence[VScores]) -> VScores:
    """Average scores; "not a number" if there are none.

    Examples
    --------
    >>> mean_of([(1.0, 0.5), (0.5, 0.5)]), mean_of([])
    ((0.75, 0.5), (nan, nan))
    """
    v_rand, v_info = np.mean(found, axis=0).tolist() if found else (float("nan"), float("nan"))
    return v_rand, v_info


def v_of_segments(segments: Labels, truth: Labels) -> VScores:
    """V_rand and V_info over the pixels of true cells; predicted 0 are segments of one pixel."""
    counted = truth > 0
    return _of_table(contingency(truth[counted], segments[counted]))


def _filled(
    cells: ArrayLike, truth: ArrayLike, index: tuple[int, ...], begin: Callable[[], None]
) -> Iterator[tuple[Array, Array]]:
    """Give blocks of the true cells, and of the predicted ones with their gaps filled."""
    shape = tuple(truth.shape[-3:])
    for box in blocks_of(shape):
        begin()
        around = grown(box, (REACH,) * 3, shape)
        found, true = (np.asarray(a[(*index, *around)]) for a in (cells, truth))
        ids = ids_of_rows(unique(found)[0])
        inner = within(box, around)
        yield true[inner], ids[fill_gaps(renumber(found), true != 0, lines=False)[inner]]


def _of_table(table: sparse.csr_array) -> VScores:
    """V_rand and V_info; rows are true cells, and column 0 is what lies in no predicted segment."""
    n = table.sum()
    alone = np.ones(int(table[:, [0]].sum()))
    pairs = np.concatenate([table[:, 1:].tocsr().data, alone]) / n
    predicted = np.concatenate([sums(table, 0)[1:], alone]) / n
    true = sums(table, 1) / n
    v_rand = np.sum(pairs**2) / (0.5 * np.sum(predicted**2) + 0.5 * np.sum(true**2))
    entropies = entropy(predicted) + entropy(true)
    # One cell in both: nothing is uncertain, and the prediction is right.
    v_info = 2 * (entropies - entropy(pairs)) / entropies if entropies > 0 else 1.0
    return float(v_rand), float(v_info)
