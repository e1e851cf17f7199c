"""The worker's end of the pipes: an inbox filled by a thread, reports, and reads that wait for answers."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from napari_unet.engine.keys import Key
from napari_unet.engine.messages import (
    COMMAND,
    ClearView,
    Command,
    Heartbeat,
    LoadModel,
    PackModel,
    Paint,
    Pause,
    Predict,
    ReadAnswer,
    ReadFailure,
    ReadRequest,
    Report,
    Resume,
    SaveModel,
    SetView,
    Shutdown,
    Stop,
    Suggest,
    Train,
)
from napari_unet.engine.remote import ReadError
from napari_unet.engine.wire import receive_frame, send_frame


@dataclass(frozen=True)
class Strokes:
    """A `Paint` with its values."""

    at: Paint
    values: npt.NDArray[Any]


Order = (
    Train
    | Predict
    | Strokes
    | Suggest
    | SetView
    | ClearView
    | Pause
    | Resume
    | Stop
    | SaveModel
    | LoadModel
    | PackModel
    | Shutdown
)
"""A command that the main thread handles; answers to reads are the others."""

HEARTBEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.2
"""How often a waiting read looks whether the user has given up."""


class StoppedWhileReadingError(Exception):
    """The user stopped the job before or while it read from an image."""


class Inbox:
    """Orders in the sequence of their arrival; may be looked into."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque()
        self._changed = threading.Condition()

    def put(self, order: Order) -> None:
        """Add an order; a new view replaces one that still waits, if it says all that one said."""
        with self._changed:
            if self._orders and _replaces(order, self._orders[-1]):
                self._orders.pop()
            self._orders.append(order)
            self._changed.notify_all()

    def take(self) -> Order:
        """Wait for an order."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._orders))
            return self._orders.popleft()

    def take_if_any(self) -> Order | None:
        """Give the next order, or None at once."""
        with self._changed:
            return self._orders.popleft() if self._orders else None

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._orders

    def told_to_stop(self) -> bool:
        """Whether a `Stop` or `Shutdown` waits."""
        with self._changed:
            return any(isinstance(o, Stop | Shutdown) for o in self._orders)


def _replaces(new: Order, old: Order) -> bool:
    if not (isinstance(new, SetView) and isinstance(old, SetView)):
        return False
    pairs = (new.image, old.image), (new.model, old.model)
    return all(said is not None or before is None for said, before in pairs)


class _Waiting:
    def __init__(self) -> None:
        self.answered = threading.Event()
        self.array: npt.NDArray[Any] | None = None
        self.failure: str | None = None


class Channel:
    """The pipes to the window. When they close, the process ends: without a window it serves nobody.

    Parameters
    ----------
    commands, reports
        Binary streams to read from and write to.
    """

    def __init__(self, commands: BinaryIO, reports: BinaryIO) -> None:
        self._commands, self._reports = commands, reports
        self._sending = threading.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._asked = 0
        self._asking = threading.Lock()
        self.inbox = Inbox()
        self.at_work = False
        """Whether a job is in progress, so that `Shutdown` has to wait for it."""
        self.interruptible = False
        """Whether reads raise `StoppedWhileReadingError` when the user stops the job."""
        self.stopping = False
        """Whether the job at hand has been told to stop, so that reads of its other threads give up, too."""

    def start(self) -> None:
        """Start to listen and to give heartbeats."""
        for job in (self._listen, self._beat):
            threading.Thread(target=job, name=f"engine{job.__name__}", daemon=True).start()

    def send(self, report: Report, array: npt.NDArray[Any] | None = None) -> None:
        """Send a report; safe from any thread."""
        text = report.model_dump_json().encode()
        try:
            with self._sending:
                send_frame(self._reports, text, array)
        except OSError:
            leave()

    def read(self, array: int, key: Key) -> npt.NDArray[Any]:
        """Ask the window for a part of an array and wait.

        Raises
        ------
        ReadError
            If the window could not read it.
        StoppedWhileReadingError
            If the user stops the job meanwhile.
        """
        waiting = _Waiting()
        with self._asking:
            self._asked += 1
            number = self._asked
            self._waiting[number] = waiting
        try:
            self._give_up_if_stopped()
            self.send(ReadRequest(request=number, array=array, key=key))
            while not waiting.answered.wait(_LOOK_SECONDS):
                self._give_up_if_stopped()
        finally:
            del self._waiting[number]
        if waiting.array is None:
            raise ReadError(waiting.failure)
        return waiting.array

    def _give_up_if_stopped(self) -> None:
        if self.interruptible and (self.stopping or self.inbox.told_to_stop()):
            raise StoppedWhileReadingError

    def _listen(self) -> None:
        """Sort what comes in; runs in a thread of its own so that the pipe never fills up."""
        while (frame := receive_frame(self._commands)) is not None:
            command = COMMAND.validate_json(frame[0])
            if isinstance(command, ReadAnswer | ReadFailure):
                self._answer(command, frame[1])
            elif isinstance(command, Paint):
                if frame[1] is not None:
                    self.inbox.put(Strokes(command, frame[1]))
            elif isinstance(command, Shutdown) and not self.at_work and self.inbox.empty:
                break
            else:
                self.inbox.put(command)
        leave()

    def _answer(self, command: Command, array: npt.NDArray[Any] | None) -> None:
        assert isinstance(command, ReadAnswer | ReadFailure)
        waiting = self._waiting.get(command.request)
        if waiting is None:  # its job was stopped meanwhile
            return
        if isinstance(command, ReadFailure):
            waiting.failure = command.message
        else:
            waiting.array = np.empty(0) if array is None else array
        waiting.answered.set()

    def _beat(self) -> None:
        while True:
            self.send(Heartbeat())
            time.sleep(HEARTBEAT_SECONDS)


def leave() -> NoReturn:
    """End the process at once, whatever its other threads do; nothing is left to be tidied up."""
    os._exit(0)
