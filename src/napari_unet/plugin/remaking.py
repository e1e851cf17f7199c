"""Making cells of probabilities, in threads: which pieces, in which order."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_unet.arrays.boxes import is_large
from napari_unet.arrays.cells import boundary_mask
from napari_unet.arrays.changes import changed_cells
from napari_unet.arrays.fragments import Memory
from napari_unet.arrays.pieces import cells_of_piece
from napari_unet.arrays.region import Region
from napari_unet.errors import one_line
from napari_unet.plugin.kept import Kept
from napari_unet.plugin.layers import read_region
from napari_unet.plugin.newest import Newest, Stale
from napari_unet.spec import BOUNDARY, CELL, CellSpec
from napari_unet.storage.budget import check_memory

BYTES = 16
"""Bytes per pixel of a large piece that making its cells takes, beside the probabilities."""

COUNTED = 2**24
"""Pixels of a piece up to which it is counted how many of its cells have changed."""


@dataclass(frozen=True, eq=False)
class Task:
    """Cells to be made: of these pieces, with the settings of ``kept``.

    Parameters
    ----------
    run
        Its number.
    kept
        The probabilities, and how the cells are to be.
    pieces
        Planes, or volumes.
    spacing
        Size of a voxel along Z, Y, X.
    boundaries
        The boundary mask is wanted, too.
    before
        Reads the cells (Z, Y, X) that there were in a region; called in threads.
    """

    run: int
    kept: Kept
    pieces: tuple[Region, ...]
    spacing: tuple[float, float, float]
    boundaries: bool
    before: Callable[[Region], npt.NDArray[Any]]
    taken: set[Region] = field(default_factory=set)
    """Pieces that a thread has begun with."""

    def piece_of(self, t: int, z: int) -> Region | None:
        """Return the piece that holds a plane."""
        held = (p for p in self.pieces if p.t[0] <= t < p.t[1] and p.z[0] <= z < p.z[1])
        return next(held, None)


@dataclass(frozen=True, eq=False)
class Made:
    """Cells (Z, Y, X) of a piece; those of a plane of a larger piece are a first look only."""

    run: int
    piece: Region
    cells: npt.NDArray[Any]
    boundaries: npt.NDArray[np.uint8] | None
    first_look: bool
    changed: int | None = None
    """Cells that are not as they were; None where they are not counted."""


@dataclass(frozen=True)
class Failed:
    """Why the cells of a run cannot be made."""

    run: int
    reason: str


class Remaking:
    """Makes what is in view in one thread and everything else in another.

    The pieces are made in the window's own process: see docs/decisions/0013-recut.md.
    """

    made = Signal(object)
    """`Made` or `Failed`; emitted in the threads."""

    def __init__(self) -> None:
        self._in_view = Newest[tuple[Task, Region]]("cells-in-view", self._make_one)
        self._others = Newest[Task]("cells", self._make_all)
        self._memory = Memory()
        self._warm = False

    def warm_up(self) -> None:
        """Load what makes cells before it is needed: python-elf takes some seconds."""
        if not self._warm:
            self._warm = True
            threading.Thread(target=_load, name="cells-loading", daemon=True).start()

    def make_first(self, task: Task, region: Region) -> None:
        """Make a piece, or one plane of it as a first look."""
        self._in_view.give((task, region))

    def make_others(self, task: Task) -> None:
        """Make what nobody has begun with."""
        self._others.give(task)

    def stop(self) -> None:
        """Begin with no other piece."""
        self._in_view.clear()
        self._others.clear()

    def _make_one(self, order: tuple[Task, Region], stale: Stale) -> None:
        task, region = order
        if region not in task.pieces:
            self._make(task, region, stale, first_look=True)
        elif region not in task.taken:
            task.taken.add(region)
            self._make(task, region, stale)

    def _make_all(self, task: Task, stale: Stale) -> None:
        for piece in task.pieces:
            if stale():
                return
            if piece not in task.taken:
                task.taken.add(piece)
                self._make(task, piece, stale)

    def _make(self, task: Task, region: Region, stale: Stale, *, first_look: bool = False) -> None:
        found: Made | Failed
        try:
            with self._memory.used():
                cells, boundaries = _cut(task, region, mask=not first_look)
                changed = None if first_look else _changed(task, region, cells)
                found = Made(task.run, region, cells, boundaries, first_look, changed)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the window says it
            found = Failed(task.run, one_line(error))
        self.made.emit(found)


def _load() -> None:
    cells_of_piece(np.zeros((2, 1, 8, 8), np.uint8), (CELL, BOUNDARY), CellSpec())


def _changed(task: Task, region: Region, cells: npt.NDArray[Any]) -> int | None:
    return changed_cells(task.before(region), cells) if math.prod(region.shape) <= COUNTED else None


def _cut(task: Task, region: Region, *, mask: bool) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8] | None]:
    """Make the cells of a region, and its boundary mask if it is wanted."""
    kept = task.kept
    size = math.prod(region.shape)
    if is_large(region.shape):
        check_memory(size * (len(kept.classes) + BYTES), "making these cells anew", "segment a part of the stack")
    probabilities = read_region(kept.probabilities, kept.axes, region)
    cells = cells_of_piece(probabilities, kept.classes, kept.cells, task.spacing)
    wanted = mask and task.boundaries
    return cells, boundary_mask(probabilities, kept.classes, kept.cells.threshold) if wanted else None
