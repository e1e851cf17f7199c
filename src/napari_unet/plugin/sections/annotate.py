"""Section 2: painting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QMenu, QPushButton, QSpinBox, QWidget

from napari_unet.plugin.annotation import BACKGROUND_VALUE
from napari_unet.plugin.colours import colour_of
from napari_unet.plugin.sections.base import Rows, Section, button, note
from napari_unet.plugin.sections.choice import Choice
from napari_unet.spec import DEFAULT_CLASSES, Style, TargetSpec

_STYLES: tuple[tuple[Style, str], ...] = (("classes", "Strokes in classes"), ("cells", "Whole cells"))
_UNPAINTED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"dense": False, "unpainted": "auto"}, "unknown"),
    ({"dense": True, "unpainted": "auto"}, "automatic"),
    ({"dense": True, "unpainted": "background"}, "background"),
    ({"dense": True, "unpainted": "boundary"}, "boundary"),
)
_CLASS_TIPS = {
    "cell": "Paint inside cells (or nuclei) with this colour.",
    "boundary": "Paint membranes, walls, and the lines where cells touch.",
    "background": "Paint where there are no cells. Not needed if the cells fill the image.",
}


class TargetForm(QWidget):
    """Edits the annotation style of a `TargetSpec`."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._spec = TargetSpec()
        self.style_box = QComboBox()
        self.style_box.addItems([text for _, text in _STYLES])
        self.unpainted = QComboBox()
        self.unpainted.addItems([text for _, text in _UNPAINTED])
        self.unpainted.setAccessibleName("What is unpainted")
        self.unpainted.setToolTip(
            "Unknown: only some cells are painted. All others: every cell is, and this is what is left;\n"
            "automatic takes it for background, or for boundary if it is thin lines everywhere."
        )
        self.background = QSpinBox()
        self.background.setRange(0, 999_999)
        self.background.setSpecialValueText("none")
        rows = Rows()
        rows.setParent(None)
        self.setLayout(rows)
        rows.add(
            "Style",
            self.style_box,
            "Strokes in classes: every colour is a class; a few strokes of each are enough.\n"
            "Whole cells: every value is one cell, painted whole; boundaries follow by themselves.",
        )
        self._cells = QWidget()
        inner = Rows()
        inner.setParent(None)
        self._cells.setLayout(inner)
        inner.add("Unpainted", self.unpainted, self.unpainted.toolTip())
        tip = "The label value of strokes that mean background; none if there are none."
        inner.add("Background value", self.background, tip)
        rows.addWidget(self._cells, rows.rowCount(), 0, 1, 2)
        self.style_box.currentIndexChanged.connect(self._edited)
        self.unpainted.currentIndexChanged.connect(self._edited)
        self.background.valueChanged.connect(self._edited)
        self.setValue(self._spec)

    def value(self) -> TargetSpec:
        """Return the spec as edited."""
        style = _STYLES[self.style_box.currentIndex()][0]
        cells = style == "cells"
        update = {
            "style": style,
            **_UNPAINTED[self.unpainted.currentIndex() if cells else 0][0],
            "background_value": (self.background.value() or None) if cells else None,
        }
        return TargetSpec.model_validate(self._spec.model_dump() | update)

    def setValue(self, spec: TargetSpec) -> None:
        """Show a spec."""
        self._spec = spec
        with QSignalBlocker(self.style_box), QSignalBlocker(self.unpainted), QSignalBlocker(self.background):
            self.style_box.setCurrentIndex([s for s, _ in _STYLES].index(spec.style))
            told = {"dense": spec.dense, "unpainted": spec.unpainted}
            self.unpainted.setCurrentIndex([fields for fields, _ in _UNPAINTED].index(told))
            self.background.setValue(spec.background_value or 0)
        self._cells.setVisible(spec.style == "cells")

    def _edited(self) -> None:
        value = self.value()
        self._cells.setVisible(value.style == "cells")
        self.changed.emit(value)


class AnnotateSection(Section):
    """Makes and chooses the annotation layer, and chooses what the brush paints."""

    new_layer = Signal()
    labels_chosen = Signal(str)
    brush_chosen = Signal(int)
    next_cell = Signal()
    where_next = Signal()
    take_cells = Signal()
    take_region = Signal()
    target_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__("2  Annotate", "Show the network what is what, by painting a little of it.")
        self.new_button = button(
            "New annotation layer", "Add an empty layer to paint on, in place with the image.", self.new_layer.emit
        )
        self.choice = Choice("(choose or make one)")
        self.choice.chosen.connect(self.labels_chosen)
        self.choice.setToolTip("The Labels layer that holds the annotation.")
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(self.new_button)
        line.addWidget(self.choice, 1)
        self.rows.addLayout(line)
        self.form = TargetForm()
        self.form.changed.connect(self._target_edited)
        style = QHBoxLayout()
        style.setSpacing(6)
        style.addWidget(self.form, 1)
        style.addWidget(self._take_button(), 0, Qt.AlignmentFlag.AlignTop)
        self.rows.addLayout(style)
        self.rows.addWidget(self._class_buttons())
        self.rows.addWidget(self._cell_buttons())
        self.where_button = button(
            "Annotate here next",
            "Go to the place where annotation is worth most (key {where_next}): where the network is unsure,\n"
            "and much of the image looks alike and is not annotated. Escape takes the outline away.",
            self.where_next.emit,
        )
        self.counts = note()
        self.missing = note()
        self.rows.addWidget(self.counts)
        foot = QHBoxLayout()
        foot.setSpacing(6)
        foot.addWidget(self.missing, 1)
        foot.addWidget(self.where_button)
        self.rows.addLayout(foot)
        self.show_target(self.form.value())

    def _class_buttons(self) -> QWidget:
        self._classes = QWidget()
        line = QHBoxLayout(self._classes)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        self._group = QButtonGroup(self)
        for value, item in enumerate(DEFAULT_CLASSES, start=1):
            made = QPushButton(swatch(colour_of(item)), f"{value} {item.name}")
            made.setCheckable(True)
            made.setToolTip(
                f"{_CLASS_TIPS[item.name]}\nKey {{next_class}}: next class. [ and ]: smaller and larger brush."
            )
            self._group.addButton(made, value)
            line.addWidget(made)
        self._group.idClicked.connect(self.brush_chosen)
        return self._classes

    def _cell_buttons(self) -> QWidget:
        self._cells = QWidget()
        line = QHBoxLayout(self._cells)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        self.next_button = button(
            "Next cell", "Take the next free number for the next cell (key M).", self.next_cell.emit
        )
        self.background_button = button(
            "Background", "Paint strokes that mean background.", self._background_pressed
        )
        line.addWidget(self.next_button)
        line.addWidget(self.background_button)
        return self._cells

    def _take_button(self) -> QPushButton:
        self.take_button = QPushButton("Take")
        self.take_button.setCheckable(True)
        self.take_button.setToolTip(
            "Let what is predicted well become annotation, where nothing is painted.\n"
            "Ctrl+Z takes it back, Escape ends it."
        )
        menu = QMenu(self.take_button)
        menu.setToolTipsVisible(True)
        self.cells_action = menu.addAction("Cells, by clicks (key {take_cell}: the one under the pointer)")
        self.cells_action.setToolTip(
            "Click at cells: they become annotation, with the predicted boundary that touches them\n"
            "(in the style 'Whole cells': with the next free number)."
        )
        self.cells_action.triggered.connect(lambda _checked=False: self.take_cells.emit())
        self.region_action = menu.addAction("A region, by a rectangle (key {take_region})")
        self.region_action.setToolTip(
            "Drag a rectangle: what is predicted in it becomes annotation, but not where two classes are\n"
            "nearly equally likely (less than 10 % apart). In the style 'Whole cells': the cells that lie\n"
            "in it as a whole."
        )
        self.region_action.triggered.connect(lambda _checked=False: self.take_region.emit())
        for action in (self.cells_action, self.region_action):
            action.setCheckable(True)
        self.take_button.setMenu(menu)
        return self.take_button

    def show_pointing(self, mode: str) -> None:
        """Show what the mouse takes on the canvas: cells, a region, or nothing."""
        self.cells_action.setChecked(mode == "cells")
        self.region_action.setChecked(mode == "region")
        self.take_button.setChecked(mode != "")

    def _background_pressed(self) -> None:
        value = self.form.value()
        if value.background_value is None:
            value = value.model_copy(update={"background_value": BACKGROUND_VALUE})
            self.form.setValue(value)
            self.target_changed.emit(value)
        self.brush_chosen.emit(value.background_value)

    def _target_edited(self, target: TargetSpec) -> None:
        self.show_target(target)
        self.target_changed.emit(target)

    def show_target(self, target: TargetSpec) -> None:
        """Show an annotation style."""
        self.form.setValue(target)
        self._classes.setVisible(target.style == "classes")
        self._cells.setVisible(target.style == "cells")

    def show_labels(self, names: Sequence[str], current: str | None) -> None:
        """Offer Labels layers."""
        self.choice.show_names(names, current)

    def show_brush(self, value: int) -> None:
        """Show which class is painted with."""
        made = self._group.button(value)
        if made is not None:
            made.setChecked(True)

    def show_painting(self, text: str, missing: str) -> None:
        """Show what is painted and what is missing."""
        self.counts.setText(text)
        self.counts.setVisible(bool(text))
        self.missing.setText(missing)


def swatch(colour: str) -> QIcon:
    """Make a small square of a colour."""
    pixels = QPixmap(12, 12)
    pixels.fill(QColor(colour))
    return QIcon(pixels)
