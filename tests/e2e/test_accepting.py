"""Accepting predictions while the network learns, in the real window, by key and mouse; before and after."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Shapes
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from scipy import ndimage as ndi

from driving import OpenWindow, on_canvas, paint_like_a_person, rest, stroke
from napari_unet.plugin.preview import NAME_BEFORE

pytestmark = pytest.mark.e2e
LONG = 240_000
"""Milliseconds; only reached if something hangs."""


def test_cells_and_regions_are_taken_by_mouse_and_key(open_window: OpenWindow, qtbot: QtBot) -> None:
    viewer, dock = open_window("nuclei-5")
    truth = viewer.layers["nuclei-5 truth"].data
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    native = viewer.window._qt_viewer.canvas.native
    rest(300)
    paint_like_a_person(viewer, strokes, truth, objects=4)
    painted = strokes.data.copy()
    dock.advanced.train.setValue(dock.advanced.train.value().model_copy(update={"patch": (96, 96), "batch": 2}))
    dock.train.budget.endless.setChecked(True)
    seen = []
    dock.controller.engine.preview.connect(seen.append)
    if dock.train.train_button.isEnabled():  # it may have started by itself
        dock.train.train_button.click()
    live = dock.controller.live
    qtbot.waitUntil(lambda: len(seen) > 1 and live.shown is not None, timeout=LONG)

    def cells() -> list[tuple[int, int]]:
        """Middles of the nuclei that are predicted well and are not annotated, the largest first."""
        assert live.shown is not None
        inside = live.shown.probabilities.argmax(axis=0) == 0
        places = []
        for value in np.argsort(np.bincount(truth.ravel())[1:])[::-1] + 1:
            mask = truth == value
            if not strokes.data[mask].any() and inside[mask].mean() > 0.6:
                depth = ndi.distance_transform_edt(mask & inside)
                places.append(tuple(int(i) for i in np.unravel_index(depth.argmax(), mask.shape)))
        return places

    def said() -> str:
        return str(dock.status.message.text)

    first, second, third, *_ = cells()
    QTest.mouseMove(native, on_canvas(viewer, strokes, first))
    rest(50)
    qtbot.keyClick(native, Qt.Key.Key_A)
    assert said().startswith("Took the cell"), said()
    assert strokes.data[first] == 1
    np.testing.assert_array_equal(strokes.data[painted > 0], painted[painted > 0])
    assert (strokes.data == 2).sum() > (painted == 2).sum()
    taken = strokes.data.copy()
    qtbot.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(strokes.data, painted)
    qtbot.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(strokes.data, taken)
    feeding = dock.controller.trainer.feed._now
    assert feeding is not None
    qtbot.waitUntil(lambda: np.array_equal(feeding.known.data, taken), timeout=LONG)  # the training has got it

    strokes.mode = "paint"
    dock.annotate.cells_action.trigger()
    assert strokes.mode == "pan_zoom"
    for cell in (second, third):
        place = on_canvas(viewer, strokes, cell)
        QTest.mouseMove(native, place)
        QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        rest(50)
        assert said().startswith("Took the cell"), said()
        assert strokes.data[cell] == 1
        assert dock.annotate.take_button.isChecked()
    qtbot.keyClick(native, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not dock.annotate.take_button.isChecked())
    assert strokes.mode == "paint"

    strokes.selected_label = 3  # the brush wins over what was taken
    stroke(viewer, strokes, [second, second])
    assert strokes.data[second] == 3

    before = strokes.data.copy()
    qtbot.keyClick(native, Qt.Key.Key_R)
    assert isinstance(viewer.layers.selection.active, Shapes)
    stroke(viewer, strokes, [(100.0, 100.0), (150.0, 170.0), (200.0, 240.0)])
    qtbot.waitUntil(lambda: said().startswith("Took the region"))
    assert not any(isinstance(x, Shapes) for x in viewer.layers)
    assert viewer.layers.selection.active is strokes
    region = np.zeros(truth.shape, bool)
    region[98:203, 98:243] = True
    changed = strokes.data != before
    assert changed.any()
    assert region[changed].all()
    assert not before[changed].any()
    assert (strokes.data[101:199, 101:239] > 0).mean() > 0.8

    qtbot.keyClick(native, Qt.Key.Key_H)
    assert live.layer.layer is not None
    assert live.layer.layer.name == NAME_BEFORE
    assert not strokes.visible
    qtbot.waitUntil(lambda: live.shown is not None and live.shown.before, timeout=LONG)
    assert live.shown.step == 0
    assert live.layer.layer.data.any()
    assert dock.controller.job == "train"
    dock.preview.before.click()
    qtbot.waitUntil(lambda: live.shown is not None and not live.shown.before, timeout=LONG)
    assert strokes.visible
    dock.train.stop_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    dock.shut_down()
