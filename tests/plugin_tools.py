"""An engine without a process, for tests of the window's logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from psygnal import Signal

from napari_unet.engine.client import Block, JobResult, ModelInfo, OutputInfo, Preview
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.decide import Message, Shown
from napari_unet.plugin.results import Store
from napari_unet.spec import BOUNDARY, CELL, RECIPES, Record, UNetSpec


class FakeEngine:
    """Writes down what it is told; tests let it report."""

    event = Signal(object)
    preview = Signal(object)
    suggestion = Signal(object)
    outputs = Signal(object)
    block = Signal(object)
    state_changed = Signal(str)
    died = Signal(str)
    job_finished = Signal(object)

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.state = "off"
        self.model: ModelInfo | None = None
        self.record: Record | None = None
        self.seconds_silent = 0.0
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        if name not in {
            "start",
            "train",
            "paint",
            "predict",
            "suggest",
            "set_view",
            "clear_view",
            "pause",
            "resume",
            "stop",
            "save_model",
            "load_model",
            "pack_model",
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
VGG = RECIPES["vgg16-frozen"].spec
"""Settings of a training that needs weights which may have to be downloaded."""


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


class Desk:
    """A controller at work on a small stack, with what it said."""

    def __init__(self, folder: Path, shape: tuple[int, ...] = (4, 40, 50), **properties: object) -> None:
        self.viewer = ViewerModel()
        self.engine = FakeEngine()
        data = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
        self.image = self.viewer.add_image(data, name="stack", **properties)
        self.controller = Controller(self.viewer, self.engine, Checkpoints(folder), Store())  # type: ignore[arg-type]
        self.messages: list[Message] = []
        self.states: list[Shown] = []
        self.controller.work.said.connect(self.messages.append)
        self.controller.shown.connect(self.states.append)

    def paint(self) -> None:
        layer = self.controller.painter.new_layer()
        assert layer is not None
        layer.data[..., 1, :10] = 1
        layer.data[..., 3, :10] = 2

    def save_checkpoint(self) -> Path:
        """What the engine does at the first check of a training."""
        path: Path = self.engine.last("train")["args"][3]
        path.with_suffix(".resume.safetensors").touch()
        return path

    def finish_training(self) -> Path:
        path = self.save_checkpoint()
        self.engine.model = MODEL
        self.controller.on_job_finished(result("train"))
        return path

    @property
    def said(self) -> str:
        return self.messages[-1].text
