"""An engine without a process, for tests of the window's logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from napari_unet.engine.client import Block, JobResult, ModelInfo, OutputInfo, Preview
from napari_unet.spec import BOUNDARY, CELL, UNetSpec


class FakeEngine:
    """Writes down what it is told; tests let it report."""

    event = Signal(object)
    preview = Signal(object)
    outputs = Signal(object)
    block = Signal(object)
    state_changed = Signal(str)
    died = Signal(str)
    job_finished = Signal(object)

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.state = "off"
        self.model: ModelInfo | None = None
        self.seconds_silent = 0.0
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        if name not in {
            "start",
            "train",
            "predict",
            "set_view",
            "clear_view",
            "pause",
            "resume",
            "stop",
            "save_model",
            "load_model",
        }:
            raise AttributeError(name)

        def called(*args: Any, **kwargs: Any) -> None:
            self.calls.append((name, {"args": args, **kwargs}))

        return called

    def close(self) -> None:
        self.closed += 1

    def last(self, name: str) -> dict[str, Any]:
        """Arguments of the last call of a method."""
        return next(given for called, given in reversed(self.calls) if called == name)

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)


CLASSES = (CELL, BOUNDARY)
MODEL = ModelInfo(classes=CLASSES, net=UNetSpec())


def result(job: Any, outcome: Any = "finished", message: str = "", path: Path | None = None) -> JobResult:
    return JobResult(job=job, outcome=outcome, message=message, path=path)


def a_preview(shape: tuple[int, int], t: int = 0, z: int = 0, boundary: int = 0) -> Preview:
    """A plane that is all cell, or as much boundary as told (0 to 255)."""
    plane = np.stack([np.full(shape, 255 - boundary, np.uint8), np.full(shape, boundary, np.uint8)])
    return Preview(t=t, z=z, probabilities=plane, classes=CLASSES, step=1)


def an_output(name: Any, shape: tuple[int, ...], dtype: str = "uint8") -> OutputInfo:
    return OutputInfo(output=name, shape=shape, dtype=dtype)


def a_block(name: Any, index: tuple[Any, ...], array: np.ndarray) -> Block:
    return Block(output=name, index=index, array=array)
