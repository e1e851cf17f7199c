"""The window's side of the engine. Needs no torch; no call waits for the worker, but `Engine.close`.

Examples
--------
>>> engine = Engine()
>>> engine.state, engine.busy
('off', False)
"""

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
from napari_unet.engine.keys import decode_key
from napari_unet.engine.messages import ImageRef, ModelInfo, OutputInfo
from napari_unet.engine.process import COMMAND_LINE, WorkerProcess
from napari_unet.engine.serving import ArrayServer, check_image
from napari_unet.engine.signals import Block, EngineSignals, EngineState, Preview
from napari_unet.errors import UserError
from napari_unet.spec import CellSpec, Output, TilingSpec, TrainingSpec

__all__ = ["Block", "Engine", "EngineState", "JobResult", "ModelInfo", "OutputInfo", "Preview", "WorkerInfo"]

WorkerInfo = m.Ready
JobResult = m.JobReport
_STATES: dict[m.Job, EngineState] = {
    "train": "training",
    "predict": "predicting",
    "save": "working",
    "load": "working",
}
_WORDS: dict[m.Job, str] = {
    "train": "a training",
    "predict": "a prediction",
    "save": "saving the model",
    "load": "loading a model",
}


class Engine(EngineSignals):
    """Runs jobs in a process of its own.

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
        self._server = ArrayServer()
        self._state: EngineState = "off"
        self._job: m.Job | None = None
        self._lent: tuple[ImageRef, ...] = ()
        self._view: ImageRef | None = None
        self._viewed: Image | None = None
        self._heard = self._progressed = time.monotonic()
        self.worker: WorkerInfo | None = None
        """What the worker found, once it is ready."""
        self.model: ModelInfo | None = None
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

    # Orders

    def start(self) -> None:
        """Start the worker, if it does not run; it is ready some seconds later."""
        with self._lock:
            if self._process is not None:
                return
            self.worker = self.model = None
            self._heard = time.monotonic()
            self._set_state("starting")
            atexit.register(self.close)
            process = self._process = WorkerProcess(self._command, self._server, self._receive, self._exited)
            process.start()

    def train(
        self,
        image: Image,
        labels: Image,
        spec: TrainingSpec,
        autosave: Path,
        *,
        view: tuple[int, int] = (0, 0),
        resume: bool = False,
    ) -> None:
        """Train on an image and its labels.

        Parameters
        ----------
        image, labels
            Same T, Z, Y, X. Read from while the training is set up, previews read later too.
        spec
            What to do.
        autosave
            Model file to keep up to date.
        view
            The plane (t, z) of ``image`` that the user looks at.
        resume
            Go on from the state beside ``autosave``.

        Raises
        ------
        UserError
            If another job runs, or an array holds no numbers. Other mistakes come with ``job_finished``.
        """
        with self._lock:
            self._accept("train", (image, labels))
            self.autosave = Path(autosave).absolute()
            of_image, of_labels = self._lent
            self._send(m.Train(image=of_image, labels=of_labels, spec=spec, autosave=self.autosave, resume=resume))
            self.set_view(*view, image=image)
        self._set_state_of_job()

    def predict(
        self,
        image: Image,
        outputs: Sequence[Output],
        *,
        model: Path | None = None,
        tiling: TilingSpec | None = None,
        cells: CellSpec | None = None,
        planes: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        """Predict an image: ``outputs`` is emitted, then blocks.

        Parameters
        ----------
        image
            Of any size; read tile by tile.
        outputs
            What to fill.
        model
            Model file to load first; None: the current model.
        tiling, cells
            How to cut the image, how to make cells.
        planes
            Only these (t, z).

        Raises
        ------
        UserError
            As `train`.
        """
        with self._lock:
            self._accept("predict", (image,))
            self._send(
                m.Predict(
                    image=self._lent[0],
                    outputs=tuple(outputs),
                    model=None if model is None else Path(model).absolute(),
                    tiling=tiling or TilingSpec(),
                    cells=cells or CellSpec(),
                    planes=None if planes is None else tuple(planes),
                )
            )
        self._set_state_of_job()

    def save_model(self, path: Path) -> None:
        """Save the current model."""
        with self._lock:
            self._accept("save")
            self._send(m.SaveModel(path=Path(path).absolute()))
        self._set_state_of_job()

    def load_model(self, path: Path) -> None:
        """Make the model at ``path`` the current one."""
        with self._lock:
            self._accept("load")
            self._send(m.LoadModel(path=Path(path).absolute()))
        self._set_state_of_job()

    def set_view(self, t: int, z: int, image: Image | None = None) -> None:
        """Say which plane the user looks at; a preview of it follows as soon as there is something to show.

        Cheap: of many calls in a row only the last counts. ``image`` is looked at from now on; it is kept until
        it is replaced, or `clear_view`.
        """
        with self._lock:
            if self._process is None:
                return
            ref = None
            if image is not None and not _same(image, self._viewed):
                ref = self._server.lend(image)
                self._forget_view()
                self._view, self._viewed = ref, image
            self._send(m.SetView(t=t, z=z, image=ref))

    def clear_view(self) -> None:
        """Forget the image that was looked at; no more previews."""
        with self._lock:
            self._forget_view()
            self._send(m.ClearView())

    def pause(self) -> None:
        """Pause the job after its step or tile."""
        self._send_to_job(m.Pause())

    def resume(self) -> None:
        """Go on after `pause`."""
        self._send_to_job(m.Resume())

    def stop(self) -> None:
        """End the job after its step or tile. A stopped training is saved and becomes the current model."""
        self._send_to_job(m.Stop())

    def close(self, timeout: float = 2.5) -> None:
        """End the worker; a training is stopped and saved if that takes no longer than ``timeout`` seconds."""
        with self._lock:
            process, self._process = self._process, None
            self._state = "off"
        atexit.unregister(self.close)
        if process is not None:
            process.close(timeout)
        with self._lock:
            self._forget_job()
            self._forget_view()

    # Inside

    def _accept(self, job: m.Job, images: tuple[Image, ...] = ()) -> None:
        """Take a job on, or raise `UserError`."""
        if self._job is not None:
            raise UserError(f"{_WORDS[self._job]} is still in progress: wait for it or stop it first")
        for image in images:
            check_image(image)
        self.start()
        self._job, self._lent = job, tuple(self._server.lend(i) for i in images)
        self._progressed = time.monotonic()

    def _set_state_of_job(self) -> None:
        if self._job is not None and self._state != "starting":
            self._set_state(_STATES[self._job])

    def _send(self, command: m.Command) -> None:
        if self._process is not None:
            self._process.send(command)

    def _send_to_job(self, command: m.Command) -> None:
        with self._lock:
            if self._job is not None:
                self._send(command)

    def _receive(self, process: WorkerProcess, report: m.Report, array: npt.NDArray[Any] | None) -> None:
        """Handle a report, in the reader thread."""
        if process is not self._process:
            return
        self._heard = time.monotonic()
        if isinstance(report, m.Heartbeat):
            return
        self._progressed = self._heard
        match report:
            case m.EventReport():
                self.emit(self.event, m.decode_event(report))
            case m.PreviewReport():
                assert array is not None
                self.emit(self.preview, Preview(report.t, report.z, array, report.classes, report.step))
            case m.OutputsReport():
                self.emit(self.outputs, report.outputs)
            case m.BlockReport():
                assert array is not None
                self.emit(self.block, Block(report.output, decode_key(report.key), array))
            case m.Ready():
                self.worker = report
            case m.StateReport():
                self._worker_state(report.state)
            case m.JobReport():
                self._finish(report)

    def _worker_state(self, state: m.WorkerState) -> None:
        """Take over the worker's state; it is ready for the window only after the job's result."""
        if state == "ready" and self._job is not None:
            self._set_state_of_job()
        else:
            self._set_state(state)

    def _finish(self, result: JobResult) -> None:
        with self._lock:
            self._forget_job()
            self.model = result.model
        self._set_state("ready")
        self.emit(self.job_finished, result)

    def _forget_view(self) -> None:
        if self._view is not None:
            self._server.take_back(self._view)
        self._view = self._viewed = None

    def _forget_job(self) -> None:
        self._server.take_back(*self._lent)
        self._job, self._lent = None, ()

    def _exited(self, process: WorkerProcess, reason: str) -> None:
        """Handle the end of a process that was not asked to end, in its reader thread."""
        with self._lock:
            if process is not self._process:
                return
            self._process = None
            job = self._job
            self._forget_job()
            self._forget_view()
            self.worker = self.model = None
        message = _obituary(reason, self.autosave, process.last_words())
        self._set_state("dead")
        if job is not None:
            self.emit(self.job_finished, JobResult(job=job, outcome="died", message=message, path=self.autosave))
        self.emit(self.died, message)

    def _set_state(self, state: EngineState) -> None:
        if state != self._state:
            self._state = state
            self.emit(self.state_changed, state)


def _same(image: Image, other: Image | None) -> bool:
    return other is not None and image.data is other.data and image.axes == other.axes


def _obituary(reason: str, autosave: Path | None, last_words: str) -> str:
    """Say how the worker ended and what remains."""
    parts = [f"The computing process ended by itself ({reason})."]
    if "SIGKILL" in reason:
        parts.append("Often the computer ran out of memory.")
    if autosave is not None and autosave.is_file():
        parts.append(f"The last saved model is {autosave}.")
    if last_words:
        parts.append(f"Its last words:\n{last_words}")
    return " ".join(parts)
