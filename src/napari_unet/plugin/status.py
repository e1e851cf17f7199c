"""The line at the foot of the dock that speaks to the user."""

from __future__ import annotations

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout

from napari_unet.plugin.decide import Kind, Message
from napari_unet.plugin.sections.base import note

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
        self._mark.setFixedWidth(16)
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
        self._mark.setText(f"<b style='color:{colour}'>{sign}</b>")
        self._mark.setAccessibleName(message.kind)
        self.text.setText(message.text)

    def show_activity(self, text: str) -> None:
        """Show what the engine does."""
        self.activity.setText(text)
        self.activity.setVisible(bool(text))
