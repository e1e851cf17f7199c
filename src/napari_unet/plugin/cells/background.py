"""Work on cells in a thread of its own, so that the window goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal

from napari_unet.errors import UserError, one_line
from napari_unet.storage.budget import is_full

EVERY = 0.1
"""Seconds between two reports of progress."""

Tell = Callable[[float], None]
"""Told how much is done, from 0 to 1."""


class Cancelled(Exception):
    """The user wants no more of it."""


@dataclass(frozen=True)
class Outcome:
    """What came of some work: a value, or in one sentence why there is none."""

    value: Any = None
    error: str = ""
    cancelled: bool = False


class Background(QObject):
    """Does one piece of work at a time; everything it tells arrives in the thread that made it.

    It has no owner in Qt: the thread keeps it until the work has ended, whatever becomes of the dock.
    """

    progressed = Signal(float)
    began = Signal()
    ended = Signal()
    _told = Signal(object, object, object)

    def __init__(self) -> None:
        super().__init__()
        self._thread: threading.Thread | None = None
        self._cancel = threading.Event()
        self._closed = False
        self._told.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Work is going on."""
        return self._thread is not None

    def start(self, work: Callable[[Tell], Any], done: Callable[[Outcome], None]) -> None:
        """Begin.

        Parameters
        ----------
        work
            Called in a thread with a function to tell progress to, which ends the work when it was cancelled.
        done
            Called with what came of it.

        Raises
        ------
        UserError
            If there is work already.
        """
        if self.busy:
            raise UserError("this is still at work: wait, or press Cancel")
        self._cancel = threading.Event()
        arguments = (work, done, self._cancel)
        self._thread = threading.Thread(target=self._work, args=arguments, name="cells", daemon=True)
        self.began.emit()
        self._thread.start()

    def cancel(self) -> None:
        """End soon; what was done is lost."""
        self._cancel.set()

    def close(self) -> None:
        """End soon, and tell nothing any more."""
        self._closed = True
        self.cancel()

    def _work(self, work: Callable[[Tell], Any], done: Callable[[Outcome], None], cancel: threading.Event) -> None:
        told = 0.0

        def tell(part: float) -> None:
            nonlocal told
            if cancel.is_set():
                raise Cancelled
            if time.monotonic() - told > EVERY:
                told = time.monotonic()
                self._told.emit(None, None, part)

        self._told.emit(done, _attempt(work, tell), 1.0)

    def _deliver(self, done: Callable[[Outcome], None] | None, outcome: Outcome | None, part: float) -> None:
        if done is not None:
            self._thread = None
        if self._closed:
            return
        if done is None or outcome is None:
            self.progressed.emit(part)
            return
        self.ended.emit()
        done(outcome)


def _attempt(work: Callable[[Tell], Any], tell: Tell) -> Outcome:
    try:
        return Outcome(work(tell))
    except Cancelled:
        return Outcome(cancelled=True)
    except UserError as error:
        return Outcome(error=str(error))
    except OSError as error:
        return Outcome(error="the disk is full: make room" if is_full(error) else one_line(error))
    except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the window says it
        return Outcome(error=f"{type(error).__name__}: {one_line(error)}")
