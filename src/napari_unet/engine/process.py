"""The window's handle on the worker process: starts it, pumps its pipes with threads, ends it."""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy.typing as npt
from pydantic import ValidationError

from napari_unet.engine.messages import REPORT, Command, ReadRequest, Report, Shutdown
from napari_unet.engine.serving import ArrayServer, ServingThread
from napari_unet.engine.wire import WireError, receive_frame, send_frame

logger = logging.getLogger(__name__)

COMMAND_LINE = (sys.executable, "-P", "-X", "utf8", "-X", "faulthandler", "-m", "napari_unet.engine.worker")
"""``-P``: a ``torch.py`` in the folder where napari was started is not ours to run."""
STDERR_LINES = 30
_LINE_BYTES = 2000


class WorkerProcess:
    """One worker process.

    Parameters
    ----------
    command
        Program and arguments.
    server
        What the worker may read; served until the process has ended, for a training that waits for a read could
        not save itself.
    on_report
        Called with this object and every report and its array, in a thread of its own.
    on_exit
        Called once, in that thread, when the process has ended, with this object and the reason in words.
    """

    def __init__(
        self,
        command: Sequence[str],
        server: ArrayServer,
        on_report: Callable[[WorkerProcess, Report, npt.NDArray[Any] | None], None],
        on_exit: Callable[[WorkerProcess, str], None],
    ) -> None:
        self._on_report, self._on_exit = on_report, on_exit
        self._out: queue.SimpleQueue[tuple[Command, npt.NDArray[Any] | None] | None] = queue.SimpleQueue()
        self._last_words: deque[str] = deque(maxlen=STDERR_LINES)
        self._fault = ""
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=_creation_flags(),
        )
        self._stderr_thread = self._thread(self._drain, "stderr")
        self._thread(self._write, "writer")
        self._serving = ServingThread(server, self.send)

    def start(self) -> None:
        """Begin to report."""
        self._thread(self._read, "reader")

    def _thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"engine-{name}", daemon=True)
        thread.start()
        return thread

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def send(self, command: Command, array: npt.NDArray[Any] | None = None) -> None:
        """Queue a command; never waits for the worker."""
        self._out.put((command, array))

    def close(self, timeout: float) -> None:
        """Ask the process to end, then make it; takes at most ``timeout`` seconds, and half a second to kill."""
        self.send(Shutdown())
        for wait, force in ((0.8 * timeout, self._process.terminate), (0.2 * timeout, self._process.kill)):
            try:
                self._process.wait(wait)
                break
            except subprocess.TimeoutExpired:
                force()
        self._out.put(None)
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:  # stuck in the kernel, such as in a dead network drive: it ends later
            logger.warning("the computing process %d does not end", self.pid)

    def last_words(self) -> str:
        """Give the end of what the process wrote to stderr."""
        return "\n".join(self._last_words)

    def _write(self) -> None:
        stdin = self._stream(self._process.stdin)
        try:
            while (item := self._out.get()) is not None:
                command, array = item
                send_frame(stdin, command.model_dump_json().encode(), array)
        except OSError:  # the process has ended; the reader tells
            pass
        finally:
            _close(stdin)

    def _read(self) -> None:
        stdout = self._stream(self._process.stdout)
        try:
            while (frame := receive_frame(stdout)) is not None:
                report = REPORT.validate_json(frame[0])
                if isinstance(report, ReadRequest):
                    self._serving.ask(report)
                self._on_report(self, report, frame[1])
        except (WireError, ValidationError, OSError) as error:
            self._fault = f"{type(error).__name__}: {error}"
        self._end(stdout)

    def _end(self, stdout: BinaryIO) -> None:
        """Wind up after the last report."""
        try:
            code = self._process.wait(1.0 if not self._fault else 0.1)
        except subprocess.TimeoutExpired:  # it talks nonsense, or not at all: of no use any more
            self._process.kill()
            code = self._process.wait()
        self._stderr_thread.join(0.3)
        self._out.put(None)
        self._serving.end()
        _close(stdout)
        self._on_exit(self, self._fault or describe_exit(code))

    def _drain(self) -> None:
        """Keep the last lines of stderr, so that the pipe never fills up."""
        stderr = self._stream(self._process.stderr)
        while line := stderr.readline(_LINE_BYTES):
            text = line.decode("utf-8", "replace").rstrip()
            self._last_words.append(text)
            logger.debug("worker: %s", text)
        _close(stderr)

    @staticmethod
    def _stream(pipe: Any) -> BinaryIO:
        assert pipe is not None
        stream: BinaryIO = pipe
        return stream


def describe_exit(code: int) -> str:
    """Say how a process ended.

    Examples
    --------
    >>> describe_exit(3)
    'exit code 3'
    >>> describe_exit(-9) if sys.platform != "win32" else "killed by SIGKILL"
    'killed by SIGKILL'
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def obituary(reason: str, autosave: Path | None, last_words: str) -> str:
    """Say how the worker ended and what remains."""
    parts = [f"The computing process ended by itself ({reason})."]
    if "SIGKILL" in reason:
        parts.append("Often the computer ran out of memory.")
    if autosave is not None and autosave.is_file():
        parts.append(f"The last saved model is {autosave}.")
    if last_words:
        parts.append(f"Its last words:\n{last_words}")
    return " ".join(parts)


def _close(stream: BinaryIO) -> None:
    """Close a pipe whose other end may be gone."""
    with contextlib.suppress(OSError):
        stream.close()


def _creation_flags() -> int:
    """No console window on Windows, and the window goes first where both want the processor."""
    if sys.platform == "win32":
        return subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return 0
