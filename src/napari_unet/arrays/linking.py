"""Cells that were found plane by plane, given one number through a stack: by how much they overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from napari_unet.arrays.axes import Image
from napari_unet.arrays.contingency import Labels, contingency, renumber
from napari_unet.arrays.numbering import numbered_by_slice
from napari_unet.errors import UserError

Along = Literal["z", "t"]
LEAST: dict[Along, float] = {"z": 0.8, "t": 0.1}
"""Least overlap of two cells that may be one."""
GAP = 1
"""Planes that a cell may be missing from."""
_ALONE = 1e-6
"""Worth of leaving a cell without a partner: next to nothing, but not 0, which a sparse matrix does not hold."""


_BYTES = 80
"""Per pixel of the plane that is being linked; the planes before take 8."""


class Linker:
    """Numbers the cells of planes that come one after the other; keeps only the last few of them.

    Cells of consecutive planes are matched one to one, so that the sum of their intersections over unions is as
    large as it can be. Cells without a match get new numbers, in the order in which they come.

    Parameters
    ----------
    along
        ``z``, from slice to slice: two cells match if they share at least ``least_overlap`` of the smaller one, as
        a cell grows and shrinks along z. ``t``, from frame to frame: if their intersection over union is at least
        ``least_overlap``, so that what is left of a divided cell is a new one.
    least_overlap
        Above 0, at most 1; None: `LEAST`.
    gap
        A cell that is missing from so many planes at most keeps its number.

    Raises
    ------
    UserError
        For an overlap or a gap that makes no sense.

    Examples
    --------
    >>> linker = Linker("z")
    >>> linker.add(np.array([[5, 5, 0, 9]])), linker.add(np.array([[2, 7, 0, 1]]))
    (array([[1, 1, 0, 2]]), array([[1, 3, 0, 2]]))
    """

    def __init__(self, along: Along = "z", least_overlap: float | None = None, gap: int = GAP) -> None:
        self._along, self._least = along, check_overlap(along, least_overlap)
        if gap < 0:
            raise UserError(
                f"the gap is {gap}: it is the number of planes that a cell may be missing from, 0 or more"
            )
        self._past: deque[_Plane] = deque(maxlen=gap + 1)
        self.cells = 0
        """Numbers given so far."""
        self.found = 0
        """Cells in the last plane."""

    def add(self, plane: npt.NDArray[Any]) -> Labels:
        """Return the next plane with its new numbers.

        Parameters
        ----------
        plane
            Integer ids, 0 is none; of any shape, the same for all planes (or volumes, from frame to frame).
        """
        places = renumber(plane)
        ids = np.zeros(int(places.max(initial=0)) + 1, np.int64)
        new = _Plane(places, ids)
        seen = np.zeros(0, np.int64)  # since: a cell that is not missing has no gap to be found over
        for before in self._past:
            mine, theirs = self._match(before, new, np.concatenate([seen, ids]))
            ids[theirs] = before.ids[mine]
            seen = np.concatenate([seen, before.ids])
        fresh = np.flatnonzero(ids[1:] == 0) + 1
        ids[fresh] = self.cells + np.arange(1, len(fresh) + 1)
        self.cells, self.found = self.cells + len(fresh), len(ids) - 1
        self._past.appendleft(new)
        return ids[places]

    def _match(self, before: _Plane, new: _Plane, taken: Labels) -> tuple[Labels, Labels]:
        """Pair cells of an earlier plane, but those whose numbers are taken, with new ones without a number."""
        both = (before.places > 0) & (new.places > 0)
        if not both.any():
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        table = contingency(before.places[both], new.places[both]).tocoo()
        mine, theirs, shared = table.row, table.col, table.data
        one, two = before.sizes[mine], new.sizes[theirs]
        iou = shared / (one + two - shared)
        overlap = iou if self._along == "t" else shared / np.minimum(one, two)
        good = (overlap >= self._least) & (new.ids[theirs] == 0) & ~np.isin(before.ids[mine], taken)
        return one_to_one(mine[good], theirs[good], iou[good])


class _Plane:
    """Cells of a plane: their places 1, 2, 3 ... in it, and the number and size of each."""

    def __init__(self, places: Labels, ids: Labels) -> None:
        self.places, self.ids = places, ids
        self.sizes = np.bincount(places.ravel(), minlength=len(ids))


def found_again(planes: Iterable[npt.NDArray[Any]], along: Along, least_overlap: float | None = None) -> float:
    """Return the share of cells that are cells of the plane before, from 0 to 1; not a number if there are none.

    Parameters
    ----------
    planes
        In order.
    along, least_overlap
        See `Linker`.

    Examples
    --------
    >>> planes = [np.array([[5, 5, 0, 9]]), np.array([[2, 2, 0, 0]]), np.array([[0, 3, 0, 1]])]
    >>> found_again(planes[:2], "z"), found_again(planes[::2], "t", 0.6), found_again(planes[:1], "z")
    (1.0, 0.5, nan)
    """
    linker = Linker(along, least_overlap, gap=0)
    cells = new = 0
    for i, plane in enumerate(planes):
        before = linker.cells
        linker.add(plane)
        if i:
            cells, new = cells + linker.found, new + linker.cells - before
    return 1 - new / cells if cells else float("nan")


def one_to_one(
    ones: npt.NDArray[Any], others: npt.NDArray[Any], weights: npt.NDArray[np.float64]
) -> tuple[Labels, Labels]:
    """Choose pairs, each number in one of them at most, with the largest sum of weights.

    Parameters
    ----------
    ones, others
        The two numbers of every pair to choose from.
    weights
        Of every pair, above 0.

    Examples
    --------
    >>> one_to_one(np.array([1, 1, 2]), np.array([7, 8, 8]), np.array([0.3, 0.5, 0.4]))
    (array([1, 2]), array([7, 8]))
    """
    if not len(weights):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows, row = np.unique(ones, return_inverse=True)
    columns, column = np.unique(others, return_inverse=True)
    pairs = sparse.coo_array((weights, (row, column)), shape=(len(rows), len(columns)))
    # A full matching always exists, since each row may also have a column of its own.
    alone = sparse.eye_array(len(rows)) * _ALONE
    i, j = min_weight_full_bipartite_matching(sparse.hstack([pairs, alone]).tocsr(), maximize=True)
    kept = j < len(columns)
    return rows[i[kept]].astype(np.int64), columns[j[kept]].astype(np.int64)


def check_overlap(along: Along, least_overlap: float | None) -> float:
    """Return the least overlap to link with; raise `UserError` if it or the axis makes no sense."""
    if along not in LEAST:
        raise UserError(f"cells are linked along z (slices) or t (time), not along '{along}'")
    least = LEAST[along] if least_overlap is None else least_overlap
    if not 0 < least <= 1:
        raise UserError(
            f"the least overlap is {least:g}: it must be above 0 and at most 1, such as {LEAST[along]}"
        )
    return least


@dataclass(frozen=True)
class Linked:
    """One plane (volume) with its new numbers, and how far the work is."""

    index: tuple[int | slice, ...]
    """Its place in an array of the `Image.result_shape`."""
    cells: Labels
    done: int
    total: int
    before: int
    """Cells found so far, plane by plane."""
    after: int
    """Cells that they have become."""


def in_words(piece: Linked, along: Along) -> str:
    """Say what linking has made of the cells so far.

    Examples
    --------
    >>> in_words(Linked((), np.zeros((1, 1), int), 30, 30, 412, 57), "z")
    '412 cells in 30 slices became 57 cells'
    """
    planes = "slices" if along == "z" else "time points"
    return f"{piece.before:,} cells in {piece.done:,} {planes} became {piece.after:,} cells"


def linked(cells: Image, along: Along, least_overlap: float | None = None, gap: int = GAP) -> Iterator[Linked]:
    """Link the cells of a stack plane by plane, or of a time series volume by volume.

    Parameters
    ----------
    cells
        Integer ids, read as they are needed. Along ``z`` the slices of every time point are a stack of their own,
        numbered from 1; along ``t`` cells extend over all of Z, Y, X.
    along, least_overlap, gap
        See `Linker`.

    Yields
    ------
    Linked
        In order; may be written over what was read.

    Raises
    ------
    UserError
        If there is nothing to link along, or the values are no ids. Raised at once, before the first plane.

    Examples
    --------
    >>> stack = np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]])
    >>> [x.cells.tolist() for x in linked(Image(stack, "ZYX"), "z")]
    [[[1, 1, 0, 2]], [[1, 0, 2, 2]]]
    """
    Linker(along, least_overlap, gap)
    if np.dtype(cells.data.dtype).kind not in "iu":
        raise UserError(f"{cells.name} has {cells.data.dtype} values; cells need integer ids (1, 2, 3 ...)")
    if cells.size(along.upper()) < 2:
        what, other = ("slice", "t") if along == "z" else ("time point", "z")
        hint = f"; link along {other}, or tell its axes" if cells.size(other.upper()) > 1 else ""
        raise UserError(f"{cells.name} (axes {cells.axes}) has one {what} only: there is nothing to link{hint}")
    return _linked(cells, along, least_overlap, gap)


def _linked(cells: Image, along: Along, least_overlap: float | None, gap: int) -> Iterator[Linked]:
    slices: list[int | slice] = [*range(cells.size("Z"))] if along == "z" else [slice(None)]
    times = range(cells.size("T"))
    linker = Linker(along, least_overlap, gap)
    before = after = 0
    for done, (t, z) in enumerate(product(times, slices), start=1):
        if along == "z" and z == 0:
            linker = Linker(along, least_overlap, gap)
        block = _block(cells, t, z)
        given = linker.cells
        new = linker.add(block)
        before += linker.found
        after += linker.cells - given
        yield Linked(cells.result_index(t, z), new, done, len(times) * len(slices), before, after)


def _block(cells: Image, t: int, z: int | slice) -> npt.NDArray[Any]:
    """Read what is one plane to a `Linker`, with the axes of `Linked.index`."""
    if isinstance(z, int):
        plane: npt.NDArray[Any] = cells.read(t, slice(z, z + 1))[0, 0]
        return plane
    volume: npt.NDArray[Any] = cells.read(t)[0]
    if _starts_anew(volume):
        raise UserError(
            f"the cells of {cells.name} are numbered anew in every slice: link them along z first, then along t"
        )
    return volume if "Z" in cells.axes else volume[0]


def memory_needed(cells: Image, along: Along, gap: int = GAP) -> int:
    """Bytes that linking takes at most: of a few planes, or of a few volumes from frame to frame."""
    length = cells.size("Y") * cells.size("X") * (1 if along == "z" else cells.size("Z"))
    return length * (_BYTES + 8 * (gap + 1))


def _starts_anew(volume: Labels) -> bool:
    """Whether the slices of a volume use the same ids for different cells."""
    ids = [np.unique(plane[plane != 0]) for plane in volume]
    repeated = sum(map(len, ids)) > len(np.unique(np.concatenate(ids)))
    return repeated and numbered_by_slice(volume)
