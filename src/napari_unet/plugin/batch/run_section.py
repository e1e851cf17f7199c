"""The section that runs a batch and shows how far it is."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPlainTextEdit, QProgressBar

from napari_unet.events import BatchProgress, Preparing
from napari_unet.plugin.batch.table import BatchTable
from napari_unet.plugin.sections.base import Section, button
from napari_unet.plugin.words import duration

STEPS = 1000
"""Of the bar."""


class RunSection(Section):
    """Run and Stop, the bar, the table, and the command line that does the same."""

    run = Signal()
    stop = Signal()
    command = Signal()

    def __init__(self) -> None:
        super().__init__("Run", "One image after another; one that fails does not stop the others.")
        self._busy = False
        self.button = button("Run", "", self._pressed)
        self.command_button = button(
            "Command line",
            "Show and copy the command that does the same without napari, such as on a cluster.",
            self.command.emit,
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.line = QPlainTextEdit()
        self.line.setReadOnly(True)
        self.line.setTabChangesFocus(True)
        self.line.setAccessibleName("Command line")
        self.line.setFixedHeight(58)
        self.line.hide()
        self.table = BatchTable()
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 2)
        buttons.addWidget(self.command_button, 1)
        self.rows.addLayout(buttons)
        for widget in (self.line, self.bar, self.table):
            self.rows.addWidget(widget)
        self.show_busy(False)

    def show_busy(self, busy: bool, *, stopping: bool = False) -> None:
        """Show whether a batch is at work."""
        self._busy = busy
        self.button.setText("Stopping ..." if stopping else "Stop" if busy else "Run")
        self.button.setEnabled(not stopping)
        self.button.setToolTip(
            "Stop after the tile at hand. What is finished is kept: Run goes on there."
            if busy
            else "Segment all images. What is finished already, with these settings, is left out."
        )
        self.command_button.setEnabled(not busy)
        if busy:
            self.line.hide()  # it may tell what was wanted before
        self.bar.setVisible(busy)
        if not stopping:
            self._show(0, "starting")

    def show_unwilling(self) -> None:
        """Offer to end a batch that does not stop."""
        self.button.setText("Stop now")
        self.button.setToolTip("Stop at once. The tile at hand is lost, what is finished is kept.")
        self.button.setEnabled(True)

    def show_preparing(self, part: float) -> None:
        """Show that layers are looked at, and copied."""
        self._show(part, "preparing layers")

    def show_progress(self, event: BatchProgress | Preparing) -> None:
        """Show how far the batch is."""
        if isinstance(event, Preparing):
            self._show(event.done / max(1, event.total), f"{event.what}: {event.done} of {event.total}")
            return
        left = "" if event.seconds_left is None else f" · {duration(event.seconds_left)} left"
        self._show(event.part, f"{event.images}{left}")
        self.table.show_at_work(event.name)

    def _show(self, part: float, words: str) -> None:
        self.bar.setValue(round(STEPS * part))
        self.bar.setFormat(words.replace("%", "%%"))

    def show_command(self, text: str) -> None:
        """Show a command line."""
        self.line.setPlainText(text)
        self.line.show()
        self.line.setFocus()
        self.line.selectAll()

    def _pressed(self) -> None:
        (self.stop if self._busy else self.run).emit()
