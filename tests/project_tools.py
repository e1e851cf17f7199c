"""A viewer whose project is kept, without a window, and projects made with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from napari.components import ViewerModel

from napari_unet.events import StepDone
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.project import AFTER
from napari_unet.plugin.results import Store
from napari_unet.spec import TrainingSpec
from napari_unet.storage.keep import STATE
from napari_unet.storage.samples import load_sample
from plugin_tools import MODEL, FakeEngine, result


class Window:
    """A viewer with all of the dock but Qt; its clock is moved by hand."""

    def __init__(self, cache: Path) -> None:
        self.viewer, self.engine, self.time = ViewerModel(), FakeEngine(), 100.0
        self.controller = Controller(self.viewer, self.engine, Checkpoints(cache / "trainings"), Store())  # type: ignore[arg-type]
        self.keeper = self.controller.keeper
        self.keeper._clock = lambda: self.time
        self.pending: list[Any] = []
        self.controller.later = self.pending.append
        self.said: list[str] = []
        self.controller.work.said.connect(lambda m: self.said.append(m.text))
        self.opened: list[Any] = []
        self.keeper.opened.connect(self.opened.append)

    def open(self, path: Path, **more: Any) -> None:
        self.viewer.open(str(path), plugin="napari", **more)

    def paint(self, *places: tuple[int, ...], value: int = 1) -> npt.NDArray[Any]:
        if self.controller.selection.labels_layer is None:
            self.controller.painter.new_layer()
        layer = self.controller.selection.labels_layer
        assert layer is not None
        for place in places:
            layer.data_setitem(tuple(np.array([i]) for i in place), value)
        return layer.data

    def wait(self, seconds: float = AFTER + 1) -> None:
        """Let time pass."""
        self.time += seconds
        self.keeper.tick()
        self.keeper._wait()

    def bring(self, folder: Path) -> None:
        self.viewer.open(str(folder), plugin="napari-unet-live")
        for action in self.pending:
            action()
        self.pending.clear()


def window_on(image: Path, cache: Path) -> Window:
    """Return a window that has opened an image, placed and shown in a way of its own."""
    window = Window(cache)
    window.open(image, scale=(2, 0.5, 0.5), translate=(4, 1, 0), colormap="magma", axis_labels=("z", "y", "x"))
    window.viewer.layers[0].units = ("um", "um", "um")
    window.viewer.layers[0].contrast_limits = (3, 99)
    return window


def made(image: Path, tmp_path: Path) -> Path:
    """Make a project of an image and one stroke, beside the image."""
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.keeper.keep_in(image.parent / "a")
    window.controller.close()
    return image.parent / "a.unet"


def trained(window: Window) -> Path:
    """Train as the engine does; returns the model."""
    window.paint((1, 1, 1), value=1)
    window.paint((1, 1, 5), value=2)
    window.controller.trainer.train(TrainingSpec())
    path: Path = window.engine.last("train")["args"][3]
    for file in (path, path.with_suffix(STATE)):
        file.write_bytes(b"weights of " + path.name.encode())
    window.controller.on_event(StepDone(1, 1.0, 0.1, 1.0, 9.0))
    window.engine.model = MODEL
    window.controller.on_job_finished(result("train", path=path))
    return path


def another(tmp_path: Path, *, training: bool) -> Path:
    """Make a project of another image."""
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, load_sample("nuclei-3d").image[:, :40])
    window = window_on(other, tmp_path / "elsewhere")
    if training:
        trained(window)
    window.paint((1, 2, 2))
    window.keeper.keep_in(tmp_path / "b")
    window.controller.close()
    return tmp_path / "b.unet"


def paint_lazily(layer: Any) -> None:
    """As newer versions of napari do; older ones cannot paint on dask."""
    layer.data[2, 1, 1] = 9
    layer._append_to_undo_history([])
