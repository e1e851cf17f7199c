"""The button Tune: finds the settings that make the cells which the user has drawn or accepted; no Qt here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from psygnal import Signal

from napari_unet.arrays.region import Region
from napari_unet.arrays.tuning import Place, Scored, best_of, chosen, tune
from napari_unet.errors import UserError, one_line
from napari_unet.plugin import words
from napari_unet.plugin.cells.accepted import accepted_of
from napari_unet.plugin.kept import Kept
from napari_unet.plugin.keymap import KEYMAP
from napari_unet.plugin.layers import full_data, read_region
from napari_unet.plugin.newest import Newest, Stale
from napari_unet.plugin.painter import Painter
from napari_unet.plugin.segmenting import Segmenting
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.work import Work
from napari_unet.spec import CellSpec

Truth = Callable[[Region], npt.NDArray[Any] | None]
"""Known cells (Z, Y, X) of a region, 0 where nothing is known; None if there are none. Called in a thread."""
HOW = (
    "Tune needs whole cells in what is segmented: accept some (key {accept}, in the dock 'U-Net cells'), or "
    "annotate in the style 'Whole cells' (key {take_cell} takes one from the prediction), then press Tune again."
)


@dataclass(frozen=True)
class Search:
    """What is looked at, and the settings to begin with."""

    run: int
    kept: Kept
    spacing: tuple[float, float, float]
    truths: tuple[Truth, ...]
    start: CellSpec


@dataclass(frozen=True)
class Tried:
    """How far a search is: which part of it is done."""

    run: int
    part: float


@dataclass(frozen=True)
class Tuned:
    """The end of a search: the best settings, and how good the first were; or what is wrong."""

    run: int
    best: Scored | None = None
    before: Scored | None = None
    cells: int = 0
    problem: str = ""


class Tuning:
    """Tries settings on known cells, in a thread.

    Parameters
    ----------
    segmenting, selection, painter
        The probabilities that are kept, and what is annotated.
    work
        Tells the user.
    """

    changed = Signal()
    """It has begun, is farther, or has ended."""
    found = Signal(CellSpec, str)
    """The best settings, and how good they are, in words."""
    reported = Signal(object)
    """`Tried` or `Tuned`, emitted in the thread; `on_report` has to be called with it in the window's."""

    def __init__(self, segmenting: Segmenting, selection: Selection, painter: Painter, work: Work) -> None:
        self._segmenting, self._selection, self._painter, self._work = segmenting, selection, painter, work
        self._thread = Newest[Search]("tuning", self._search)
        self._run = 0
        self.part: float | None = None
        """Which part of the search is done; None: none is going on."""

    @property
    def progress(self) -> str:
        """How far it is, in words; empty if nothing is tuned."""
        return "" if self.part is None else f"Tuning the cells: {self.part:.0%}"

    def start(self, cells: CellSpec) -> None:
        """Look for settings that are better than these."""
        results = self._segmenting.results
        kept = None if results is None or results.cells is None else results.probabilities.kept
        if results is None or kept is None:
            self._work.say("Press Segment first, with 'cells' chosen: then Tune can compare.", "error")
            return
        truths = tuple(t for t in (self._annotated(kept), _accepted(results.cells, kept)) if t is not None)
        if not truths:
            self._work.say(KEYMAP.tell(HOW), "error")
            return
        self._run += 1
        self.part = 0.0
        self._thread.give(Search(self._run, kept, results.probabilities.spacing, truths, cells))
        self._work.say("Trying settings on the cells that you have drawn or accepted ...")
        self.changed.emit()

    def cancel(self) -> None:
        """Give the search up."""
        if self.part is not None:
            self._end()
            self._work.say("Tuning was cancelled; nothing has changed.")

    def close(self) -> None:
        """End the thread after what it tries at the moment."""
        self._run += 1
        self._thread.clear()

    def on_report(self, report: Tried | Tuned) -> None:
        """Show how far the search is, or take what it has found."""
        if report.run != self._run or self.part is None:
            return
        if isinstance(report, Tried):
            self.part = report.part
            self.changed.emit()
            return
        self._end()
        if report.best is None or report.before is None:
            self._work.say(report.problem, "error")
            return
        told = _told(report.best, report.before, report.cells)
        self._work.say_aside(told, "good")
        self.found.emit(report.best.cells, told)

    def _end(self) -> None:
        self.close()
        self.part = None
        self.changed.emit()

    def _annotated(self, kept: Kept) -> Truth | None:
        """Give the cells that are annotated whole, where the segmentation is."""
        layer, target = self._selection.labels_layer, self._painter.target
        if layer is None or target.style != "cells":
            return None
        data = full_data(layer)
        if tuple(data.shape) != tuple(kept.probabilities.shape[1:]):
            return None

        def read(region: Region) -> npt.NDArray[Any]:
            values = read_region(data, kept.axes, region)
            return np.where(values == (target.background_value or 0), 0, values)

        return read

    # In the thread

    def _search(self, search: Search, stale: Stale) -> None:
        try:
            for report in _attempts(search):
                if stale():
                    return
                self.reported.emit(report)
        except UserError:
            self.reported.emit(Tuned(search.run, problem=KEYMAP.tell(HOW)))
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the window says it
            self.reported.emit(Tuned(search.run, problem=f"Tuning has failed: {one_line(error)}."))


def _accepted(layer: Labels | None, kept: Kept) -> Truth | None:
    """Give the cells that are accepted."""
    accepted = accepted_of(layer)
    if layer is None or accepted is None or not accepted.keys:
        return None
    data, keys = full_data(layer), accepted.keys

    def read(region: Region) -> npt.NDArray[Any]:
        z = region.z[0] if region.shape[1] == 1 else None
        ids = [n for t, at, n in keys if t == region.t[0] and (z is None or at in (None, z))]
        values = read_region(data, kept.axes, region)
        return np.where(np.isin(values, ids), values, 0)

    return read


def _attempts(search: Search) -> Iterator[Tried | Tuned]:
    places = chosen(list(_places(search)))
    cells = sum(len(np.unique(place.truth)) - 1 for place in places)
    tried: list[Scored] = []
    for found, part in tune(places, search.kept.classes, search.start):
        tried.append(found)
        yield Tried(search.run, part)
    yield Tuned(search.run, best_of(tried), tried[0], cells)


def _places(search: Search) -> Iterator[Place]:
    """Find the pieces of the segmentation in which cells are known."""
    kept = search.kept
    for piece in kept.filled:
        known = [truth for read in search.truths if (truth := read(piece)) is not None and truth.any()]
        if known:
            yield Place(_Piece(kept, piece), _merged(known), search.spacing)


class _Piece:
    """The probabilities (K, Z, Y, X) of a piece, of which only what is asked for is read."""

    def __init__(self, kept: Kept, piece: Region) -> None:
        self._kept, self._piece = kept, piece
        self.shape = (len(kept.classes), *piece.shape[1:])
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, key: Any, /) -> npt.NDArray[Any]:
        spans = (
            (first + s.start, first + s.stop)
            for s, (first, _) in zip(key[1:], self._piece.ranges[1:], strict=True)
        )
        return read_region(self._kept.probabilities, self._kept.axes, Region(self._piece.t, *spans))


def _merged(known: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Put known cells together; where two speak of the same pixels, the first counts."""
    merged = known[0].astype(np.int64)
    for truth in known[1:]:
        free = (merged == 0) & (truth > 0)
        merged[free] = truth[free].astype(np.int64) + merged.max()
    return merged


def _told(best: Scored, before: Scored, cells: int) -> str:
    """Say what was found.

    Examples
    --------
    >>> _told(Scored(CellSpec(method="multicut"), 0.9), Scored(CellSpec(beta=0.2), 0.8), 9)
    'Best: Multicut, 0.50, threshold 0.50. Overlap with 9 cells: 0.90 (0.80 with Automatic, 0.20, threshold 0.50).'
    """
    on = f"Overlap with {words.count(cells, 'cell', 'cells')}"
    if best.score <= before.score:
        return f"Nothing better than {_named(before.cells)} was found. {on}: {before.score:.2f}."
    was = f"{before.score:.2f} with {_named(before.cells)}"
    return f"Best: {_named(best.cells)}. {on}: {best.score:.2f} ({was})."


def _named(cells: CellSpec) -> str:
    amount = "" if cells.method == "components" else f", {cells.beta:.2f}"
    return f"{words.METHODS[cells.method]}{amount}, threshold {cells.threshold:.2f}"
