"""When the dock ends: with its window, or when napari throws it away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

QUESTION = "The U-Net is still at work. Stop it and close? A training keeps what it has learnt so far."


class Lifetime(QObject):
    """Watches the window that a widget is docked in.

    Parameters
    ----------
    widget
        The docked widget.
    busy
        Tells whether closing needs the user's consent.
    ended
        Called when the window has closed, or the widget was taken out of it for good.
    """

    def __init__(self, widget: QWidget, busy: Callable[[], bool], ended: Callable[[], None]) -> None:
        super().__init__(widget)
        self._widget, self._busy, self._ended = widget, busy, ended
        self._window: QMainWindow | None = None
        widget.installEventFilter(self)

    def close(self) -> None:
        """Watch no longer."""
        self._widget.removeEventFilter(self)
        if self._window is not None:
            self._window.removeEventFilter(self)
        self.forget()

    def forget(self) -> None:
        """Let go of the window, which Qt may have deleted."""
        self._window = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look at what happens to the widget and to its window."""
        kind = event.type()
        if watched is self._widget and kind == QEvent.Type.Show:
            self._find_window()
        elif watched is self._widget and kind == QEvent.Type.ParentChange and self._window is not None:
            # napari takes the widget out of its dock when the dock's cross is clicked
            later(self, 0, self._end_if_alone)
        elif watched is self._window and kind == QEvent.Type.Close:
            assert isinstance(event, QCloseEvent)
            if event.spontaneous() and self._busy() and not self.may_close():
                event.ignore()
                return True
            later(self, 0, self._end_if_hidden)
        return False

    def may_close(self) -> bool:
        """Ask the user."""
        answer = QMessageBox.question(self._widget, "U-Net", QUESTION)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _find_window(self) -> None:
        window = window_of(self._widget)
        if window is not None and self._window is None:
            self._window = window
            window.installEventFilter(self)

    def _end_if_alone(self) -> None:
        if self._widget.parent() is None:
            self._ended()

    def _end_if_hidden(self) -> None:
        if self._window is None or not self._window.isVisible():
            self._ended()


def window_of(widget: QWidget) -> QMainWindow | None:
    """Find the window that a widget is docked in, floating or not."""
    window = widget.parentWidget()
    while window is not None and not isinstance(window, QMainWindow):
        window = window.parentWidget()
    return window


def later(owner: QObject, milliseconds: int, action: Callable[[], None]) -> None:
    """Call ``action`` after a while, unless ``owner`` is gone by then."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(action)
    timer.timeout.connect(timer.deleteLater)
    timer.start(milliseconds)


class Outer:
    """What outlives a widget and has to be ended with it, once, even when Qt has deleted the widget already.

    Parameters
    ----------
    endings
        Called in turn; they must not touch the widget.
    """

    def __init__(self, endings: Sequence[Callable[[], None]]) -> None:
        self._endings = tuple(endings)

    @property
    def ended(self) -> bool:
        """It was ended."""
        return not self._endings

    def end(self, *_: object) -> None:
        """End it."""
        endings, self._endings = self._endings, ()
        for ending in endings:
            ending()
