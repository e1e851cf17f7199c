"""Layers that go take nothing from the canvas, in a real napari window."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget

from napari_unet.plugin.canvas import CanvasKeeper


@pytest.mark.parametrize("floating", [False, True])
def test_what_a_layer_has_on_the_card_is_freed_in_the_context_of_the_canvas(
    make_napari_viewer: Callable[..., napari.Viewer], floating: bool
) -> None:
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((8, 8)))
    widget = QWidget()
    viewer.window.add_dock_widget(widget, name="U-Net").setFloating(floating)
    keeper = CanvasKeeper(viewer, widget)
    canvas = viewer.window._qt_window.centralWidget().findChild(QOpenGLWidget)
    canvas.makeCurrent()
    ours = QOpenGLContext.currentContext()
    canvas.doneCurrent()
    assert ours is not None

    seen = []
    viewer.layers.events.removed.connect(lambda: seen.append(QOpenGLContext.currentContext()))
    viewer.layers.remove(layer)
    assert seen == [ours]

    canvas.doneCurrent()
    keeper.close()
    viewer.layers.remove(viewer.add_image(np.zeros((8, 8))))
    assert seen[1:] != [ours]
