"""A project in a real window: painted, trained, kept; the next day all is there and goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pooch
import pytest
from npe2 import PluginManifest
from pytestqt.qtbot import QtBot

from driving import rest
from napari_unet.plugin.dock import UNetDock
from napari_unet.spec import UNetSpec

pytestmark = pytest.mark.e2e
LONG = 240_000
ROOT = Path(__file__).parents[2]


def docked(viewer: napari.Viewer) -> UNetDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(dock, UNetDock)
    return dock


def test_paint_train_keep_close_open_go_on(
    make_napari_viewer: Callable[..., napari.Viewer],
    npe2pm: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    if "napari-unet-live" not in npe2pm:
        npe2pm.register(PluginManifest.from_file(ROOT / "src" / "napari_unet" / "napari.yaml"))
    viewer = make_napari_viewer(show=True)
    viewer.open_sample("napari-unet-live", "epithelium")
    viewer.layers["epithelium"].scale = (0.5, 0.5)
    dock = docked(viewer)
    dock.train.by_itself.setChecked(False)
    dock.advanced.net.setValue(UNetSpec(base=8, depth=2))
    dock.train.budget.endless.setChecked(True)
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    truth = viewer.layers["epithelium truth"].data
    strokes.data[40:140, 40:140] = np.where(truth[40:140, 40:140] > 0, 1, 2)
    strokes.paint((20, 20), 3)
    dock.train.train_button.click()
    qtbot.waitUntil(lambda: dock.controller.trainer.checkpoints.can_go_on, timeout=LONG)
    dock.train.stop_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    dock.controller.keeper.keep_in(tmp_path / "mine")
    qtbot.waitUntil(lambda: "saved" in dock.project.text.text(), timeout=LONG)
    strokes.paint((25, 25), 3)  # and closed at once
    painted, steps, spec = strokes.data.copy(), dock.controller.trainer.steps, dock.settings.value()
    viewer.close()
    rest(500)
    assert list((tmp_path / "mine.unet" / "trainings").glob("*.resume.safetensors"))

    viewer = make_napari_viewer(show=True)
    viewer.open(str(tmp_path / "mine.unet"), plugin="napari-unet-live")
    dock = docked(viewer)  # finds the layers
    assert [layer.name for layer in viewer.layers] == ["epithelium", "strokes"]
    np.testing.assert_array_equal(viewer.layers["strokes"].data, painted)
    assert viewer.layers["strokes"].scale.tolist() == viewer.layers["epithelium"].scale.tolist() == [0.5, 0.5]
    assert dock.settings.value().net == spec.net
    assert dock.project.text.text().startswith("mine.unet: saved")
    dock.train.by_itself.setChecked(False)
    qtbot.waitUntil(lambda: dock.controller.live.shown is not None, timeout=LONG)  # of the model of yesterday
    rest(1500)
    assert dock.controller.job is None  # nothing starts before there are new strokes
    assert dock.segment.segment_button.isEnabled()
    dock.segment.segment_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    assert "cells" in viewer.layers
    dock.train.go_on_button.click()
    qtbot.waitUntil(lambda: len(dock.train.plot._points) > 0, timeout=LONG)
    assert dock.train.plot._points[0][0] > steps > 0
    dock.train.stop_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    dock.shut_down()
