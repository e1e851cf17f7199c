"""Pointing at the canvas: cells by clicks, a region by a rectangle; the brush rests meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Shapes

from napari_unet.arrays.taking import Box
from napari_unet.plugin.keymap import KEYMAP
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.listening import Listener
from napari_unet.plugin.live import Later, at_once
from napari_unet.plugin.scope import corners_in, pixels_between, rectangle_layer
from napari_unet.plugin.selection import Selection

Mode = Literal["", "cells", "region"]
NAME = "region to take"


class Pointing(Listener):
    """Lets the user click at cells, one after the other, or drag one rectangle.

    Parameters
    ----------
    viewer, selection
        Where the user points, and at which image.
    clicked
        Called with the place in the world of every click at a cell.
    dragged
        Called with the rows and columns of a rectangle; None if no pixel of the image lies in it.
    later
        Calls an action when napari is done with what it is at.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        selection: Selection,
        clicked: Callable[[Sequence[float]], None],
        dragged: Callable[[Box | None], None],
        later: Later = at_once,
    ) -> None:
        super().__init__(viewer, later)
        self._selection, self._cell_clicked, self._dragged = selection, clicked, dragged

    def point_at_cells(self, layer: Labels) -> None:
        """Take clicks for cells from now on, in place of strokes in a layer."""
        self.clicks("cells", layer, self._cell_clicked)

    def drag_region(self, geometry: Geometry) -> None:
        """Let the user drag a rectangle over an image whose results lie so."""
        layer = rectangle_layer(geometry, NAME, "region")
        self.draws(
            "region", layer, "add_rectangle", (*KEYMAP.bind({"take_region": self.end}), "Escape"), self._rectangle
        )

    def _rectangle(self, layer: Shapes) -> Callable[[], None]:
        image, image_layer = self._selection.image, self._selection.image_layer
        if image is None or image_layer is None:
            return lambda: self._dragged(None)
        places = corners_in(self._viewer, layer, np.asarray(layer.data[-1]), image_layer)
        found = pixels_between(places, (image.size("Y"), image.size("X")))
        return lambda: self._dragged(None if found is None else (slice(*found[0]), slice(*found[1])))
