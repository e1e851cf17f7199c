"""The cells of the last segmentation, made anew when their settings change; no network, no Qt here."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels
from psygnal import Signal

from napari_unet.arrays.region import Region
from napari_unet.plugin import words
from napari_unet.plugin.decide import Kind
from napari_unet.plugin.probabilities import inside
from napari_unet.plugin.remaking import Failed, Made, Remaking, Task
from napari_unet.plugin.results import Results
from napari_unet.plugin.segmenting import Segmenting
from napari_unet.plugin.work import Work
from napari_unet.spec import CellSpec

EVERY = 0.5
"""Seconds between two reports of progress: what the window draws holds up the threads that make cells."""
SOON = 2**19
"""Pixels; smaller slices are there so soon that nothing is reported before."""


class Recutting:
    """Makes cells anew of the probabilities that were kept: first those in view, then all others.

    The newest settings win. A layer that was edited by hand is left alone: the new cells get a layer of their own.

    Parameters
    ----------
    viewer, segmenting
        Where the cells are.
    work
        Tells the user.
    """

    changed = Signal()
    """More is made, or something else, or nothing any more."""

    def __init__(self, viewer: ViewerModel, segmenting: Segmenting, work: Work) -> None:
        self._viewer, self._segmenting, self._work = viewer, segmenting, work
        self._remaking = Remaking()
        self.made = self._remaking.made
        """`Made` or `Failed`, from other threads; `on_made` has to be called with it in the window's."""
        self._wanted: CellSpec | None = None
        self._task: Task | None = None
        self._results: Results | None = None
        """Which the task belongs to."""
        self._run = 0
        self._left: set[Region] = set()
        """Pieces of the task that are not made yet."""
        self._others_begun = False
        self._look: tuple[Region, npt.NDArray[Any]] | None = None
        """What a first look has replaced."""
        self._cells = 0
        self._changed: int | None = 0
        """Cells that are not what they were; None if that was not counted everywhere."""
        self._began = self._told = 0.0
        self._prefix = ""
        viewer.dims.events.point.connect(self._moved)

    def close(self) -> None:
        """Let go of the viewer."""
        self._viewer.dims.events.point.disconnect(self._moved)
        self._forget()

    @property
    def part(self) -> float | None:
        """Part of the cells that is made, 0 to 1; None if nothing is made, or a single piece."""
        several = self._task is not None and len(self._task.pieces) > 1
        return 1 - len(self._left) / len(self._task.pieces) if several and self._task is not None else None

    @property
    def progress(self) -> str:
        """How far it is, in words; empty if nothing is made."""
        if self._task is None:
            return ""
        total = len(self._task.pieces)
        return f"Making the cells anew: {total - len(self._left):,} of {self._pieces(total)}"

    def _pieces(self, number: int) -> str:
        flat = self._task is None or self._task.kept.flat
        return words.count(number, "slice", "slices") if flat else words.count(number, "volume", "volumes")

    # What is asked for

    def make(self, cells: CellSpec) -> None:
        """Make the cells as told from now on, of what was kept."""
        self._wanted = cells
        self._begin()

    def catch_up(self) -> None:
        """Make the cells as they are wanted after a segmentation during which that was changed."""
        order = self._segmenting.order
        if self._wanted is not None and order is not None and self._wanted != order.request.cells:
            self._begin()

    def follow_results(self) -> None:
        """Get ready for the cells of a new segmentation: leave out what it fills, or stop with other results."""
        self._remaking.warm_up()
        task, results = self._task, self._results
        if task is None or results is None:
            return
        if self._segmenting.results is not results:
            self._give_up()
            return
        gone = self._left - results.probabilities.made.keys()
        task.taken.update(gone)
        self._left -= gone
        self._finish_if_done()

    def cancel(self) -> None:
        """Leave everything as far as it is."""
        if self._task is not None:
            self._stop(f"Cancelled: {self._so_far()} the new cells.", "info")

    # The work

    def _begin(self) -> None:
        results = self._segmenting.results
        if results is None or results.cells is None or self._work.job == "predict" or self._wanted is None:
            return
        probabilities = results.probabilities
        if not probabilities.made:
            self._work.say("The probabilities of these cells are not kept: press Segment to see the change.")
            return
        if not results.visible:
            return
        before = results.cells
        old = results.protect_edits() if any(c != self._wanted for c in probabilities.made.values()) else []
        pieces = tuple(piece for piece, cells in probabilities.made.items() if cells != self._wanted)
        kept = probabilities.kept
        self._forget()
        if kept is None or not pieces:
            self.changed.emit()
            return
        self._results, self._left = results, set(pieces)
        results.begin_anew(before, self._wanted.min_size, flat=kept.flat)
        results.touched.connect(self._touched, unique=True)
        self._prefix = _kept_aside(old, results)
        if self._prefix:  # at once: a segmentation that is begun meanwhile has the word
            self._say("They are being made.")
        self._began, self._others_begun = time.perf_counter(), False
        self._cells, self._changed = 0, 0
        boundaries = any(piece.output == "boundaries" for piece in results.pieces())
        kept = replace(kept, cells=self._wanted)
        read = partial(self._read_before, results, before)
        self._task = Task(self._run, kept, pieces, probabilities.spacing, boundaries, read)
        if not self._make_in_view():
            self._make_others()
        if math.prod(pieces[0].shape) > SOON or self._others_begun:
            self.changed.emit()

    def _read_before(self, results: Results, before: Labels, region: Region) -> npt.NDArray[Any]:
        """Read the cells that there were, also where a first look has replaced them."""
        cells, look = np.array(results.get("cells", region, before)), self._look
        if look is not None and inside(look[0], region):
            z = look[0].z[0] - region.z[0]
            cells[z : z + 1] = look[1]
        return cells

    def _make_in_view(self) -> bool:
        """Begin with what is in view, unless it is made, or at work; returns whether there is something."""
        task, results = self._task, self._results
        if task is None or results is None or (plane := results.plane_in_view()) is None:
            return False
        piece = task.piece_of(*plane)
        if piece is None or piece in task.taken:
            return False
        t, z = plane
        one = piece if piece.shape[1] == 1 else replace(piece, t=(t, t + 1), z=(z, z + 1))
        self._remaking.make_first(task, one)
        return True

    def _make_others(self) -> None:
        if self._task is not None and not self._others_begun:
            self._others_begun = True
            self._remaking.make_others(self._task)

    def _moved(self) -> None:
        if self._task is not None and self._task.kept.flat:
            self._make_in_view()

    def _touched(self) -> None:
        if self._task is not None:
            self._look = None  # or what was edited would be lost
            self._stop(f"The cells were edited meanwhile: {self._so_far()} the new cells.", "warning")

    def on_made(self, found: Made | Failed) -> None:
        """Write new cells into their layer."""
        task, results = self._task, self._results
        if task is None or results is None or found.run != task.run:
            return
        if results.cells is None:
            self._give_up()
        elif isinstance(found, Failed):
            self._stop(f"The cells cannot be made anew: {found.reason}.", "error")
        elif found.first_look:
            self._show_first(found, results)
        elif found.piece in self._left:
            self._take(found, results, task)

    def _show_first(self, found: Made, results: Results) -> None:
        """Show a plane of a volume until the volume is there."""
        if self._left:
            self._look = found.piece, results.get("cells", found.piece).copy()
            self._write(found, results)
            results.refresh()
            self._say(f"A first look at this slice, after {self._seconds()}; the whole volume follows.")
            self._make_others()

    def _take(self, found: Made, results: Results, task: Task) -> None:
        first = len(self._left) == len(task.pieces)
        self._write(found, results)
        if self._look is not None and inside(self._look[0], found.piece):
            self._look = None
        results.probabilities.note(found.piece, task.kept.cells)
        self._left.discard(found.piece)
        number = int(found.cells.max(initial=0))
        self._cells += number
        counted = self._changed is not None and found.changed is not None
        self._changed = (self._changed or 0) + (found.changed or 0) if counted else None
        if first:
            results.refresh()
        if first and self._left:
            cells, rest = words.count(number, "cell", "cells"), self._pieces(len(self._left))
            self._say(f"{cells} in view, after {self._seconds()}; {rest} to follow.")
        self._make_others()
        self._tell_now_and_then()
        self._finish_if_done()

    def _tell_now_and_then(self) -> None:
        """Tell that more is made."""
        now = time.perf_counter()
        if now - self._told >= EVERY:
            self._told = now
            self.changed.emit()

    def _write(self, found: Made, results: Results) -> None:
        if found.boundaries is not None:
            results.put("boundaries", found.piece, found.boundaries)
        results.put("cells", found.piece, found.cells)

    def _finish_if_done(self) -> None:
        task, results = self._task, self._results
        if task is None or results is None or self._left:
            return
        results.finish()
        cells = words.count(self._cells, "cell", "cells")
        where = f" in {self._pieces(len(task.pieces))}" if len(task.pieces) > 1 else ""
        changed = "" if self._changed is None else f", {self._changed or 'none'} of them changed"
        self._say(f"Made anew in {self._seconds()}, without the network: {cells}{where}{changed}.", "good")
        self._task = None
        self._segmenting.note_remade(task.kept.cells)
        self.changed.emit()

    def _so_far(self) -> str:
        total = 0 if self._task is None else len(self._task.pieces)
        done = total - len(self._left)
        return f"{done:,} of {self._pieces(total)} {'has' if done == 1 else 'have'}"

    def _stop(self, text: str, kind: Kind) -> None:
        """Stop and say why."""
        self._say(text, kind)
        results = self._results
        self._give_up()
        if results is not None:
            results.finish()
            self._segmenting.tell_kept()

    def _give_up(self) -> None:
        """Stop without a word."""
        self._forget()
        self.changed.emit()

    def _forget(self) -> None:
        """Stop; a volume that has not come gets back the slice that showed a first look."""
        self._run += 1
        self._remaking.stop()
        look, self._look, self._task = self._look, None, None
        if look is not None and self._results is not None:
            self._results.put_back(*look)

    def _say(self, text: str, kind: Kind = "info") -> None:
        self._work.say_aside(self._prefix + text, kind)

    def _seconds(self) -> str:
        seconds = time.perf_counter() - self._began
        return f"{seconds:.2f} s" if seconds < 10 else words.duration(seconds)


def _kept_aside(old: Sequence[str], results: Results) -> str:
    """Say where hand-edited layers are; empty if there are none."""
    if not old or results.cells is None:
        return ""
    names = " and ".join(f"'{name}'" for name in old)
    stays = "was edited by hand and stays" if len(old) == 1 else "were edited by hand and stay"
    return f"{names} {stays} as it was, hidden; the new cells are in '{results.cells.name}'. "
