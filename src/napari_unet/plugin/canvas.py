"""Keeps the canvas drawable while layers go."""

from __future__ import annotations

from napari.components import ViewerModel
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget

from napari_unet.plugin.lifetime import window_of


class CanvasKeeper:
    """Makes OpenGL's context that of napari's canvas before a layer is removed.

    napari (0.9) frees at once what the layer has on the graphics card, in whatever context is current: usually the
    one in which Qt puts the window together. Mesa's software OpenGL then crashes at the next picture if the first
    thing in it was drawn before, like the box around the brush where no layer is left to see.

    Parameters
    ----------
    viewer
        Whose layers.
    widget
        Docked in the window with the canvas.
    """

    def __init__(self, viewer: ViewerModel, widget: QWidget) -> None:
        self._event, self._widget = viewer.layers.events.removing, widget
        self._event.connect(self._make_current)

    def close(self) -> None:
        """Let go of the viewer."""
        self._event.disconnect(self._make_current)

    def take_focus(self) -> None:
        """Let the canvas have the keyboard, so that Escape is heard after a button was pressed."""
        for canvas in self._canvases():
            canvas.setFocus()

    def _make_current(self) -> None:
        for canvas in self._canvases():
            canvas.makeCurrent()

    def _canvases(self) -> list[QOpenGLWidget]:
        window = window_of(self._widget)
        middle = window.centralWidget() if window is not None else None
        return list(middle.findChildren(QOpenGLWidget)) if middle is not None else []
