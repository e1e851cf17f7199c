"""A form for one frozen spec: a table of rows, each an editor of one field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QDoubleSpinBox, QSizePolicy, QSpinBox, QWidget

from napari_unet.plugin.sections.base import Rows
from napari_unet.spec import Spec

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Editor:
    """A widget for one value: how to read it, how to show a value, its signal of an edit, how to offer others."""

    widget: QWidget
    get: Callable[[], Any]
    set: Callable[[Any], None]
    changed: Any
    offer: Callable[[Sequence[Any], Sequence[str]], None] = lambda _values, _texts: None


@dataclass(frozen=True)
class Row:
    """One field of a spec: its name, caption, tooltip, what makes its editor, and for which values it is shown."""

    field: str
    caption: str
    tooltip: str
    make: Callable[[], Editor]
    when: Callable[[Mapping[str, Any]], bool] = lambda _: True


def whole(low: int, high: int, *, automatic: str = "") -> Callable[[], Editor]:
    """Edit a whole number; with ``automatic``, the lowest position means None and is shown so."""

    def make() -> Editor:
        box = QSpinBox()
        box.setRange(low - 1 if automatic else low, high)
        box.setSpecialValueText(automatic)

        def get() -> int | None:
            return None if automatic and box.value() < low else box.value()

        return Editor(box, get, lambda v: box.setValue(low - 1 if v is None else v), box.valueChanged)

    return make


class _Number(QDoubleSpinBox):
    """Shows as many decimals as a number has."""

    def textFromValue(self, value: float) -> str:
        """Write a number without trailing zeros."""
        return f"{value:.{self.decimals()}f}".rstrip("0").rstrip(".")


def number(low: float, high: float, step: float, decimals: int) -> Callable[[], Editor]:
    """Edit a number; a ``step`` of 0 changes it by a tenth or so of what it is."""

    def make() -> Editor:
        box = _Number()
        box.setDecimals(decimals)
        box.setRange(low, high)
        if step:
            box.setSingleStep(step)
        else:
            box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        return Editor(box, lambda: round(box.value(), decimals), box.setValue, box.valueChanged)

    return make


def one_of(values: Sequence[Any], texts: Sequence[str]) -> Callable[[], Editor]:
    """Choose one of several values; one that is not among them is added as it is."""

    def make() -> Editor:
        box = _narrow()
        known: list[Any] = []

        def show(value: Any) -> None:
            if value not in known:
                known.append(value)
                box.addItem(" x ".join(map(str, value)) if isinstance(value, tuple) else str(value))
            box.setCurrentIndex(known.index(value))

        def offer(values: Sequence[Any], texts: Sequence[str]) -> None:
            now = known[box.currentIndex()] if known else values[0]
            with QSignalBlocker(box):
                known[:] = values
                box.clear()
                box.addItems(list(texts))
                show(now)

        offer(values, texts)
        return Editor(box, lambda: known[box.currentIndex()], show, box.currentIndexChanged, offer)

    return make


def _narrow() -> QComboBox:
    """Make a box that takes the room there is, not the room of its longest text."""
    box = QComboBox()
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box


def switch(on: Any = True, off: Any = False, text: str = "") -> Callable[[], Editor]:
    """Choose between two values; any other value than ``off`` counts as on and is kept until it is edited."""

    def make() -> Editor:
        box = QCheckBox(text)
        kept = [on]

        def show(value: Any) -> None:
            kept[0] = value if value != off else on
            box.setChecked(value != off)

        return Editor(box, lambda: kept[0] if box.isChecked() else off, show, box.toggled)

    return make


def file_or(nothing: str, ask: Callable[[], Path | None]) -> Callable[[], Editor]:
    """Choose a file, or None.

    Parameters
    ----------
    nothing
        What None means.
    ask
        Asks the user for a file; None: the user would rather leave it as it is.
    """

    def make() -> Editor:
        box = _narrow()
        kept: list[Path | None] = [None]

        def show(value: Path | None) -> None:
            kept[0] = value
            with QSignalBlocker(box):
                box.clear()
                box.addItems([nothing, *([] if value is None else [value.name]), "a file ..."])
                if value is not None:
                    box.setItemData(1, str(value), Qt.ItemDataRole.ToolTipRole)
                box.setCurrentIndex(0 if value is None else 1)

        def chosen(index: int) -> None:
            if index == box.count() - 1:
                show(ask() or kept[0])
            elif index == 0:
                show(None)

        box.activated.connect(chosen)  # before a form listens
        show(None)
        return Editor(box, lambda: kept[0], show, box.activated)

    return make


class SpecForm(QWidget, Generic[S]):
    """Edits exactly one frozen spec; fields without a row, and those that are not edited, keep their value.

    Parameters
    ----------
    spec
        Shown at first.
    rows
        The fields to show.
    """

    edited = Signal()

    def __init__(self, spec: S, rows: Sequence[Row]) -> None:
        super().__init__()
        self._spec = spec
        self._rows = tuple(rows)
        self._editors: dict[str, Editor] = {}
        self._captions: dict[str, QWidget] = {}
        self._shown: dict[str, Any] = {}
        self.grid = Rows()
        self.setLayout(self.grid)
        for row in rows:
            editor = self._editors[row.field] = row.make()
            editor.widget.setAccessibleName(row.caption)
            self._captions[row.field] = self.grid.add(row.caption, editor.widget, row.tooltip)
            editor.changed.connect(self._edited)
        self.setValue(spec)

    def value(self) -> S:
        """Return the spec as edited.

        Raises
        ------
        pydantic.ValidationError
            If the spec does not allow it.
        """
        return type(self._spec).model_validate({**dict(self._spec), **self.edits()})

    @property
    def shown(self) -> S:
        """The spec that was shown last, without edits."""
        return self._spec

    def edits(self) -> dict[str, Any]:
        """Return what was edited since the spec was shown."""
        now = {name: editor.get() for name, editor in self._editors.items()}
        return {name: value for name, value in now.items() if value != self._shown[name]}

    def setValue(self, spec: S) -> None:
        """Show a spec."""
        self._spec = spec
        blocked = self.blockSignals(True)
        for name, editor in self._editors.items():
            editor.set(getattr(spec, name))
            self._shown[name] = editor.get()
        self.blockSignals(blocked)
        self._choose_rows()

    def editor(self, field: str) -> QWidget:
        """Give the widget that edits a field."""
        return self._editors[field].widget

    def offer(self, field: str, values: Sequence[Any], texts: Sequence[str]) -> None:
        """Offer other values to choose from; the one that is chosen stays."""
        self._editors[field].offer(values, texts)

    def _choose_rows(self) -> None:
        values = {**dict(self._spec), **self.edits()}
        for row in self._rows:
            on = row.when(values)
            self._captions[row.field].setVisible(on)
            self._editors[row.field].widget.setVisible(on)

    def _edited(self, *_: Any) -> None:
        if not self.signalsBlocked():
            self._choose_rows()
            self.edited.emit()
