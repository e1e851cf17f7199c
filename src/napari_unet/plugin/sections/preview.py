"""Section 4: the preview."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSlider

from napari_unet.plugin.sections.base import Section


class PreviewSection(Section):
    """Switches the preview and sets how strongly it covers the image."""

    switched = Signal(bool)
    opacity_changed = Signal(float)
    unsure_switched = Signal(bool)
    before_toggled = Signal()

    def __init__(self) -> None:
        super().__init__("4  Preview", "See what the network makes of the slice in view, while it learns.")
        self.box = QCheckBox("Show")
        self.box.setToolTip("Predict the slice in view and show it over the image (key {preview}).")
        self.box.setChecked(True)
        self.box.toggled.connect(self.switched)
        self.before = QPushButton("Before")
        self.before.setCheckable(True)
        self.before.setToolTip(
            "Show how the slice was predicted before the last training began, without annotation and results;\n"
            "press again to go back (key {before}). The training goes on meanwhile."
        )
        self.before.clicked.connect(self.before_toggled)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(5, 100)
        self.opacity.setValue(40)
        self.opacity.setToolTip("How strongly the preview covers the image.")
        self.opacity.setAccessibleName("Opacity of the preview")
        self.opacity.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))
        self.unsure = QCheckBox("Unsure")
        self.unsure.setToolTip(
            "Show how unsure the network is of every pixel, in place of its classes (key {unsure}):\n"
            "dark where one class is certain, bright where two are equally likely."
        )
        self.unsure.toggled.connect(self.unsure_switched)
        line = QHBoxLayout()
        line.addWidget(self.box)
        line.addWidget(self.unsure)
        line.addWidget(QLabel("Opacity"))
        line.addWidget(self.opacity, 1)
        line.addWidget(self.before)
        self.rows.addLayout(line)

    def show_before(self, before: bool) -> None:
        """Show whether the preview is that of before the training."""
        self.before.setChecked(before)

    def show_on(self, on: bool) -> None:
        """Show whether the preview is on."""
        with QSignalBlocker(self.box):
            self.box.setChecked(on)

    def show_unsure(self, on: bool) -> None:
        """Show whether the map of uncertainty is on."""
        with QSignalBlocker(self.unsure):
            self.unsure.setChecked(on)
