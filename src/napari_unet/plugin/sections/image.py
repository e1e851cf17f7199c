"""Section 1: which image, and what its axes are."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QSizePolicy

from napari_unet.plugin.sections.base import Rows, Section, button, note
from napari_unet.plugin.sections.choice import Choice

AXES_TIP = (
    "What the axes of the image mean, one letter each:\n"
    "T time, C channel, Z slice, Y row, X column, S colour (RGB).\n"
    "They are guessed; correct them here, for instance CYX for three channels\nthat were taken for slices (ZYX)."
)
SIZE_TIP = (
    "napari has not taken over the size of a voxel that the file tells. With it, cells are measured in\n"
    "micrometres, and volumes are cut by their true shape. Layers of the same shape get it, too."
)


class ImageSection(Section):
    """Shows the chosen image layer and lets the user choose another or correct its axes."""

    image_chosen = Signal(str)
    axes_edited = Signal(str)
    size_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("1  Image", "The image to learn from and to segment.")
        self.choice = Choice("(open an image first)")
        self.choice.chosen.connect(self.image_chosen)
        self.axes = QLineEdit()
        self.axes.setMaxLength(5)
        self.axes.setFixedWidth(64)
        self.axes.setToolTip(AXES_TIP)
        self.axes.setAccessibleName("Axes")
        self.axes.editingFinished.connect(lambda: self.axes_edited.emit(self.axes.text()))
        line = QHBoxLayout()
        line.setSpacing(6)
        self.choice.setToolTip("The image layer to work on.")
        line.addWidget(self.choice, 1)
        line.addWidget(self.axes)
        rows = Rows()
        rows.add("Layer, axes", line, AXES_TIP)
        self.rows.addLayout(rows)
        self.understood = note()
        self.rows.addWidget(self.understood)
        self.size_button = button("", SIZE_TIP, self.size_wanted.emit)
        self.size_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.rows.addWidget(self.size_button)
        self.show_size("")

    def show_images(self, names: Sequence[str], current: str | None) -> None:
        """Offer image layers."""
        self.choice.show_names(names, current)

    def show_axes(self, axes: str, understood: str) -> None:
        """Show the axes, and what follows from them or what is wrong."""
        with QSignalBlocker(self.axes):
            self.axes.setText(axes)
        self.understood.setText(understood)

    def show_size(self, size: str) -> None:
        """Offer to take over the voxel size of the file; empty: there is nothing to take over."""
        self.size_button.setText(f"Use the file's voxels: {size}")
        self.size_button.setVisible(bool(size))
