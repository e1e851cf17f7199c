"""What is painted is counted while it is painted."""

from __future__ import annotations

import time
from itertools import pairwise

import napari
import numpy as np
from pytestqt.qtbot import QtBot

from driving import rest
from napari_unet.plugin.dock import UNetDock


def test_painting_is_counted_by_itself(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    dock.annotate.new_button.click()
    layer = viewer.layers["strokes"]
    layer.paint((1, 20, 20), 1)
    qtbot.waitUntil(lambda: "cell 0" not in dock.annotate.counts.text())
    layer.undo()
    qtbot.waitUntil(lambda: "cell 0" in dock.annotate.counts.text())


def test_counts_are_of_the_layers_that_are_chosen_now(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    dock.annotate.new_button.click()
    layer = viewer.layers["strokes"]
    layer.data[0, :5], layer.data[0, 7:9] = 1, 2
    layer.paint((1, 20, 20), 1)
    qtbot.waitUntil(lambda: dock.annotate.missing.text().startswith("Ready to train."))
    viewer.add_image(np.zeros((30, 30)), name="other")
    dock.controller.selection.choose_image(viewer.layers["other"])
    qtbot.waitUntil(lambda: "needs labels of shape (30, 30)" in dock.annotate.missing.text())
    dock.controller.selection.choose_image(viewer.layers["stack"])
    qtbot.waitUntil(lambda: dock.annotate.missing.text().startswith("Ready to train."))
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: "New annotation layer" in dock.annotate.missing.text())
    assert dock.annotate.counts.text() == ""


def test_what_is_painted_is_counted_though_the_brush_never_rests(dock: UNetDock, viewer: napari.Viewer) -> None:
    dock.annotate.new_button.click()
    rest(400)
    layer, counted = viewer.layers["strokes"], []
    dock.controller.painter.painting.connect(lambda _: counted.append(time.monotonic()))
    began = last = time.monotonic()
    while last - began < 4.5:
        layer.paint((1, 20, 20), 1 + (layer.data[1, 20, 20] == 1))  # another value: something is painted
        rest(80)
        last = time.monotonic()
    moments = [began, *counted]
    assert len(counted) >= 2
    assert len(counted) < 10  # and not at every stroke
    assert max(b - a for a, b in pairwise(moments)) < 2.5
