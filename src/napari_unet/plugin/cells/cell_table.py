"""The table of cells of the window: measured in the background, linked with its layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from psygnal import Signal

from napari_unet.arrays.measuring import finish, measuring
from napari_unet.arrays.steps import Tell
from napari_unet.errors import UserError, one_line
from napari_unet.events import Note, Preparing
from napari_unet.plugin.cells.accepted import is_edit
from napari_unet.plugin.cells.background import Background, Outcome
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.frame import Frame
from napari_unet.plugin.cells.going import Clicks, Place, go_to
from napari_unet.plugin.cells.measured import Wanted, features_of, wanted, with_others
from napari_unet.plugin.cells.through import told_flat
from napari_unet.plugin.decide import Kind, Message
from napari_unet.plugin.edits import history
from napari_unet.plugin.provenance import OUTDATED, made_of, record_of, with_notes
from napari_unet.spec import Measuring, Record
from napari_unet.storage.creator import write_side_file
from napari_unet.storage.held import with_true_file
from napari_unet.storage.records import as_creator, facts_of
from napari_unet.storage.table import write_table

if TYPE_CHECKING:
    import pandas as pd


class CellTable:
    """Measures the chosen cells, and goes to and fro between cells and rows.

    Parameters
    ----------
    viewer, choice
        What is looked at, and which cells over which image.
    """

    changed = Signal()
    """There is another table, or none, or it is out of date."""
    clicked = Signal(int)
    """The row of a cell that was clicked."""
    said = Signal(Message)

    def __init__(self, viewer: ViewerModel, choice: CellsChoice) -> None:
        self._viewer, self._choice = viewer, choice
        self.table: pd.DataFrame | None = None
        self.layer: Labels | None = None
        """Whose cells are in the table."""
        self.outdated = False
        """The cells were edited since."""
        self._axes = ""
        self._given: Wanted | None = None
        self._rows: dict[tuple[int, ...], int] = {}
        self.background = Background()
        """Measures, and tells how far it is."""
        self._followed: Labels | None = None
        self._edited = False
        """The followed layer was, since its measuring began."""
        self._history = 0, 0
        self.frame = Frame(viewer)
        """Around the cell that was gone to."""
        self._ours: WeakKeyDictionary[Labels, list[str]] = WeakKeyDictionary()
        self._clicks = Clicks(viewer, lambda: self.layer, self._find)
        viewer.layers.events.removed.connect(self._removed)

    def close(self) -> None:
        """Let go of the viewer; the features stay."""
        self.background.close()
        self.frame.remove()
        self._follow(None)
        self._clicks.close()
        self._viewer.layers.events.removed.disconnect(self._removed)

    def measure(self, per_slice: bool | None = None) -> None:
        """Begin to measure the chosen cells; ``per_slice`` None: as was told, else as they are numbered."""
        if self.background.busy:
            return
        try:
            layer = self._choice.require()
            given = wanted(layer, self._choice.image)
        except UserError as error:
            self._say(f"{error}.", "error")
            return
        flat = told_flat(layer) if per_slice is None else per_slice
        self._follow(layer)
        self.background.start(_measurement(given, flat=flat), partial(self._measured, layer, given))

    def _measured(self, layer: Labels, given: Wanted, outcome: Outcome) -> None:
        if outcome.error:
            self._say(f"The cells could not be measured: {outcome.error}.", "error")
        elif outcome.cancelled or layer not in self._viewer.layers:
            self._say("The cells were not measured to the end.")
        else:
            table, note = outcome.value
            self._take(table, note, layer, given)
        if self._followed is not self.layer:
            self._follow(self.layer)
        self.changed.emit()

    def go_to(self, row: int) -> None:
        """Show the cell of a row of the table."""
        if self.table is None or self.layer is None:
            return
        found = self.table.iloc[row]
        at = {a: float(found[c]) for a in "ZYX" if (c := f"{a.lower()}_px") in found}
        at |= {a: float(found[a.lower()]) for a in "TZ" if a.lower() in found}
        go_to(self._viewer, self.layer, self._axes, at, int(found["label"]))
        self._frame(found, at, self.layer)

    def _frame(self, found: pd.Series, at: Place, layer: Labels) -> None:
        """Frame a cell in the plane of its middle."""
        corners = np.array([[at.get(a, 0.0) for a in self._axes]] * 2)
        for i, a in enumerate("yx", start=self._axes.index("Y")):
            corners[:, i] = found[f"{a}_first_px"], found[f"{a}_last_px"]
        self.frame.show(layer, corners)

    def save(self, path: Path) -> None:
        """Write the table as CSV."""
        if self.table is None:
            return
        try:
            write_table(self.table, path)
            write_side_file(path, as_creator(self._record()))
        except UserError as error:
            self._say(f"{error}.", "error")
        except OSError as error:
            self._say(f"{path.name} could not be written: {one_line(error)}.", "error")
        else:
            self._say(f"Saved {len(self.table):,} cells in {path.name}.", "good")

    def _record(self) -> Record | None:
        """Tell how the table was made."""
        if self.table is None or self.layer is None or self._given is None:
            return None
        given = self._given
        settings = Measuring(
            image=None if given.image is None else facts_of(with_true_file(given.image)),
            spacing=given.lengths.spacing if given.lengths.unit == "micrometer" else None,
            per_slice="z" in self.table,
            axes=given.axes if given.image is None else given.image.axes,
        )
        record = made_of(self.layer, given.axes, settings, record_of(self.layer))
        return with_notes(record, [OUTDATED] if self.outdated else [])

    def _take(self, table: pd.DataFrame, note: str, layer: Labels, given: Wanted) -> None:
        self.table, self.layer, self._axes, self.outdated = table, layer, given.axes, self._edited
        self._given = given
        self._rows = {key: row for row, key in enumerate(zip(*(table[c] for c in self._keys()), strict=True))}
        features = features_of(table)
        if features is not None:
            mine = [c for c in features if c != "index"]
            layer.features = with_others(features, layer.features, self._ours.get(layer, []))
            self._ours[layer] = mine
        self._tell(note or given.problem, features is not None)

    def _tell(self, problem: str, features: bool) -> None:
        assert self.table is not None
        assert self.layer is not None
        text = f"Measured {len(self.table):,} cells of '{self.layer.name}'"
        if not features:
            text += "; a number is several cells, so that the layer gets no features"
        self._say(f"{text}; {problem}." if problem else f"{text}.", "warning" if problem else "good")

    def _keys(self) -> list[str]:
        assert self.table is not None
        return [c for c in ("t", "z", "label") if c in self.table]

    def _find(self, label: int, place: tuple[float, ...]) -> None:
        if self.table is None:
            return
        at = {a.lower(): round(p) for a, p in zip(self._axes, place, strict=True)} | {"label": label}
        row = self._rows.get(tuple(at[c] for c in self._keys()))
        if row is not None:
            self.clicked.emit(row)

    def _follow(self, layer: Labels | None) -> None:
        """Notice when a layer is edited from now on. Undo and redo come with nothing but ``set_data``."""
        events = ("paint", "labels_update", "data")
        if self._followed is not None:
            for name in events:
                getattr(self._followed.events, name).disconnect(self._mark)
            self._followed.events.set_data.disconnect(self._shown)
        self._followed, self._edited = layer, False
        if layer is not None:
            self._history = history(layer)
            for name in events:
                getattr(layer.events, name).connect(self._mark)
            layer.events.set_data.connect(self._shown)

    def _shown(self) -> None:
        if self._followed is not None and history(self._followed) != self._history:
            self._mark()

    def _mark(self, event: Any = None) -> None:
        if self._followed is None or not is_edit(event):
            return
        self._history, self._edited = history(self._followed), True
        if self._followed is self.layer and not self.outdated:
            self.outdated = True
            self.changed.emit()

    def _removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.table = self.layer = None
            self._rows, self.outdated = {}, False
            if not self.background.busy:
                self._follow(None)
            self.changed.emit()

    def _say(self, text: str, kind: Kind = "info") -> None:
        self.said.emit(Message(text, kind))


def _measurement(given: Wanted, *, flat: bool | None) -> Callable[[Tell], tuple[pd.DataFrame, str]]:
    """Return the work of measuring; it gives the table, and what could not be measured."""

    def work(tell: Tell) -> tuple[pd.DataFrame, str]:
        notes = [""]

        def follow(event: Preparing | Note) -> None:
            if isinstance(event, Note):
                notes.append(event.text)
            else:
                tell(event.done / event.total)

        table = finish(measuring(given.cells, given.image, flat=flat, lengths=given.lengths), follow)
        tell(1.0)
        return table, notes[-1]

    return work
