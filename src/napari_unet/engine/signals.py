"""What the engine tells the window."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from psygnal import EmitLoopError, Signal, SignalInstance

from napari_unet.engine import messages as m
from napari_unet.engine.keys import decode_key
from napari_unet.spec import ClassSpec, Output

EngineState = Literal["off", "starting", "ready", "training", "paused", "predicting", "working", "dead"]


@dataclass(frozen=True)
class Preview:
    """One predicted plane; ``probabilities`` uint8 (K, Y, X), 255 is certain."""

    t: int
    z: int
    probabilities: npt.NDArray[np.uint8]
    classes: tuple[ClassSpec, ...]
    step: int
    before: bool = False
    """By the network as it was when the last training began."""
    model: Path | None = None
    """The model file that was read for it; None: the engine had the model."""


@dataclass(frozen=True)
class Block:
    """A part of an output: ``result[block.index] = block.array``."""

    output: Output
    index: tuple[int | slice, ...]
    array: npt.NDArray[Any]


class EngineSignals:
    """The signals of an engine. Listeners must not wait for the thread that gives it orders."""

    event: ClassVar = Signal(object)
    """An `Event` of the job."""
    preview: ClassVar = Signal(object)
    """A `Preview`."""
    suggestion: ClassVar = Signal(object)
    """A `Suggestion` of where to annotate next."""
    outputs: ClassVar = Signal(object)
    """A tuple of `OutputInfo`: what the prediction that begins now will fill."""
    block: ClassVar = Signal(object)
    """A `Block`."""
    state_changed: ClassVar = Signal(str)
    """The `EngineState`."""
    died: ClassVar = Signal(str)
    """The worker has ended by itself; the sentence says how, and what remains."""
    job_finished: ClassVar = Signal(object)
    """A `JobResult`."""

    def pass_on(self, report: m.Report, array: npt.NDArray[Any] | None) -> None:
        """Emit what a report carries, if it is for the window as it is."""
        match report:
            case m.EventReport():
                self.emit(self.event, m.decode_event(report))
            case m.OutputsReport():
                self.emit(self.outputs, report.outputs)
            case m.PreviewReport() if array is not None:
                told = report.classes, report.step, report.before, report.model
                self.emit(self.preview, Preview(report.t, report.z, array, *told))
            case m.SuggestionReport():
                self.emit(self.suggestion, report.suggestion)
            case m.BlockReport() if array is not None:
                self.emit(self.block, Block(report.output, decode_key(report.key), array))

    def emit(self, signal: SignalInstance, value: object) -> None:
        """Emit; an error of a listener is shown like any error of a thread, and the engine goes on."""
        try:
            signal.emit(value)
        except EmitLoopError as error:
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )
