"""Which method makes cells of boundaries, and its settings: two in sight, the others under More."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_unet.plugin.sections.base import SPACE, Section
from napari_unet.plugin.sections.form import Row, SpecForm, number, whole
from napari_unet.spec import CellMethod, CellSpec

METHODS: dict[CellMethod, str] = {
    "auto": "Automatic",
    "watershed": "Watershed",
    "gasp": "Agglomeration (GASP)",
    "multicut": "Multicut",
    "components": "Connected parts",
}
"""Names of the methods, for people."""
_AT_ONCE = "Cells of the last segmentation are made anew at once, without the network."
_ROWS = (
    Row(
        "threshold",
        "Threshold",
        f"Boundary probability from which on a pixel is boundary, in the mask, too.\n{_AT_ONCE}",
        number(0.02, 0.98, 0.05, 2),
    ),
    Row("min_size", "Smallest", f"Cells with fewer pixels are left out.\n{_AT_ONCE}", whole(0, 1_000_000)),
    Row("grow", "Grow", f"How far a cell grows into its boundary at most, pixels.\n{_AT_ONCE}", whole(0, 1_000)),
)


class CellForm(QWidget):
    """Edits a `CellSpec`: the method and whether it gives more or fewer cells, and under More the rest."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.method = QComboBox()
        self.method.addItems(list(METHODS.values()))
        self.method.setToolTip(
            f"How boundaries become cells. Automatic suits membranes and nuclei alike.\n{_AT_ONCE}"
        )
        self.method.setAccessibleName("Method")
        self.method.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.amount = QSlider(Qt.Orientation.Horizontal)
        self.amount.setRange(5, 95)
        self.amount.setAccessibleName("Fewer or more cells")
        self.more = SpecForm(CellSpec(), _ROWS)
        fold = Section("More", "More settings of the method.", open=False)
        fold.rows.addWidget(self.more)
        line = QHBoxLayout()
        line.addWidget(self.method, 4)
        line.addWidget(QLabel("fewer"))
        line.addWidget(self.amount, 3)
        line.addWidget(QLabel("more cells"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(line)
        column.addWidget(fold)
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

    def _edited(self, *_: object) -> None:
        self._fit_to_method()
        self.changed.emit(self.value())

    def _fit_to_method(self) -> None:
        """Switch the slider off where it says nothing: connected parts are as many as the threshold makes."""
        joins = self.value().method != "components"
        self.amount.setEnabled(joins)
        self.amount.setToolTip(
            f"Fewer, larger cells to the left; more, smaller ones to the right.\n{_AT_ONCE}"
            if joins
            else "Connected parts are only separated by their boundaries: change the threshold under More."
        )
