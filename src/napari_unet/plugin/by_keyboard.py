"""Docks by keyboard: Enter presses buttons as Space does, and a ring shows which control has the keyboard."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QAbstractButton, QApplication, QFocusFrame, QScrollArea, QWidget

WIDTH = 2
"""Pixels of the ring."""
ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class Ring(QFocusFrame):
    """Follows a control, and is drawn around it in the colour of text; style sheets leave Qt's own ring out."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ring."""
        painter = QPainter(self)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.WindowText), WIDTH))
        painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()


class ByKeyboard(QObject):
    """Serves the controls of a dock; napari's themes hardly show which of them has the keyboard.

    Parameters
    ----------
    dock
        With all its controls.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self.ring = Ring(dock)
        self.ring.hide()  # or it would come with the dock
        for button in dock.findChildren(QAbstractButton):
            button.installEventFilter(self)
        for area in dock.findChildren(QScrollArea):
            area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it scrolls to the control that has the keyboard
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._moved)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let Enter press a button."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in ENTER:
            if isinstance(watched, QAbstractButton) and watched.isEnabled() and not event.isAutoRepeat():
                watched.click()
            return True
        return False

    def _moved(self, _old: QWidget | None, now: QWidget | None) -> None:
        """Show the ring, but not where the mouse has just pressed."""
        by_mouse = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        mine = now is not None and self._dock.isAncestorOf(now) and not by_mouse
        self.ring.setWidget(now if mine else None)  # type: ignore[arg-type]
