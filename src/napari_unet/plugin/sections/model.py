"""Section 6: the model."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout

from napari_unet.plugin.sections.base import Section, button, note

SAVE_TIP = "Save the model to a file (.safetensors) of your own."

OPEN_TIP = "Open a model that was saved before, or a package of BioImage.IO (.zip)."
EXPORT_TIP = "Export for BioImage.IO: write the model as a package (.zip)\nthat other programs can run."


class ModelSection(Section):
    """Shows the model at hand, opens, saves and exports."""

    open_pressed = Signal()
    save_pressed = Signal()
    export_pressed = Signal()

    def __init__(self) -> None:
        super().__init__("6  Model", "Keep what was learnt for other images.")
        self.text = note()
        self.open_button = button("Open ...", OPEN_TIP, self.open_pressed.emit)
        self.save_button = button("Save ...", SAVE_TIP, self.save_pressed.emit)
        self.export_button = button("Export ...", EXPORT_TIP, self.export_pressed.emit)
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addStretch(1)
        for made in (self.open_button, self.save_button, self.export_button):
            line.addWidget(made)
        self.rows.addWidget(self.text)
        self.rows.addLayout(line)
        self.show_model("")

    def show_folder(self, folder: Path, kept: int) -> None:
        """Say where trainings are kept that nobody has saved."""
        self.save_button.setToolTip(f"{SAVE_TIP}\nThe last {kept} trainings are kept without that, in {folder}.")

    def show_model(self, name: str, details: str = "") -> None:
        """Show the name of the model; its details in the tooltip too, where nothing is cut off."""
        self.text.setText(
            "<br>".join(escape(t) for t in (name, details) if t) or "No model yet: train one, or open a file."
        )
        self.text.setToolTip(details)
