"""Cells made block by block, in three passes over the volume, so that it need not fit into memory.

1. *Cut*: every block is cut into fragments of its own. What they share with the blocks before, across the faces
   of blocks, is noted beside what they share with each other.
2. *Draw*, after the graph of all fragments has been solved: fragments become cells, which grow into the boundary
   or end there, and get lines between them.
3. *Number*: the pieces of cells are put together across the faces of blocks, too small ones are dropped, and the
   others numbered in the order in which they begin.

All that a pass looks at beside its own pixels lies within the halo of a block. Connected parts are therefore
exactly the same in blocks of any size. The fragments of a watershed are not; how much the cells deviate is
measured in ``benchmarks/cells.py``. A volume that fits into memory is one block.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from napari_unet.arrays.agglomeration import Contacts, concatenated, contacts, touching
from napari_unet.arrays.boxes import Box, ahead, block_of, boxes_of, grown, within
from napari_unet.arrays.evidence import Evidence, find_evidence, is_tissue
from napari_unet.arrays.fragments import distance_to_boundary, fragments
from napari_unet.arrays.growing import grow_labels
from napari_unet.arrays.joining import join
from napari_unet.arrays.lines import draw_lines
from napari_unet.errors import UserError
from napari_unet.spec import CellSpec, ClassSpec

Array = npt.NDArray[Any]
Read = Callable[[Box], Array]
"""Gives the probabilities ``(K, *box)`` of a box."""


class Target(Protocol):
    """An array that can be written in parts."""

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


class Store(Target, Protocol):
    """An array that can be read and written in parts, such as one of numpy or zarr."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __getitem__(self, key: Any, /) -> Any: ...


CONTEXT = 24
"""Halo in which the fragments of a block are found, pixels."""
LEAST_INSIDE = 0.25
"""An object needs a pixel with at least this probability of being the inside of a cell,"""
THICKEST_RIM = 3.0
"""unless it is at most twice this thick, in pixels."""
MIDDLE = 0.5
"""Part of the contact of two fragments of objects that is not their rims."""


@dataclass(frozen=True)
class Cut:
    """A block, cut into fragments; ``wide`` ones include a pixel before the block, where there is one."""

    pieces: Array
    """Fragments, from 1 on."""
    free: Array
    """(fragments,): whether it has a pixel without boundary."""
    peaks: Array
    """(fragments,): largest distance to the outside."""
    whole: Array
    """Wide: the fragments as they are in the halo, which may be cut into several by the block's faces."""
    boundary: Array
    """Wide."""
    distance: Array | None
    """Wide."""


class Blockwise:
    """Makes the cells of a slice or a volume.

    Parameters
    ----------
    read
        Gives probabilities; called from several threads.
    shape
        Of the volume, ``([Z,] Y, X)``.
    classes, spec
        As in `napari_unet.arrays.cells.cells_from_probabilities`.
    pixel
        Size of a pixel along each axis, in units of the smallest.
    out
        Integer array of ``shape`` for the cells.
    scratch
        Another, of at least 32 bits, for numbers of fragments. What it holds before does not matter.
    block
        Lengths of a block; None: see `block_of`.
    final
        Where the cells are written at last, block by block; None: into ``out``.
    """

    def __init__(
        self,
        read: Read,
        shape: Sequence[int],
        classes: Sequence[ClassSpec],
        spec: CellSpec,
        pixel: Sequence[float],
        out: Store,
        scratch: Store,
        block: Sequence[int] | None = None,
        final: Target | None = None,
    ) -> None:
        self._read, self._shape, self._classes, self._spec = read, tuple(shape), tuple(classes), spec
        self._pixel, self._out, self._scratch = tuple(pixel), out, scratch
        self._final = out if final is None else final
        self._boxes = boxes_of(self._shape, block or block_of(self._shape))
        self._tissue, self._connected = is_tissue(classes), spec.method == "components"
        self._context = self._voxels(0 if self._connected else CONTEXT)
        # Growth takes whole steps, which rounding may make longer than they are.
        steps = [max(1, round(p)) for p in self._pixel]
        far = self._voxels(spec.grow + math.ceil(THICKEST_RIM) + 2)
        self._reach = tuple(max(n, spec.grow // step + 2) for n, step in zip(far, steps, strict=True))
        self.steps = 3 * len(self._boxes)
        """How many steps `run` takes."""
        self.cells = 0
        """Cells found, known at the end."""

    def run(self) -> Iterator[int]:
        """Make the cells; yields the number of steps done, after each."""
        done = itertools.count(1)
        for _ in self._cut():
            yield next(done)
        self._join()
        for _ in self._draw():
            yield next(done)
        for _ in self._number():
            yield next(done)

    def _voxels(self, reach: float) -> tuple[int, ...]:
        return tuple(math.ceil(reach / p) for p in self._pixel)

    def _evidence(self, box: Box) -> Evidence:
        return find_evidence(self._read(box), self._classes, self._spec.threshold)

    # First pass

    def _cut(self) -> Iterator[None]:
        """Cut all blocks into fragments and note which of them touch."""
        self._fragments, found = 0, list[Contacts]()
        free, peaks = [np.zeros(1, bool)], [np.zeros(1, np.float32)]
        part = MIDDLE if not (self._tissue or self._connected) else 1.0
        for box, cut in zip(self._boxes, ahead(self._cut_block, self._boxes), strict=True):
            before, self._fragments = self._fragments, self._fragments + len(cut.free)
            self._check_room(self._scratch, self._fragments)
            wide = self._with_faces(self._scratch, box, np.where(cut.pieces > 0, cut.pieces + before, 0))
            self._scratch[box] = wide[_last(box)]
            touch = contacts(wide, cut.boundary, part, cut.distance, cut.whole)
            found.append(touch.only(touch.pairs[:, 1] > before))
            free.append(cut.free)
            peaks.append(cut.peaks)
            yield
        self._graph = concatenated(found, self._fragments + 1)
        self._free, self._peaks = np.concatenate(free), np.concatenate(peaks)

    def _cut_block(self, box: Box) -> Cut:
        """Cut a block."""
        halo = grown(box, [max(1, n) for n in self._context], self._shape)
        there = self._evidence(halo)
        core, wide = within(box, halo), within(grown(box, [1] * len(box), self._shape, after=False), halo)
        distance = None
        if self._connected:
            whole = label(there.free, connectivity=1)
        else:
            if self._spec.method == "distance" or not self._tissue:
                solid = there.free if self._spec.method == "distance" else there.mask
                distance = distance_to_boundary(solid, self._pixel)
            # An object may be all rim, a tissue that is all membrane has no cell.
            empty = self._tissue and not there.free.any()
            mask = np.zeros_like(there.mask) if empty else there.mask
            whole = fragments(there.boundary, there.free, mask, self._pixel, rims=not self._tissue)
        pieces, number = _numbered(whole[core])
        peaks = np.zeros(number, np.float32)
        if distance is not None:
            peaks = _highest_in(pieces, distance[core], number)[1:]
        free = np.bincount(pieces[there.free[core]], minlength=number + 1)[1:] > 0
        return Cut(
            pieces, free, peaks, whole[wide], there.boundary[wide], None if distance is None else distance[wide]
        )

    def _with_faces(self, stored: Store, box: Box, values: Array) -> Array:
        """Put what a block holds beside the pixels before it, which are stored."""
        if all(s.start == 0 for s in box):
            return values
        wide = np.asarray(stored[grown(box, [1] * len(box), self._shape, after=False)]).astype(np.int64)
        wide[_last(box)] = values
        return wide

    @staticmethod
    def _check_room(array: Store, ids: int) -> None:
        highest = np.iinfo(array.dtype).max
        if ids > highest:
            raise UserError(f"there are more than {highest} pieces, too many for {array.dtype}: use int64")

    def _join(self) -> None:
        """Join fragments to cells."""
        if self._connected:
            self._cell_of = parts(self._graph.pairs, self._graph.nodes)
        else:
            peaks = self._peaks if self._peaks.any() else None
            self._cell_of = join(self._graph, self._spec.method, self._spec.beta, peaks)
        cells = int(self._cell_of.max(initial=0)) + 1
        self._has_free = np.zeros(cells, bool)
        np.logical_or.at(self._has_free, self._cell_of, self._free)

    # Second pass

    def _draw(self) -> Iterator[None]:
        """Draw all cells; what is written are numbers of pieces, one block's after the other's."""
        self._pieces, self._covered = 0, 0
        cell_of, sizes, first = ([np.zeros(1, np.int64)] for _ in range(3))
        self._highest, self._thickest = (np.zeros(len(self._has_free), np.float32) for _ in range(2))
        pairs = [np.zeros((0, 2), np.int64)]
        for box, (cells, highest, thickest) in zip(self._boxes, ahead(self._draw_block, self._boxes), strict=True):
            pieces = label(cells, connectivity=1)
            before, self._pieces = self._pieces, self._pieces + int(pieces.max(initial=0))
            self._check_room(self._out, self._pieces)
            places = _first_places(pieces)[1:]
            cell_of.append(cells.ravel()[places])
            sizes.append(np.bincount(pieces.ravel(), minlength=len(places) + 1)[1:])
            first.append(self._places(places, box))
            wide = self._with_faces(self._out, box, np.where(pieces > 0, pieces + before, 0))
            self._out[box] = wide[_last(box)]
            if before:
                touch = touching(wide)
                pairs.append(touch[touch[:, 1] > before])
            for of_all, of_block in ((self._highest, highest), (self._thickest, thickest)):
                np.maximum.at(of_all, of_block[0].astype(np.int64), of_block[1])
            yield
        self._of_piece, self._sizes, self._first = (np.concatenate(a) for a in (cell_of, sizes, first))
        touch = np.concatenate(pairs)
        self._same = touch[self._of_piece[touch[:, 0]] == self._of_piece[touch[:, 1]]]

    def _draw_block(self, box: Box) -> tuple[Array, Array, Array]:
        """Draw the cells of a block; returns them, and (ids, values) of how much inside and how thick they are."""
        halo = grown(box, self._reach, self._shape)
        core, there = within(box, halo), self._evidence(halo)
        cells = self._cell_of[np.asarray(self._scratch[halo])]
        if self._connected:
            cells = grow_labels(cells, there.mask, self._spec.grow, self._pixel)
        elif not there.free.all():
            near = np.zeros(cells.shape, bool)
            if there.free.any():
                near = ndi.distance_transform_edt(~there.free, sampling=self._pixel) <= self._spec.grow
            cells = np.where(near | ~self._has_free[cells], cells, 0)
        if self._tissue:
            nothing = np.zeros((2, 0))
            return draw_lines(cells)[core], nothing, nothing
        ids = np.unique(cells[core][cells[core] > 0])
        number = int(ids.max(initial=0))
        highest = _highest_in(cells[core], there.inside[core], number)[ids]
        thickest = np.zeros(len(ids), np.float32)
        if (highest < LEAST_INSIDE).any():  # else it does not matter
            thickness = np.full(cells.shape, np.inf, np.float32)
            if (cells == 0).any():
                thickness = distance_to_boundary(cells > 0, self._pixel)
            thickest = _highest_in(cells[core], thickness[core], number)[ids]
        return cells[core], np.stack([ids, highest]), np.stack([ids, thickest])

    def _places(self, places: Array, box: Box) -> Array:
        """Turn places in a block into places in the volume, as one number each."""
        shape = tuple(s.stop - s.start for s in box)
        at = [a + s.start for a, s in zip(np.unravel_index(places, shape), box, strict=True)]
        return np.asarray(np.ravel_multi_index(at, self._shape), dtype=np.int64)

    # Third pass

    def _number(self) -> Iterator[None]:
        """Put pieces together, drop what is no cell, number the others."""
        whole = parts(self._same, self._pieces + 1)
        number = int(whole.max(initial=0)) + 1
        sizes, first = np.zeros(number, np.int64), np.full(number, np.iinfo(np.int64).max)
        np.add.at(sizes, whole, self._sizes)
        np.minimum.at(first, whole[1:], self._first[1:])
        keep = sizes >= max(1, self._spec.min_size)
        keep[0] = False
        if not self._tissue:
            real = (self._highest >= LEAST_INSIDE) | (self._thickest <= THICKEST_RIM)
            of_whole = np.zeros(number, np.int64)
            of_whole[whole] = self._of_piece
            keep &= real[of_whole]
        kept = np.flatnonzero(keep)
        new = np.zeros(number, np.int64)
        new[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
        self.cells, new_of_piece = len(kept), new[whole].astype(self._out.dtype)
        for box in self._boxes:
            self._final[box] = new_of_piece[np.asarray(self._out[box])]
            yield


def parts(pairs: Array, nodes: int) -> Array:
    """Give the connected parts of a graph numbers: 0 to node 0, which has no edges, the others from 1 on.

    Examples
    --------
    >>> parts(np.array([[1, 3]]), 4)
    array([0, 1, 2, 1])
    """
    graph = sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1]).astype(np.int64)


def _last(box: Box) -> Box:
    """Where a block lies in itself and the pixels before it."""
    return tuple(slice(int(s.start > 0), None) for s in box)


def _numbered(pieces: Array) -> tuple[Array, int]:
    """Give what is left of fragments numbers from 1 on; returns how many there are."""
    there = np.bincount(pieces.ravel()) > 0
    there[0] = False
    return np.where(there, np.cumsum(there), 0)[pieces], int(there.sum())


def _highest_in(pieces: Array, values: Array, number: int) -> Array:
    """Find the highest value in each piece, from 0 to ``number``; values are not below 0.

    Examples
    --------
    >>> _highest_in(np.array([0, 1, 1, 3]), np.float32([4, 2, 5, 7]), 3)
    array([4., 5., 0., 7.], dtype=float32)
    """
    highest = np.zeros(number + 1, np.float32)
    np.maximum.at(highest, pieces.ravel(), values.ravel())
    return highest


def _first_places(pieces: Array) -> Array:
    """Tell where each number, from 0 to the highest, is found first; all but 0 are there.

    Examples
    --------
    >>> _first_places(np.array([[0, 2, 1], [1, 2, 3]]))
    array([0, 2, 1, 5])
    """
    first = np.zeros(int(pieces.max(initial=0)) + 1, np.int64)
    first[pieces.ravel()[::-1]] = np.arange(pieces.size - 1, -1, -1)  # of equal indices, the last one counts
    return first
