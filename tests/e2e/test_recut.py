"""Other cells without the network, in the real window: by the slider, beside edited ones, and tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pooch
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QWidget

import napari_unet as nu
from driving import stroke
from napari_unet.arrays.pieces import cells_of_piece
from napari_unet.plugin.cells.accepted import accepted_in
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.kept import kept_of
from napari_unet.plugin.layers import read_region
from napari_unet.spec import TargetSpec
from napari_unet.storage.samples import load_sample

pytestmark = pytest.mark.e2e
LONG = 240_000
"""Milliseconds; only reached if something hangs."""
PLANES = 3


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has seen the sample."""
    sample = load_sample("nuclei-3d")
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    pair = sample.image[10:20], sample.labels[10:20]
    nu.train(*pair, style="cells", dense=True, steps=40, base=8, patch=(64, 64)).save(path)
    return path


@pytest.fixture
def dock(
    make_napari_viewer: Callable[..., napari.Viewer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    model_file: Path,
    qtbot: QtBot,
) -> Iterator[UNetDock]:
    """The dock after Segment of a few slices; ``orders`` counts predictions."""
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path)
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 900)
    viewer.add_image(load_sample("nuclei-3d").image[12 : 12 + PLANES], name="nuclei")
    _, made = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(made, UNetDock)
    made.controller.open_model(model_file)
    qtbot.waitUntil(lambda: made.controller.job is None, timeout=LONG)
    engine = made.controller.engine
    predict, made.orders = engine.predict, []
    monkeypatch.setattr(engine, "predict", lambda *a, **k: (made.orders.append(a), predict(*a, **k))[1])
    made.segment.scope.stack_button.setChecked(True)
    press(made.segment.segment_button, qtbot)
    qtbot.waitUntil(lambda: made.controller.job is None, timeout=LONG)
    yield made
    made.shut_down()


def press(widget: QWidget, qtbot: QtBot) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(12, widget.height() // 2))


def until_made(dock: UNetDock, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not dock.controller.recutting.progress, timeout=LONG)


def expected(dock: UNetDock, name: str = "cells") -> np.ndarray[Any, Any]:
    """What the kept probabilities give with the settings in the window."""
    kept = kept_of(dock._viewer.layers[name])
    assert kept is not None
    assert kept.cells == dock.segment.form.value()
    planes = [read_region(kept.probabilities, kept.axes, piece) for piece in kept.filled]
    made = [cells_of_piece(p, kept.classes, kept.cells, (1.0, 1.0, 1.0)) for p in planes]
    return np.concatenate(made)


def test_the_slider_makes_other_cells_without_a_prediction(dock: UNetDock, qtbot: QtBot) -> None:
    viewer, before = dock._viewer, np.array(dock._viewer.layers["cells"].data)
    assert "probability of cell" not in viewer.layers
    dock.segment.form.amount.setFocus()
    for key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageUp, Qt.Key.Key_PageUp):
        qtbot.keyClick(dock.segment.form.amount, key)
    assert dock.segment.form.value().beta == 0.8
    until_made(dock, qtbot)
    after = np.asarray(viewer.layers["cells"].data)
    np.testing.assert_array_equal(after, expected(dock))
    assert (after != before).any()
    assert f"in {PLANES} slices" in dock.status.text.text()
    assert "without the network" in dock.status.text.text()
    assert len(dock.orders) == 1
    threshold = dock.segment.form.more.editor("threshold")
    mask = np.array(viewer.layers["boundaries"].data)
    threshold.setValue(0.3)
    until_made(dock, qtbot)
    assert (np.asarray(viewer.layers["boundaries"].data) >= mask).all()
    assert np.asarray(viewer.layers["boundaries"].data).sum() > mask.sum()
    assert len(dock.orders) == 1


def test_painted_cells_stay(dock: UNetDock, qtbot: QtBot) -> None:
    viewer, cells = dock._viewer, dock._viewer.layers["cells"]
    viewer.layers.selection.active = cells
    cells.mode, cells.selected_label, cells.brush_size = "paint", 777, 6
    stroke(viewer, cells, [(30, 30), (30, 60)])
    edited = np.array(cells.data)
    assert (edited == 777).sum() > 30
    dock.segment.form.amount.setValue(75)
    until_made(dock, qtbot)
    np.testing.assert_array_equal(cells.data, edited)
    assert not cells.visible
    np.testing.assert_array_equal(np.asarray(viewer.layers["cells [1]"].data), expected(dock, "cells [1]"))
    assert "edited by hand" in dock.status.text.text()


def test_tune_finds_better_settings_on_drawn_cells(dock: UNetDock, qtbot: QtBot) -> None:
    press(dock.segment.form.tune_button, qtbot)
    assert "key A" in dock.status.text.text()
    dock.segment.form.amount.setValue(5)
    until_made(dock, qtbot)
    dock.settings.set_target(TargetSpec(style="cells"))
    press(dock.annotate.new_button, qtbot)
    z = dock._viewer.dims.current_step[0]
    strokes = dock.controller.selection.labels_layer
    assert strokes is not None
    strokes.data[z] = load_sample("nuclei-3d").labels[12 + z]
    press(dock.segment.form.tune_button, qtbot)
    assert dock.segment.cancel_button.isEnabled()
    qtbot.waitUntil(lambda: not dock.controller.tuning.progress, timeout=LONG)
    until_made(dock, qtbot)
    text = dock.segment.form.tuned.text()
    assert text.startswith("Best: ")
    best, before = (float(t.split(" ")[0]) for t in (text.split("cells: ")[1], text.split("(")[1]))
    assert best > before
    np.testing.assert_array_equal(np.asarray(dock._viewer.layers["cells"].data), expected(dock))
    assert len(dock.orders) == 1


def test_accepted_cells_stay(dock: UNetDock, qtbot: QtBot) -> None:
    cells = dock._viewer.layers["cells"]
    z = dock._viewer.dims.current_step[0]
    before = np.array(cells.data)
    sizes = np.bincount(before[z].ravel())
    sizes[0] = 0
    number = int(sizes.argmax())
    accepted_in(cells).change(add=[(0, z, number)])
    dock.segment.form.amount.setValue(95)
    until_made(dock, qtbot)
    after = np.asarray(cells.data)
    assert cells.visible  # in the same layer: nothing was painted
    np.testing.assert_array_equal(after[z] == number, before[z] == number)
    others = np.unique(after[z][before[z] != number])
    assert len(others) > 2
    assert number not in others
    rest = [k for k in range(PLANES) if k != z]
    np.testing.assert_array_equal(after[rest], expected(dock)[rest])
