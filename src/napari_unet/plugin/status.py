"""The line at the foot of the dock that speaks to the user."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout

from napari_unet.plugin.decide import Kind, Message
from napari_unet.plugin.sections.base import note
from napari_unet.plugin.words import without_options

# A sign in black on a colour of its own can be read in every theme, and tells what the colour tells.
MARKS: dict[Kind, tuple[str, str]] = {
    "info": ("i", "#56B4E9"),
    "good": ("✓", "#009E73"),
    "warning": ("!", "#E69F00"),
    "error": ("✕", "#D55E00"),
}


class StatusLine(QFrame):
    """Shows one message, marked by its kind with a sign and a colour, and what the engine does."""

    def __init__(self) -> None:
        super().__init__()
        self.message = Message("")
        """What is shown."""
        self._mark = QLabel()
        self._mark.setFixedSize(16, 16)
        self._mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text = note()
        self.text.setAccessibleName("Message")
        self.activity = QLabel()
        self.activity.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self._mark)
        line.addWidget(self.text, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.activity)
        self.show_activity("")

    def show_message(self, message: Message) -> None:
        """Show a message."""
        self.message = message
        sign, colour = MARKS[message.kind]
        self._mark.setText(sign)
        self._mark.setStyleSheet(f"background: {colour}; color: black; font-weight: bold; border-radius: 8px;")
        self._mark.setVisible(bool(message.text))
        self._mark.setAccessibleName(message.kind)
        self.text.setText(without_options(message.text))

    def show_activity(self, text: str) -> None:
        """Show what the engine does."""
        self.activity.setText(text)
        self.activity.setVisible(bool(text))
