"""Runs ``napari-unet batch`` in a process of its own: what the window does is what the command line does."""

from __future__ import annotations

import json
import sys
from collections import deque

from qtpy.QtCore import QObject, QProcess, Signal

from napari_unet.engine.messages import EventReport, decode_event
from napari_unet.events import Finished
from napari_unet.spec import BatchSpec, batch_arguments

LAST_WORDS = 12
"""Lines of what the process says on stderr that are kept."""
PATIENCE = 1500
"""Milliseconds that a process gets to end by itself when the dock closes; it can be killed at any moment."""


class Running(QObject):
    """A batch in a process.

    It ends when this object closes its pipe, or is gone, however napari ends.
    """

    happened = Signal(object)
    """An event of the batch."""
    ended = Signal(str)
    """Why it ended before its time, in words; empty if it came to its end, or was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self._process: QProcess | None = None
        self._finished = self._stopping = False
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)

    @property
    def busy(self) -> bool:
        """A batch is at work."""
        return self._process is not None

    @property
    def stopping(self) -> bool:
        """It was asked to stop, and has not yet."""
        return self.busy and self._stopping

    @property
    def stopped(self) -> bool:
        """The last one was asked to stop, and has before its end."""
        return not self.busy and self._stopping and not self._finished

    def start(self, spec: BatchSpec) -> None:
        """Begin."""
        process = self._process = QProcess(self)
        self._finished = self._stopping = False
        self._last_words.clear()
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._listen)
        process.finished.connect(self._end)
        process.errorOccurred.connect(self._fail)
        command, *rest = batch_arguments(spec)
        python = [
            "-P",
            "-X",
            "utf8",
            "-m",
            "napari_unet",
        ]  # -P: a torch.py in the current folder is not ours to run
        process.start(sys.executable, [*python, command, "--events", *rest])

    def stop(self) -> None:
        """End after the tile at hand; what is finished is kept."""
        if self._process is not None:
            self._stopping = True
            self._process.closeWriteChannel()

    def kill(self) -> None:
        """End a batch at once that does not stop; the tile at hand is lost."""
        if self._process is not None:
            self._stopping = True
            self._process.kill()

    def close(self) -> None:
        """End now, and tell nothing any more."""
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.closeWriteChannel()
            if not process.waitForFinished(PATIENCE):
                process.kill()
                process.waitForFinished(PATIENCE)

    def _read(self) -> None:
        while self._process is not None and self._process.canReadLine():
            fields = json.loads(bytes(self._process.readLine().data()))
            event = decode_event(EventReport(name=fields.pop("event"), fields=fields))
            self._finished |= isinstance(event, Finished)
            self.happened.emit(event)

    def _listen(self) -> None:
        if self._process is not None:
            text = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
            self._last_words.extend(line for line in text.splitlines() if line.strip())

    def _fail(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._process = None
            self.ended.emit(f"Python could not be started: {sys.executable}")

    def _end(self, *_: object) -> None:
        self._read()
        self._listen()
        process, self._process = self._process, None
        if process is None:
            return
        process.deleteLater()
        well = self._finished or self._stopping
        self.ended.emit("" if well else self._reason(process.exitCode()))

    def _reason(self, code: int) -> str:
        if not self._last_words:
            return f"The computing process ended by itself (exit code {code})"
        return self._last_words[-1].removeprefix("napari-unet: ")
