"""The worker as the window knows it: started when it is needed, its state, the job that it was given last."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.engine import messages as m
from napari_unet.engine.loans import Loans
from napari_unet.engine.process import COMMAND_LINE, WorkerProcess, obituary
from napari_unet.engine.serving import check_image
from napari_unet.engine.signals import EngineSignals, EngineState
from napari_unet.errors import UserError
from napari_unet.spec import Record

_STATES: dict[m.Job, EngineState] = {
    "train": "training",
    "predict": "predicting",
    "suggest": "working",
    "save": "working",
    "load": "working",
    "pack": "working",
}
_WORDS: dict[m.Job, str] = {
    "train": "a training",
    "predict": "a prediction",
    "suggest": "looking for where to annotate next",
    "save": "saving the model",
    "load": "loading a model",
    "pack": "writing a package",
}


class Connection(EngineSignals):
    """Starts and ends the worker, hands orders to it, and tells what it reports.

    Signals are emitted in the engine's reader thread (``state_changed`` also in the caller's): a window has to
    bring them to its own thread. Every job that was accepted ends with exactly one ``job_finished``, unless the
    engine is closed meanwhile, after which nothing is emitted.

    Parameters
    ----------
    command
        The worker program, for tests.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = tuple(command or COMMAND_LINE)
        self._lock = threading.RLock()
        self._process: WorkerProcess | None = None
        self._loans = Loans()
        self._state: EngineState = "off"
        self._job: m.Job | None = None
        self._heard = self._progressed = time.monotonic()
        self.worker: m.Ready | None = None
        """What the worker found, once it is ready."""
        self.model: m.ModelInfo | None = None
        self.record: Record | None = None
        """How the results of the last prediction are made."""
        """The worker's current model: the last one trained or loaded."""
        self.autosave: Path | None = None
        """Where the last training was told to save; outlives the worker."""

    @property
    def state(self) -> EngineState:
        """What the engine does."""
        return self._state

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits for the worker to be ready."""
        return self._job is not None

    @property
    def seconds_silent(self) -> float:
        """Time since the worker gave a sign of life, at least every second if all is well; 0 without a worker."""
        return time.monotonic() - self._heard if self._process is not None else 0.0

    @property
    def seconds_without_progress(self) -> float:
        """Time since the job said anything; 0 without a job or while it is paused."""
        idle = self._job is None or self._state == "paused"
        return 0.0 if idle else time.monotonic() - self._progressed

    def start(self) -> None:
        """Start the worker, if it does not run; it is ready some seconds later."""
        with self._lock:
            if self._process is not None:
                return
            self.worker = self.model = None
            self._heard = time.monotonic()
            self._set_state("starting")
            atexit.register(self.close)
            process = self._process = WorkerProcess(self._command, self._loans.server, self._receive, self._exited)
            process.start()

    def close(self, timeout: float = 2.5) -> None:
        """End the worker; a training is stopped and saved if that takes no longer than ``timeout`` seconds."""
        with self._lock:
            process, self._process = self._process, None
            self._state = "off"
        atexit.unregister(self.close)
        if process is not None:
            process.close(timeout)
        with self._lock:
            self._end_job()
            self._loans.end_view()

    # Orders

    def _accept(self, job: m.Job, *images: Image) -> tuple[m.ImageRef, ...]:
        """Take a job on and lend its images, or raise `UserError`."""
        if self._job is not None:
            raise UserError(f"{_WORDS[self._job]} is still in progress: wait for it or stop it first")
        for image in images:
            check_image(image)
        self.start()
        self._job, self._progressed = job, time.monotonic()
        return self._loans.for_job(images)

    def _set_state_of_job(self) -> None:
        if self._job is not None and self._state != "starting":
            self._set_state(_STATES[self._job])

    def _send(self, command: m.Command, array: npt.NDArray[Any] | None = None) -> None:
        if self._process is not None:
            self._process.send(command, array)

    def _send_to_job(self, command: m.Command) -> None:
        with self._lock:
            if self._job is not None:
                self._send(command)

    # Reports

    def _receive(self, process: WorkerProcess, report: m.Report, array: npt.NDArray[Any] | None) -> None:
        """Handle a report, in the reader thread."""
        if process is not self._process:
            return
        self._heard = time.monotonic()
        if isinstance(report, m.Heartbeat):
            return
        self._progressed = self._heard
        match report:
            case m.Ready():
                self.worker = report
            case m.StateReport():
                self._worker_state(report.state)
            case m.JobReport():
                self._finish(report)
            case m.OutputsReport():
                self.model = report.model or self.model  # listeners look at it
                self.record = report.record
                self.pass_on(report, array)
            case _:
                self.pass_on(report, array)

    def _worker_state(self, state: m.WorkerState) -> None:
        """Take over the worker's state; it is ready for the window only after the job's result."""
        if state == "ready" and self._job is not None:
            self._set_state_of_job()
        else:
            self._set_state(state)

    def _finish(self, result: m.JobReport) -> None:
        with self._lock:
            self._end_job()
            self.model = result.model
        self._set_state("ready")
        self.emit(self.job_finished, result)

    def _end_job(self) -> None:
        self._job = None
        self._loans.end_job()

    def _exited(self, process: WorkerProcess, reason: str) -> None:
        """Handle the end of a process that was not asked to end, in its reader thread."""
        with self._lock:
            if process is not self._process:
                return
            self._process = None
            job = self._job
            self._end_job()
            self._loans.end_view()
            self.worker = self.model = None
        message = obituary(reason, self.autosave, process.last_words())
        self._set_state("dead")
        if job is not None:
            self.emit(self.job_finished, m.JobReport(job=job, outcome="died", message=message, path=self.autosave))
        self.emit(self.died, message)

    def _set_state(self, state: EngineState) -> None:
        if state != self._state:
            self._state = state
            self.emit(self.state_changed, state)
