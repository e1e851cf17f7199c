"""The whole loop in a real napari window: open, paint, train, watch, segment; and when the engine is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import napari
import numpy as np
import pooch
import psutil
import pytest
from pytestqt.qtbot import QtBot
from skimage.segmentation import find_boundaries

import napari_unet as nu
from driving import paint_like_a_person
from napari_unet.arrays.metrics import instance_score
from napari_unet.learn.start import SHIPPED
from napari_unet.plugin.dock import UNetDock

pytestmark = pytest.mark.e2e
MakeViewer = Callable[..., napari.Viewer]
LONG = 240_000
"""Milliseconds; only reached if something hangs."""

STEPS = 30


@pytest.fixture
def viewer(make_napari_viewer: MakeViewer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> napari.Viewer:
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path)
    made = make_napari_viewer(show=True)
    made.window._qt_window.resize(1200, 800)
    return made


def open_dock(viewer: napari.Viewer) -> UNetDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(dock, UNetDock)
    return dock


def steps_done(dock: UNetDock) -> int:
    return int(dock.train.plot._points[-1][0]) if dock.train.plot._points else 0


def workers() -> list[psutil.Process]:
    return [
        p
        for p in psutil.Process().children(recursive=True)
        if "napari_unet.engine.worker" in " ".join(p.cmdline())
    ]


def likeliness(model: Path, image: np.ndarray, strokes: np.ndarray) -> float:
    """How likely a model finds what is painted, on average over the classes."""
    found = nu.load(model).predict(image)
    return float(np.mean([found[v - 1][strokes == v].mean() for v in (1, 2, 3)]))


def test_open_paint_train_segment(viewer: napari.Viewer, qtbot: QtBot) -> None:
    viewer.open_sample("napari-unet-live", "nuclei-5")
    image, truth = viewer.layers["nuclei-5"], viewer.layers["nuclei-5 truth"]
    image.scale = truth.scale = (0.5, 0.5)
    image.units = truth.units = ("um", "um")
    viewer.reset_view()
    dock = open_dock(viewer)
    dock.train.by_itself.setChecked(False)
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    qtbot.wait(300)
    paint_like_a_person(viewer, strokes, truth.data, objects=12)
    painted = {v: int((strokes.data == v).sum()) for v in (1, 2, 3)}
    assert all(n > 50 for n in painted.values()), painted
    assert (strokes.data > 0).mean() < 0.2  # strokes, not everything
    where = strokes.data == 1
    assert (truth.data[where] > 0).mean() > 0.9  # the mouse hit what it aimed at

    dock.advanced.train.setValue(dock.advanced.train.value().model_copy(update={"patch": (96, 96), "batch": 2}))
    dock.train.budget.endless.setChecked(True)
    dock.train.train_button.click()
    qtbot.waitUntil(lambda: "U-Net preview" in viewer.layers, timeout=LONG)
    first = viewer.layers["U-Net preview"].data.copy()
    qtbot.waitUntil(lambda: not np.array_equal(first, viewer.layers["U-Net preview"].data), timeout=LONG)
    # steps, not seconds: how many a second has is up to the machine
    qtbot.waitUntil(lambda: len(dock.train.plot._checks) > 0 and steps_done(dock) >= STEPS, timeout=3 * LONG)
    dock.train.stop_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    assert "Stopped" in dock.status.text.text()
    assert dock.controller.model.file is not None
    learnt, start = (
        likeliness(model, image.data, strokes.data) for model in (dock.controller.model.file, SHIPPED)
    )
    assert learnt > start + 0.05

    dock.segment.segment_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    cells = viewer.layers["cells"]
    for layer in (cells, viewer.layers["boundaries"], viewer.layers["U-Net preview"], strokes):
        np.testing.assert_array_equal(layer.scale, image.scale)
        assert layer.units == image.units
        assert layer.axis_labels == image.axis_labels
    score = instance_score(cells.data, truth.data)
    assert score.ap50 > 0.5, score
    assert viewer.layers["boundaries"].data.any()
    dock.shut_down()
    assert workers() == []


@pytest.fixture
def trained_on_epithelium(viewer: napari.Viewer, qtbot: QtBot) -> Iterator[UNetDock]:
    """A training that goes on until it is stopped, after its first checkpoint."""
    viewer.open_sample("napari-unet-live", "epithelium")
    dock = open_dock(viewer)
    dock.train.by_itself.setChecked(False)
    dock.annotate.new_button.click()
    truth = viewer.layers["epithelium truth"].data
    strokes = viewer.layers["strokes"]
    strokes.data[40:140, 40:140] = np.where(find_boundaries(truth), 2, 1)[40:140, 40:140]
    dock.advanced.train.setValue(dock.advanced.train.value().model_copy(update={"patch": (96, 96), "batch": 2}))
    dock.train.budget.seconds.setValue(20)
    dock.train.train_button.click()
    assert dock.controller.job == "train", dock.status.text.text()
    qtbot.waitUntil(lambda: dock.controller.trainer.checkpoints.can_go_on, timeout=LONG)
    yield dock
    dock.shut_down()


def test_a_killed_engine_takes_nothing_along(
    viewer: napari.Viewer, trained_on_epithelium: UNetDock, qtbot: QtBot
) -> None:
    dock = trained_on_epithelium
    strokes = viewer.layers["strokes"]
    before = strokes.data.copy()
    worker = dock.controller.engine.worker
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    qtbot.waitUntil(lambda: "Go on" in dock.status.text.text(), timeout=LONG)
    assert "painting is untouched" in dock.status.text.text()
    np.testing.assert_array_equal(strokes.data, before)
    strokes.paint((5, 5), 1)  # napari lives
    assert dock.train.go_on_button.isEnabled()

    dock.train.go_on_button.click()
    steps = steps_done(dock)
    qtbot.waitUntil(lambda: steps_done(dock) > steps, timeout=LONG)
    assert dock.controller.engine.worker is not None
    assert dock.controller.engine.worker.pid != worker.pid
    dock.train.stop_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    assert "Stopped" in dock.status.text.text() or "Trained" in dock.status.text.text()


def test_closing_the_window_leaves_no_process(
    viewer: napari.Viewer, trained_on_epithelium: UNetDock, qtbot: QtBot
) -> None:
    assert workers()
    viewer.close()
    qtbot.waitUntil(lambda: not workers(), timeout=LONG)
