"""Which method makes cells of boundaries, and its settings: two in sight, the others under More."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSlider, QToolButton, QVBoxLayout, QWidget

from napari_unet.plugin.sections.base import SPACE, button, note
from napari_unet.plugin.sections.form import Row, SpecForm, number, whole
from napari_unet.plugin.words import METHODS
from napari_unet.spec import CellSpec

_AT_ONCE = "Cells of the last segmentation are made anew at once, without the network."
_ROWS = (
    Row(
        "threshold",
        "Threshold",
        "Boundary probability from which on a pixel is boundary, in the mask, too.",
        number(0.02, 0.98, 0.05, 2),
    ),
    Row("min_size", "Smallest", "Cells with fewer pixels are left out.", whole(0, 1_000_000)),
    Row("grow", "Grow", "How far a cell grows into its boundary at most, pixels.", whole(0, 1_000)),
)


class CellForm(QWidget):
    """Edits a `CellSpec`: the method and whether it gives more or fewer cells, and the rest.

    ``more_button``, which has to be put somewhere, unfolds the rest.

    Parameters
    ----------
    at_once
        What a change does, for the tooltips.
    """

    changed = Signal(object)
    tune = Signal()

    def __init__(self, at_once: str = _AT_ONCE) -> None:
        super().__init__()
        self._at_once = at_once
        self.method = QComboBox()
        self.method.addItems(list(METHODS.values()))
        self.method.setToolTip(
            self._tip("How boundaries become cells. Automatic suits membranes and nuclei alike.")
        )
        self.method.setAccessibleName("Method")
        self.method.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.amount = QSlider(Qt.Orientation.Horizontal)
        self.amount.setRange(5, 95)
        self.amount.setAccessibleName("Fewer or more cells")
        self.more = SpecForm(CellSpec(), [replace(row, tooltip=self._tip(row.tooltip)) for row in _ROWS])
        self.more.hide()
        self.more_button = QToolButton()
        self.more_button.setText("More")
        self.more_button.setToolTip("More settings of the method.")
        self.more_button.setCheckable(True)
        self.more_button.setArrowType(Qt.ArrowType.RightArrow)
        self.more_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more_button.setStyleSheet("QToolButton { border: none; background: transparent; }")
        self.more_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.more_button.toggled.connect(self._unfold)
        self.tune_button = button(
            "Tune",
            "Find the settings that make the cells which you have drawn whole (style 'Whole cells'):\n"
            "many are tried on them, in the background, and the best are taken.",
            self.tune.emit,
        )
        self.tuned = note()
        self.show_tuned("")
        line = QHBoxLayout()
        line.addWidget(self.method, 4)
        line.addWidget(QLabel("fewer"))
        line.addWidget(self.amount, 3)
        line.addWidget(QLabel("more"))
        line.addWidget(self.tune_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(line)
        column.addWidget(self.tuned)
        column.addWidget(self.more)
        self.method.currentIndexChanged.connect(self._edited)
        self.amount.valueChanged.connect(self._edited)
        self.more.edited.connect(self._edited)
        self.setValue(CellSpec())

    def value(self) -> CellSpec:
        """Return the spec as edited."""
        update = {"method": list(METHODS)[self.method.currentIndex()], "beta": self.amount.value() / 100}
        return CellSpec.model_validate(self.more.value().model_dump() | update)

    def setValue(self, spec: CellSpec) -> None:
        """Show a spec."""
        with QSignalBlocker(self.method), QSignalBlocker(self.amount):
            self.method.setCurrentIndex(list(METHODS).index(spec.method))
            self.amount.setValue(round(spec.beta * 100))
        self.more.setValue(spec)
        self._fit_to_method()

    def _tip(self, text: str) -> str:
        return f"{text}\n{self._at_once}".strip()

    def _unfold(self, open: bool) -> None:
        self.more.setVisible(open)
        self.more_button.setArrowType(Qt.ArrowType.DownArrow if open else Qt.ArrowType.RightArrow)

    def take_tuned(self, spec: CellSpec, text: str) -> None:
        """Take settings that were found, and show how good they are."""
        self.setValue(spec)
        self.changed.emit(spec)
        self.show_tuned(text)

    def show_tuned(self, text: str) -> None:
        """Show how good the settings are; empty if nobody knows."""
        self.tuned.setText(text)
        self.tuned.setVisible(bool(text))

    def _edited(self, *_: object) -> None:
        self._fit_to_method()
        self.show_tuned("")
        self.changed.emit(self.value())

    def _fit_to_method(self) -> None:
        """Switch the slider off where it says nothing: connected parts are as many as the threshold makes."""
        joins = self.value().method != "components"
        self.amount.setEnabled(joins)
        self.amount.setToolTip(
            self._tip("Fewer, larger cells to the left; more, smaller ones to the right.")
            if joins
            else "Connected parts are only separated by their boundaries: change the threshold under More."
        )
