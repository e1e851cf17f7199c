"""Section 5: segmenting."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QRadioButton,
    QSizePolicy,
    QSlider,
    QWidget,
)

from napari_unet.plugin.sections.base import Section, button
from napari_unet.plugin.words import duration
from napari_unet.spec import CellMethod, CellSpec, Output

_METHODS: tuple[tuple[CellMethod, str], ...] = (
    ("auto", "Automatic"),
    ("watershed", "Watershed"),
    ("gasp", "Agglomeration (GASP)"),
    ("multicut", "Multicut"),
    ("components", "Connected parts"),
)
_OUTPUTS: tuple[tuple[Output, str, str], ...] = (
    ("boundaries", "boundaries", "A mask of the boundaries."),
    ("cells", "cells", "Separate cells, each with its own number."),
    ("probabilities", "probabilities", "How sure the network is, one image per class."),
)


class CellForm(QWidget):
    """Edits the method of a `CellSpec` and whether it gives more or fewer cells."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._spec = CellSpec()
        self.method = QComboBox()
        self.method.addItems([text for _, text in _METHODS])
        self.amount = QSlider(Qt.Orientation.Horizontal)
        self.amount.setRange(5, 95)
        self.amount.setAccessibleName("Fewer or more cells")
        self.method.setToolTip("How boundaries become cells. Automatic suits membranes and nuclei alike.")
        self.method.setAccessibleName("Method")
        self.method.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.method, 4)
        line.addWidget(QLabel("fewer"))
        line.addWidget(self.amount, 3)
        line.addWidget(QLabel("more cells"))
        tip = "Fewer, larger cells to the left; more, smaller ones to the right. Press Segment again to see it."
        self.amount.setToolTip(tip)
        self.method.currentIndexChanged.connect(lambda _: self.changed.emit(self.value()))
        self.amount.valueChanged.connect(lambda _: self.changed.emit(self.value()))
        self.setValue(self._spec)

    def value(self) -> CellSpec:
        """Return the spec as edited."""
        update = {"method": _METHODS[self.method.currentIndex()][0], "beta": self.amount.value() / 100}
        return CellSpec.model_validate(self._spec.model_dump() | update)

    def setValue(self, spec: CellSpec) -> None:
        """Show a spec."""
        self._spec = spec
        with QSignalBlocker(self.method), QSignalBlocker(self.amount):
            self.method.setCurrentIndex([m for m, _ in _METHODS].index(spec.method))
            self.amount.setValue(round(spec.beta * 100))


class SegmentSection(Section):
    """Asks what to segment and shows how far it is."""

    segment = Signal()
    cancel = Signal()

    def __init__(self) -> None:
        super().__init__("5  Segment", "Turn the prediction into boundary masks and separate cells.")
        self.slice_button = QRadioButton("Visible slice")
        self.stack_button = QRadioButton("Whole stack")
        self.slice_button.setToolTip("Only the slice in view; its layers are filled again at the next press.")
        self.stack_button.setToolTip("Every slice and time point; always into new layers.")
        self.slice_button.setChecked(True)
        self._scope = QButtonGroup(self)
        scope = QHBoxLayout()
        for made in (self.slice_button, self.stack_button):
            self._scope.addButton(made)
            scope.addWidget(made)
        scope.addStretch()
        self.rows.addLayout(scope)
        self._boxes: dict[Output, QCheckBox] = {}
        line = QHBoxLayout()
        for name, text, tip in _OUTPUTS:
            box = QCheckBox(text)
            box.setToolTip(tip)
            box.setChecked(name != "probabilities")
            self._boxes[name] = box
            line.addWidget(box)
        line.addStretch()
        self.rows.addLayout(line)
        self.form = CellForm()
        self.rows.addWidget(self.form)
        self.segment_button = button(
            "Segment", "Add the layers chosen above (key S: segment the visible slice).", self.segment.emit
        )
        self.cancel_button = button("Cancel", "Stop; what is finished stays in the layers.", self.cancel.emit)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setFormat("")
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self.segment_button)
        line.addWidget(self.cancel_button)
        line.addWidget(self.bar, 1)
        self.rows.addLayout(line)

    def outputs(self) -> tuple[Output, ...]:
        """Return the layers that are wanted."""
        return tuple(name for name, box in self._boxes.items() if box.isChecked())

    def slice_only(self) -> bool:
        """Only the slice in view is wanted."""
        return self.slice_button.isChecked()

    def choose_slice(self) -> None:
        """Want the slice in view."""
        self.slice_button.setChecked(True)

    def show_progress(self, part: float, seconds_left: float) -> None:
        """Show how far the prediction is, 0 to 1."""
        self.bar.setValue(round(part * 1000))
        self.bar.setFormat(f"{duration(seconds_left)} left" if part < 1 else "")

    def clear_progress(self) -> None:
        """Show no progress."""
        self.bar.setValue(0)
        self.bar.setFormat("")
