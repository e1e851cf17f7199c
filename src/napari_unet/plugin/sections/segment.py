"""Section 5: segmenting."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_unet.arrays.region import Range
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.scope import Scope
from napari_unet.plugin.sections.base import SPACE, Section, button
from napari_unet.plugin.sections.cellform import CellForm
from napari_unet.plugin.words import remaining
from napari_unet.spec import Output, TilingSpec

_OUTPUTS: tuple[tuple[Output, str, str], ...] = (
    ("boundaries", "boundaries", "A mask of the boundaries."),
    ("cells", "cells", "Separate cells, each with its own number."),
    ("probabilities", "probabilities", "How sure the network is, one image per class."),
)


NARROW = (
    "QSpinBox { min-width: 36px; max-width: 36px; padding: 1px 4px; }"
    "QSpinBox::up-button, QSpinBox::down-button { width: 0px; }"
    "QSpinBox::up-arrow, QSpinBox::down-arrow { image: none; width: 0px; }"
)
"""Without napari's plus and minus: two ranges have to fit side by side. Arrow keys and the wheel work."""


class SpanForm(QWidget):
    """Edits a range along one axis, both ends included, as napari's sliders count; hidden if there is no choice.

    Parameters
    ----------
    letter
        Of the axis.
    what
        What is counted, in a word.
    """

    changed = Signal()

    def __init__(self, letter: str, what: str) -> None:
        super().__init__()
        self._size = 1
        self.first, self.last = QSpinBox(), QSpinBox()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(3)
        line.addWidget(QLabel(letter))
        for box, end in ((self.first, "First"), (self.last, "Last")):
            box.setAccessibleName(f"{end} {what} to segment")
            box.setToolTip(f"{end} {what} to segment, counted from 0 as under the image.")
            box.setStyleSheet(NARROW)
            box.valueChanged.connect(self._edited)
        line.addWidget(self.first)
        line.addWidget(QLabel("\N{EN DASH}"))
        line.addWidget(self.last)
        self.show_size(1)

    def show_size(self, size: int) -> None:
        """Offer as many as there are; everything is chosen if that is another number than before."""
        self.setVisible(size > 1)
        if size == self._size:
            return
        self._size = size
        with QSignalBlocker(self.first), QSignalBlocker(self.last):
            for box, value in ((self.first, 0), (self.last, size - 1)):
                box.setRange(0, size - 1)
                box.setValue(value)
        self._edited()

    def value(self) -> Range | None:
        """Return the first and the one after the last; None for everything."""
        found = self.first.value(), self.last.value() + 1
        return None if found == (0, self._size) else found

    def _edited(self) -> None:
        self.last.setMinimum(self.first.value())
        self.first.setMaximum(self.last.value() if self.last.value() < self._size - 1 else self._size - 1)
        self.changed.emit()


class ScopeForm(QWidget):
    """Edits what is segmented: the slice in view, a rectangle, or a part of the stack."""

    changed = Signal()
    draw = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.slice_button = QRadioButton("Visible slice")
        self.rectangle_button = QRadioButton("Rectangle")
        self.stack_button = QRadioButton("Whole stack")
        self.slice_button.setToolTip("Only the slice in view; its layers are filled again at the next press.")
        self.rectangle_button.setToolTip("Only a rectangle that you draw over the image: quick to try things out.")
        self.stack_button.setToolTip("Every slice and time point, or some of them; always into new layers.")
        self.slice_button.setChecked(True)
        self._group = QButtonGroup(self)
        line = QHBoxLayout()
        for made in (self.slice_button, self.rectangle_button, self.stack_button):
            self._group.addButton(made)
            line.addWidget(made)
        line.addStretch()
        self.draw_button = button(
            "Draw ...",
            "Drag a rectangle over the image with the mouse. You can move it afterwards, or use a rectangle\n"
            "of any Shapes layer: the selected one counts, or else the last one.",
            self.draw.emit,
        )
        self.through_box = QCheckBox("through the stack")
        self.through_box.setToolTip("The rectangle in every slice and time point, not only in the slice in view.")
        self.spans = {"T": SpanForm("t", "time point"), "Z": SpanForm("z", "slice")}
        self._rectangle = _row(self.draw_button, self.through_box)
        self._ranges = _row(*self.spans.values())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(line)
        column.addWidget(self._rectangle)
        column.addWidget(self._ranges)
        self._sizes = {"T": 1, "Z": 1}
        self._group.buttonToggled.connect(lambda _button, on: self._edited() if on else None)
        self.through_box.toggled.connect(lambda _on: self._edited())
        for span in self.spans.values():
            span.changed.connect(self.changed)
        self._edited()

    def show_sizes(self, t: int, z: int) -> None:
        """Show how many time points and slices there are."""
        self._sizes = {"T": t, "Z": z}
        for axis, span in self.spans.items():
            span.show_size(self._sizes[axis])
        if not self._stack and self.stack_button.isChecked():
            self.slice_button.setChecked(True)
        self.slice_button.setText("Visible slice" if self._stack else "Whole image")
        self._edited()

    @property
    def _stack(self) -> bool:
        return max(self._sizes.values()) > 1

    def scope(self) -> Scope:
        """Return what is wanted."""
        if self.stack_button.isChecked():
            return "stack"
        return "rectangle" if self.rectangle_button.isChecked() else "slice"

    def through(self) -> bool:
        """Whether the rectangle goes through the stack."""
        return self._stack and self.through_box.isChecked()

    def choose_slice(self) -> None:
        """Want the slice in view."""
        self.slice_button.setChecked(True)

    def _edited(self) -> None:
        scope = self.scope()
        self.stack_button.setVisible(self._stack)
        self.through_box.setVisible(self._stack)
        self._rectangle.setVisible(scope == "rectangle")
        ranged = scope == "stack" or (scope == "rectangle" and self.through())
        self._ranges.setVisible(ranged and self._stack)
        self.changed.emit()


def _row(*parts: QWidget) -> QWidget:
    """Put widgets beside one another, a little to the right."""
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(16, 0, 0, 0)
    for part in parts:
        line.addWidget(part)
    line.addStretch()
    return row


class SegmentSection(Section):
    """Asks what to segment, shows how far it is, and saves what was found."""

    segment = Signal()
    cancel = Signal()
    save = Signal()
    work_on_cells = Signal()
    changed = Signal()
    """Anything that is wanted."""

    def __init__(self) -> None:
        super().__init__("5  Segment", "Turn the prediction into boundary masks and separate cells.")
        self.scope = ScopeForm()
        self.rows.addWidget(self.scope)
        self._boxes: dict[Output, QCheckBox] = {}
        line = QHBoxLayout()
        for name, text, tip in _OUTPUTS:
            box = QCheckBox(text)
            box.setToolTip(tip)
            box.setChecked(name != "probabilities")
            box.toggled.connect(lambda _on: self.changed.emit())
            self._boxes[name] = box
            line.addWidget(box)
        line.addStretch()
        self.form = CellForm()
        line.addWidget(self.form.more_button)
        self.rows.addLayout(line)
        self.rows.addWidget(self.form)
        self.segment_button = button(
            "Segment",
            "Add the layers chosen above (key {segment}: segment the visible slice).\n"
            "Go on: make what is missing since Cancel, in the same layers.",
            self.segment.emit,
        )
        self.cancel_button = button(
            "Cancel", "Stop; what is finished stays in the layers, and Go on makes the rest.", self.cancel.emit
        )
        self.save_button = button(
            "Save results ...",
            "Write the layers of the last segmentation to files, as OME-Zarr or OME-TIFF,\n"
            "with the size of the pixels. Other programs open them.",
            self.save.emit,
        )
        self.cells_button = button(
            "Cells ...",
            "Open the dock 'U-Net cells': correct, measure, link, compare and write cells.",
            self.work_on_cells.emit,
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setFormat("")
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self.segment_button)
        line.addWidget(self.cancel_button)
        line.addWidget(self.bar, 1)
        line.addWidget(self.save_button)
        line.addWidget(self.cells_button)
        self.rows.addLayout(line)
        self.scope.changed.connect(self.changed)
        self.form.changed.connect(lambda _: self.changed.emit())
        self.show_busy(False)

    def leave_out(self, output: Output) -> None:
        """Do without an output that the model cannot give."""
        self._boxes[output].setChecked(False)

    def outputs(self) -> tuple[Output, ...]:
        """Return the layers that are wanted."""
        return tuple(name for name, box in self._boxes.items() if box.isChecked())

    def request(self, tiling: TilingSpec) -> SegmentRequest:
        """Return what is wanted."""
        spans = self.scope.spans
        return SegmentRequest(
            self.scope.scope(),
            self.outputs(),
            self.form.value(),
            tiling,
            self.scope.through(),
            spans["T"].value(),
            spans["Z"].value(),
        )

    def show_busy(self, busy: bool) -> None:
        """Show a bar in place of the button to save, or the other way round."""
        self.bar.setVisible(busy)
        self.save_button.setVisible(not busy)

    def show_progress(self, part: float, seconds_left: float | None = None) -> None:
        """Show how far the work is, 0 to 1; None: nobody knows how long the rest takes."""
        self.bar.setValue(round(part * 1000))
        if seconds_left is None:
            self.bar.setFormat("finishing ..." if part >= 1 else f"{math.floor(part * 100)}%")
        else:
            self.bar.setFormat(remaining(part, seconds_left) if part < 1 else "")

    def clear_progress(self) -> None:
        """Show no progress."""
        self.bar.setValue(0)
        self.bar.setFormat("")
