"""The dock's keys, and the buttons that do the same."""

from __future__ import annotations

import napari
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_unet.events import StepDone
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.keymap import UNET_KEYS
from plugin_tools import FakeEngine, a_preview


def test_keys(dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, qtbot: QtBot) -> None:
    native = viewer.window._qt_viewer.canvas.native
    dock.annotate.new_button.click()
    viewer.layers["strokes"].data[0, :5] = 1
    viewer.layers["strokes"].data[0, 7:9] = 2
    qtbot.keyClick(native, Qt.Key.Key_Q)
    assert viewer.layers["strokes"].selected_label == 2
    qtbot.keyClick(native, Qt.Key.Key_W)
    assert not dock.preview.box.isChecked()
    qtbot.keyClick(native, Qt.Key.Key_T)
    assert engine.count("train") == 1
    qtbot.keyClick(native, Qt.Key.Key_T)
    assert engine.count("stop") == 1
    dock.shut_down()
    qtbot.keyClick(native, Qt.Key.Key_Q)
    assert viewer.layers["strokes"].selected_label == 2


def test_taking_and_comparing_by_key_and_button(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, qtbot: QtBot
) -> None:
    native = viewer.window._qt_viewer.canvas.native
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    dock.annotate.cells_action.trigger()  # nothing is predicted yet
    assert not dock.annotate.cells_action.isChecked()
    assert not dock.annotate.take_button.isChecked()
    assert "Nothing is predicted" in dock.status.message.text
    dock.controller.on_preview(a_preview((60, 80), *dock.controller.live.plane))
    for made, mode in ((dock.annotate.cells_action, "cells"), (dock.annotate.region_action, "region")):
        made.trigger()
        assert made.isChecked()
        assert dock.annotate.take_button.isChecked()
        assert dock.controller.taking.pointing.mode == mode
    qtbot.keyClick(native, Qt.Key.Key_R)  # again: not any more
    qtbot.waitUntil(lambda: not dock.annotate.take_button.isChecked())
    assert viewer.layers.selection.active is strokes
    assert strokes.mode == "paint"
    qtbot.keyClick(native, Qt.Key.Key_H)
    assert not dock.preview.before.isChecked()
    assert "There is no before" in dock.status.message.text
    dock.preview.before.click()
    assert not dock.preview.before.isChecked()
    dock.controller.on_event(StepDone(1, 1.0, 0.1, 1.0, 9.0))
    qtbot.keyClick(native, Qt.Key.Key_H)
    assert dock.preview.before.isChecked()
    assert engine.last("set_view")["before"] is True
    dock.preview.before.click()
    assert not dock.preview.before.isChecked()
    assert engine.last("set_view")["before"] is False


def test_all_keys_are_told(dock: UNetDock, viewer: napari.Viewer) -> None:
    assert {str(key) for key in dock._keys._bound} == {key.default for key in UNET_KEYS.values()}
