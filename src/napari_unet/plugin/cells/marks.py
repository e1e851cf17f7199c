"""Dots where the user has clicked."""

from __future__ import annotations

from collections.abc import Sequence

from napari.components import ViewerModel
from napari.layers import Points

from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells.stack import CellStack, Place
from napari_unet.plugin.plane_layer import insert_quietly
from napari_unet.plugin.scope import COLOUR

SIZE = 9
"""Pixels of the screen, about."""


class Marks:
    """Shows places by dots."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Points | None = None

    def show(self, stack: CellStack, places: Sequence[Place]) -> None:
        """Show places of a stack, and no others."""
        self.remove()
        spots = [tuple({"T": p.t, "C": 0, "Z": p.z, "Y": p.y, "X": p.x}[a] for a in stack.axes) for p in places]
        made = Points(
            spots,
            name="clicks",
            face_color=COLOUR,
            border_color="black",
            metadata={MARK: "clicks"},
            **stack.geometry.properties,
        )
        camera = getattr(self._viewer, "scene", self._viewer).camera  # napari 0.9 moved it
        made.size = max(2.0, SIZE / camera.zoom / float(stack.layer.scale[-1]))
        insert_quietly(self._viewer, made, len(self._viewer.layers))
        self._layer = made

    def remove(self) -> None:
        """Show none."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._viewer.layers.remove(layer)
            if active is not layer:
                self._viewer.layers.selection.active = active
