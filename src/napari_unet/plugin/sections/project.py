"""The line above all sections: where everything is kept."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_unet.plugin.sections.base import button, note

KEEP_TIP = (
    "Choose a place and a name. Strokes, models and settings are kept there from now on, by themselves:\n"
    "there is nothing to save. File > Open Folder brings everything back."
)
UNNAMED_TIP = (
    "Strokes, models and settings are saved by themselves: if napari ends badly, they are offered when it is\n"
    "opened again. If you close it, they are not: choose a folder for what you want to keep."
)


class ProjectRow(QWidget):
    """Says where everything is kept, and lets the user choose a folder, open one, and bring strokes back."""

    keep_pressed = Signal()
    open_pressed = Signal()
    back_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = note()
        self.text.setAccessibleName("Project")
        self.keep_button = button("Keep in a folder ...", KEEP_TIP, self.keep_pressed.emit)
        self.open_button = button("Open ...", "Open a project that was kept before.", self.open_pressed.emit)
        self.lost = note()
        self.back_button = button(
            "Bring back", "Open what was painted then, as it was saved last.", self.back_pressed.emit
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 8, 0)
        layout.setSpacing(0)
        first, second = QHBoxLayout(), QHBoxLayout()
        for line in (first, second):
            line.setSpacing(4)
            layout.addLayout(line)
        first.addWidget(self.text, 1)
        first.addWidget(self.keep_button)
        first.addWidget(self.open_button)
        second.addWidget(self.lost, 1)
        second.addWidget(self.back_button)
        self.show_lost("")

    def show_state(self, text: str, folder: str, *, named: bool) -> None:
        """Say how things are; in the tooltip the whole path, or what is kept without one."""
        if text != self.text.text():
            self.text.setText(text)
        self.text.setToolTip(folder or UNNAMED_TIP)
        self.keep_button.setVisible(not named)

    def show_lost(self, text: str) -> None:
        """Offer to bring back what a window had that ended badly; empty: offer nothing."""
        self.lost.setText(text)
        self.lost.setVisible(bool(text))
        self.back_button.setVisible(bool(text))
