"""Pointing at the canvas: cells by clicks, a region by a rectangle; the brush rests meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Literal

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Shapes
from psygnal import Signal

from napari_unet.arrays.taking import Box
from napari_unet.plugin.keys import Keys
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.live import Later, at_once
from napari_unet.plugin.scope import corners_in, pixels_between, rectangle_layer
from napari_unet.plugin.selection import Selection

Mode = Literal["", "cells", "region"]
NAME = "region to take"
ENDING: dict[Mode, tuple[str, ...]] = {"cells": ("Escape",), "region": ("Escape", "R")}
"""Keys that end it, which the layers that listen would take for something else."""
STILL = 4
"""Pixels of the screen that the mouse may move during a click."""


class Pointing:
    """Lets the user click at cells, one after the other, or drag one rectangle.

    Escape ends it, and so does anything that shows that the user wants something else: a brush, another layer.

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

    changed = Signal(str)
    """What is pointed at now; empty: nothing."""

    def __init__(
        self,
        viewer: ViewerModel,
        selection: Selection,
        clicked: Callable[[Sequence[float]], None],
        dragged: Callable[[Box | None], None],
        later: Later = at_once,
    ) -> None:
        self._viewer, self._selection, self._later = viewer, selection, later
        self._clicked, self._dragged = clicked, dragged
        self.mode: Mode = ""
        self._layer: Layer | None = None
        """The layer that listens, active while it does."""
        self._keys: Keys | None = None
        self._before: tuple[Layer | None, str] = None, ""
        """The layer that was active, and its tool."""

    def point_at_cells(self, layer: Labels) -> None:
        """Take clicks for cells from now on, in place of strokes in a layer."""
        self.end()
        self._listen("cells", layer, layer)
        layer.mode = "pan_zoom"
        layer.events.mode.connect(self._disturbed)
        self._viewer.mouse_drag_callbacks.append(self._click)

    def drag_region(self, geometry: Geometry) -> None:
        """Let the user drag a rectangle over an image whose results lie so."""
        self.end()
        before = self._viewer.layers.selection.active
        layer = rectangle_layer(geometry, NAME, "region")
        self._viewer.add_layer(layer)
        self._listen("region", layer, before)
        layer.mode = "add_rectangle"
        layer.events.mode.connect(self._disturbed)
        layer.events.data.connect(self._drawn)

    def end(self) -> None:
        """Give the tool back that the user had before."""
        mode, layer, keys, (before, tool) = self.mode, self._layer, self._keys, self._before
        if layer is None or keys is None:
            return
        self.mode, self._layer, self._keys, self._before = "", None, None, (None, "")
        self._viewer.layers.selection.events.active.disconnect(self._disturbed)
        layer.events.mode.disconnect(self._disturbed)
        keys.close()
        if mode == "cells":
            self._viewer.mouse_drag_callbacks.remove(self._click)
            if layer.mode == "pan_zoom":
                layer.mode = tool
        else:
            layer.events.data.disconnect(self._drawn)
            active = self._viewer.layers.selection.active
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
            if active in (None, layer) and before in self._viewer.layers:
                self._viewer.layers.selection.active = before
        self.changed.emit("")

    def _listen(self, mode: Mode, layer: Layer, before: Layer | None) -> None:
        self._viewer.layers.selection.active = layer
        self.mode, self._layer, self._before = mode, layer, (before, str(layer.mode))
        self._viewer.layers.selection.events.active.connect(self._disturbed)
        self._keys = Keys(layer, dict.fromkeys(ENDING[mode], self._escape))
        self.changed.emit(mode)

    def _escape(self) -> None:
        self._later(self.end)

    def _disturbed(self) -> None:
        """End it if the user has taken another layer or tool, once napari is done with that."""
        self._later(self._end_if_disturbed)

    def _end_if_disturbed(self) -> None:
        layer = self._layer
        tools = {"cells": "pan_zoom", "region": "add_rectangle"}
        if layer is not None and (
            layer is not self._viewer.layers.selection.active or str(layer.mode) != tools[self.mode]
        ):
            self.end()

    def _click(self, _viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        """Take a press and release at one place for a click; a drag moves the view, as ever."""
        pressed, position = np.asarray(event.pos), tuple(event.position)
        left = event.button == 1
        yield
        while event.type == "mouse_move":
            yield
        if left and np.abs(np.asarray(event.pos) - pressed).max() <= STILL:
            self._clicked(position)

    def _drawn(self, event: Any) -> None:
        """Take the rectangle once it is complete."""
        layer, image, image_layer = self._layer, self._selection.image, self._selection.image_layer
        complete = str(getattr(event, "action", "")) == "added" and isinstance(layer, Shapes) and layer.nshapes
        if not complete or image is None or image_layer is None:
            return
        assert isinstance(layer, Shapes)
        places = corners_in(self._viewer, layer, np.asarray(layer.data[-1]), image_layer)
        found = pixels_between(places, (image.size("Y"), image.size("X")))
        self._later(lambda: self._finish(found))

    def _finish(self, found: tuple[tuple[int, int], tuple[int, int]] | None) -> None:
        self.end()
        self._dragged(None if found is None else (slice(*found[0]), slice(*found[1])))
