"""N goes to where annotation is worth most, before and while a network learns; U shows how unsure it is."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from driving import OpenWindow, on_canvas, paint_like_a_person, rest

pytestmark = pytest.mark.e2e
LONG = 240_000
"""Milliseconds; only reached if something hangs."""


def test_going_where_annotation_is_worth_most_by_key(open_window: OpenWindow, qtbot: QtBot) -> None:
    viewer, dock = open_window("nuclei-3d")
    truth = viewer.layers["nuclei-3d truth"].data
    dock.advanced.train.setValue(dock.advanced.train.value().model_copy(update={"patch": (64, 64), "batch": 2}))
    dock.train.budget.endless.setChecked(True)
    dock.train.by_itself.setChecked(False)
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    rest(300)

    def press(key: Qt.Key) -> None:
        native = viewer.window._qt_viewer.canvas.native
        native.setFocus()
        QTest.keyClick(native, key)
        rest(20)

    def go() -> np.ndarray:
        """Press N, and give the first corner of what is outlined."""
        before = dock.controller.suggesting.outline
        press(Qt.Key.Key_N)
        qtbot.waitUntil(lambda: dock.controller.suggesting.outline not in (None, before), timeout=LONG)
        return np.asarray(dock.controller.suggesting.outline.data[0])

    corners = go()  # with the network that the package brings
    assert viewer.dims.current_step[0] == corners[0, 0]
    native = viewer.window._qt_viewer.canvas.native
    for corner in corners:
        place = on_canvas(viewer, viewer.layers["nuclei-3d"], tuple(corner[1:]))
        assert 0 < place.x() < native.width()
        assert 0 < place.y() < native.height()
    assert viewer.layers.selection.active is strokes
    assert strokes.mode == "paint"
    assert "unsure" in dock.status.message.text
    press(Qt.Key.Key_Escape)
    assert dock.controller.suggesting.outline is None
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)

    viewer.dims.set_current_step(0, 14)
    viewer.reset_view()
    paint_like_a_person(viewer, strokes, truth[14], objects=4)
    dock.train.train_button.click()
    qtbot.waitUntil(lambda: dock.controller.trainer.steps > 0, timeout=LONG)
    places = {tuple(map(float, go()[0])) for _ in range(3)}
    assert len(places) == 3
    press(Qt.Key.Key_U)
    qtbot.waitUntil(lambda: dock.controller.live.unsure.layer is not None, timeout=LONG)
    qtbot.waitUntil(lambda: dock.controller.live.unsure.layer.data.any(), timeout=LONG)
    assert dock.preview.unsure.isChecked()
    assert viewer.layers.selection.active is strokes
    press(Qt.Key.Key_U)
    assert dock.controller.live.unsure.layer is None
    steps = dock.controller.trainer.steps
    qtbot.waitUntil(lambda: dock.controller.trainer.steps > steps, timeout=LONG)
    dock.train.stop_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    dock.shut_down()
    assert dock.controller.suggesting.outline is None
