"""Section 6: the model."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout

from napari_unet.plugin.sections.base import Section, button, note


class ModelSection(Section):
    """Shows the model at hand, opens and saves."""

    open_pressed = Signal()
    save_pressed = Signal()

    def __init__(self) -> None:
        super().__init__("6  Model", "Keep what was learnt for other images.")
        self.text = note()
        self.open_button = button("Open ...", "Open a model that was saved before.", self.open_pressed.emit)
        self.save_button = button("Save ...", "Save the model to a file (.safetensors).", self.save_pressed.emit)
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self.text, 1)
        line.addWidget(self.open_button)
        line.addWidget(self.save_button)
        self.rows.addLayout(line)
        self.show_model("")

    def show_model(self, text: str) -> None:
        """Describe the model."""
        self.text.setText(text or "No model yet: train one or open a file.")
