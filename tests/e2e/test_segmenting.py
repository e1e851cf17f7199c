"""Segmenting in the real window: cancel by mouse and go on, a rectangle drawn by mouse, results as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import numpy.typing as npt
import pooch
import pytest
from napari.layers import Shapes
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog, QWidget

import napari_unet as nu
from driving import rest, stroke
from napari_unet.arrays.region import Region
from napari_unet.jobs import prediction
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.results import Store
from napari_unet.spec import CellSpec, TilingSpec
from napari_unet.storage.read import open_image
from napari_unet.storage.samples import load_sample

pytestmark = pytest.mark.e2e
MakeViewer = Callable[..., napari.Viewer]
LONG = 240_000
"""Milliseconds; only reached if something hangs."""


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has seen the sample."""
    sample = load_sample("nuclei-3d")
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    model = nu.train(
        sample.image[10:20], sample.labels[10:20], style="cells", dense=True, steps=30, base=8, patch=(64, 64)
    )
    model.save(path)
    return path


@pytest.fixture
def dock(
    make_napari_viewer: MakeViewer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_file: Path, qtbot: QtBot
) -> Iterator[UNetDock]:
    """The dock beside the stack, with the model open; results are kept on disk."""
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path)
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    image = np.tile(load_sample("nuclei-3d").image, (1, 4, 4))  # large enough to be cancelled
    viewer.add_image(image, name="nuclei", scale=(0.5, 0.25, 0.25), units=("um", "um", "um"), translate=(1, 2, 3))
    _, made = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(made, UNetDock)
    made.controller.segmenting._store = Store(1000, 1000)
    made.controller.open_model(model_file)
    qtbot.waitUntil(lambda: made.controller.job is None, timeout=LONG)
    assert made.segment.segment_button.isEnabled(), made.status.text.text()
    yield made
    made.shut_down()


def press(widget: QWidget, qtbot: QtBot) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(12, widget.height() // 2))


def from_python(dock: UNetDock, model_file: Path, region: Region | None = None) -> dict[str, npt.NDArray[Any]]:
    """What Python gives for the image in the window, whole or for a part of it."""
    image, model = dock.controller.selection.image, nu.load(model_file)
    assert image is not None
    shape = image.result_shape
    found = {"boundaries": np.zeros(shape, np.uint8), "cells": np.zeros(shape, np.int32)}
    for _ in prediction(model, image, found, tiling=TilingSpec(), cells=CellSpec(), region=region):
        pass
    return found


def test_cancelled_by_mouse_and_gone_on_with(dock: UNetDock, model_file: Path, qtbot: QtBot) -> None:
    viewer = dock._viewer
    press(dock.segment.scope.stack_button, qtbot)
    press(dock.segment.segment_button, qtbot)
    qtbot.waitUntil(lambda: len(dock.controller.segmenting.tally.done) >= 2, timeout=LONG)
    press(dock.segment.cancel_button, qtbot)
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    done = list(dock.controller.segmenting.tally.done)
    slices = viewer.layers["cells"].data.shape[0]
    assert 2 <= len(done) < slices
    assert type(viewer.layers["cells"].data).__module__.startswith("zarr")
    assert dock.segment.segment_button.text() == "Go on"
    assert "Go on" in dock.status.text.text()

    press(dock.segment.segment_button, qtbot)
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    assert dock.segment.segment_button.text() == "Segment"
    assert len(dock.controller.segmenting.tally.done) == slices
    expected = from_python(dock, model_file)
    for name, array in expected.items():
        np.testing.assert_array_equal(np.asarray(viewer.layers[name].data), array)
    assert "cells [1]" not in viewer.layers
    assert f"{sum(int(p.max()) for p in expected['cells']):,} cells" in dock.status.text.text()


def test_a_rectangle_drawn_by_mouse_and_saved(
    dock: UNetDock, model_file: Path, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = dock._viewer
    press(dock.segment.scope.rectangle_button, qtbot)
    press(dock.segment.segment_button, qtbot)
    assert "Draw" in dock.status.text.text()
    press(dock.segment.scope.draw_button, qtbot)
    image = dock.controller.selection.image_layer
    assert image is not None
    rest(200)
    stroke(viewer, image, [(20.3, 30.2), (60.0, 80.0), (150.4, 240.1)])  # type: ignore[arg-type]
    (shapes,) = [x for x in viewer.layers if isinstance(x, Shapes)]
    assert shapes.nshapes == 1
    press(dock.segment.segment_button, qtbot)
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    order = dock.controller.segmenting.order
    assert order is not None
    region, z = order.region, dock.controller.live.plane[1]
    assert region.z == (z, z + 1)
    np.testing.assert_allclose([*region.y, *region.x], [20, 151, 30, 241], atol=3)
    expected = from_python(dock, model_file, region)
    for name, array in expected.items():
        np.testing.assert_array_equal(np.asarray(viewer.layers[name].data), array)
    assert expected["cells"].any()

    target = tmp_path / "part"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), "OME-Zarr (*.ome.zarr)"))
    press(dock.segment.save_button, qtbot)
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    assert "part-cells.ome.zarr" in dock.status.text.text()
    saved = open_image(tmp_path / "part-cells.ome.zarr")
    np.testing.assert_array_equal(np.asarray(saved.data), expected["cells"])
    np.testing.assert_allclose(saved.spacing, image.scale)
