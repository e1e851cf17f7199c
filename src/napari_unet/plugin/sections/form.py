"""A form for one frozen spec: a table of rows, each an editor of one field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QSpinBox, QWidget

from napari_unet.plugin.sections.base import Rows
from napari_unet.spec import Spec

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Editor:
    """A widget for one value: how to read it, how to show a value, what to do on an edit."""

    widget: QWidget
    get: Callable[[], Any]
    set: Callable[[Any], None]
    changed: Any


@dataclass(frozen=True)
class Row:
    """One field of a spec: its name, caption, tooltip, and what makes its editor."""

    field: str
    caption: str
    tooltip: str
    make: Callable[[], Editor]


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


def number(low: float, high: float, step: float, decimals: int) -> Callable[[], Editor]:
    """Edit a number."""

    def make() -> Editor:
        box = QDoubleSpinBox()
        box.setDecimals(decimals)
        box.setRange(low, high)
        box.setSingleStep(step)
        return Editor(box, lambda: round(box.value(), decimals), box.setValue, box.valueChanged)

    return make


def one_of(values: Sequence[Any], texts: Sequence[str]) -> Callable[[], Editor]:
    """Choose one of several values; one that is not among them is added as it is."""

    def make() -> Editor:
        box = QComboBox()
        known = list(values)
        box.addItems(list(texts))

        def show(value: Any) -> None:
            if value not in known:
                known.append(value)
                box.addItem(str(value))
            box.setCurrentIndex(known.index(value))

        return Editor(box, lambda: known[box.currentIndex()], show, box.currentIndexChanged)

    return make


def switch(on: Any, off: Any) -> Callable[[], Editor]:
    """Choose between two values; any other value than ``off`` counts as on and is kept until it is edited."""

    def make() -> Editor:
        box = QCheckBox()
        kept = [on]

        def show(value: Any) -> None:
            kept[0] = value if value != off else on
            box.setChecked(value != off)

        return Editor(box, lambda: kept[0] if box.isChecked() else off, show, box.toggled)

    return make


class SpecForm(QWidget, Generic[S]):
    """Edits exactly one frozen spec; fields without a row keep their value.

    Parameters
    ----------
    spec
        Shown at first.
    rows
        The fields to show.
    """

    changed = Signal(object)

    def __init__(self, spec: S, rows: Sequence[Row]) -> None:
        super().__init__()
        self._spec = spec
        self._editors: dict[str, Editor] = {}
        layout = Rows()
        self.setLayout(layout)
        for row in rows:
            editor = self._editors[row.field] = row.make()
            editor.widget.setAccessibleName(row.caption)
            layout.add(row.caption, editor.widget, row.tooltip)
            editor.changed.connect(self._edited)
        self.setValue(spec)

    def value(self) -> S:
        """Return the spec as edited."""
        update = {name: editor.get() for name, editor in self._editors.items()}
        return type(self._spec).model_validate({**dict(self._spec), **update})

    def setValue(self, spec: S) -> None:
        """Show a spec."""
        self._spec = spec
        blocked = self.blockSignals(True)
        for name, editor in self._editors.items():
            editor.set(getattr(spec, name))
        self.blockSignals(blocked)

    def _edited(self, *_: Any) -> None:
        if not self.signalsBlocked():
            self.changed.emit(self.value())
