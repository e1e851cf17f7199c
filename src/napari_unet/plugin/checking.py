"""The check of this machine, run by the command line in a process of its own: torch stays out of napari's."""

from __future__ import annotations

import json
import sys

from qtpy.QtCore import QObject, QProcess, Signal

from napari_unet.events import Finding

COMMAND_LINE = (sys.executable, "-P", "-X", "utf8", "-m", "napari_unet", "doctor", "--json")
_GRACE = 2000
"""Milliseconds that a process which is told to end is waited for."""


class Checking(QObject):
    """Runs the check, and tells each finding as it is made.

    Parameters
    ----------
    command
        Prints a finding a line, as JSON.
    """

    found = Signal(object)
    """A `Finding`."""
    ended = Signal(str)
    """It is over; why it broke off, if it did."""

    def __init__(self, command: tuple[str, ...] = COMMAND_LINE) -> None:
        super().__init__()
        self._command = command
        self._process = QProcess(self)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._finish)
        self._process.errorOccurred.connect(self._fail)

    def start(self) -> None:
        """Begin; nothing happens if it runs already."""
        if self._process.state() == QProcess.ProcessState.NotRunning:
            self._process.start(self._command[0], list(self._command[1:]))

    def close(self) -> None:
        """End it, and tell nothing any more."""
        self.blockSignals(True)
        self._process.kill()
        self._process.waitForFinished(_GRACE)

    def _read(self) -> None:
        while self._process.canReadLine():
            line = bytes(self._process.readLine().data()).decode()
            self.found.emit(Finding(**json.loads(line)))

    def _finish(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()
        words = bytes(self._process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
        well = status == QProcess.ExitStatus.NormalExit and code in (0, 1) and not (code == 1 and words)
        why = words[-1] if words else f"it ended with {code}"
        self.ended.emit("" if well else f"The check broke off: {why}.")

    def _fail(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.ended.emit(f"The check cannot be started: {self._process.errorString()}.")
