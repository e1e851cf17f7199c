"""A layer that is shown for a moment, and of which there is one at a time."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Layer

from napari_unet.plugin.plane_layer import insert_quietly


class PassingLayer:
    """Puts a layer on top, and takes it away; another layer stays the active one."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Layer | None = None

    def put(self, layer: Layer) -> None:
        """Show a layer in place of the one before."""
        self.remove()
        insert_quietly(self._viewer, layer, len(self._viewer.layers))
        self._layer = layer

    def remove(self) -> None:
        """Show none."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._viewer.layers.remove(layer)
            if active is not layer:
                self._viewer.layers.selection.active = active

    def on_screen(self, pixels: float, scale: float) -> float:
        """Tell how many pixels of a layer with this scale are so many of the screen, as it is zoomed now."""
        camera = getattr(self._viewer, "scene", self._viewer).camera  # napari 0.9 moved it
        return pixels / float(camera.zoom) / abs(float(scale))
