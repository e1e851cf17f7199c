"""Between cells in the canvas and rows of a table: go to a cell, and tell which was clicked."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet.plugin.layers import place_of
from napari_unet.plugin.listening import STILL

Place = dict[str, float]
"""Where something is, by the letters of axes; pixels."""
LOOKING = ("pan_zoom", "pick", "transform")
"""Tools with which a click changes no cell."""


def go_to(viewer: ViewerModel, layer: Labels, axes: str, at: Place, label: int) -> None:
    """Show a cell: its slice, in the middle of the canvas, and choose its number.

    Parameters
    ----------
    viewer, layer, axes
        Where the cells are, and the layer's axes.
    at
        The middle of the cell.
    label
        Its number.
    """
    world = np.asarray(layer.data_to_world([at.get(a, 0.0) for a in axes]))
    dims, missing = viewer.dims, viewer.dims.ndim - layer.ndim
    for axis in dims.not_displayed:
        if axis >= missing and axes[axis - missing] in at:
            dims.set_point(axis, float(world[axis - missing]))
    camera = getattr(viewer, "scene", viewer).camera  # napari 0.9 moved it
    centre = list(camera.center)
    for i, axis in enumerate(reversed(dims.displayed), start=1):
        if axis >= missing:
            centre[-i] = float(world[axis - missing])
    camera.center = tuple(centre)
    layer.selected_label, layer.visible = label, True


class Clicks:
    """Tells which cell was clicked, while no tool is at hand that edits.

    Parameters
    ----------
    viewer
        Where the user clicks.
    layer
        The cells that matter now; None: nothing is told.
    clicked
        Called with the layer, the number of the cell, and the place of the click in the layer's data.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Callable[[], Labels | None],
        clicked: Callable[[int, tuple[float, ...]], None],
    ) -> None:
        self._viewer, self._layer, self._clicked = viewer, layer, clicked
        viewer.mouse_drag_callbacks.append(self._press)

    def close(self) -> None:
        """Listen no more."""
        self._viewer.mouse_drag_callbacks.remove(self._press)

    def _press(self, _viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        """Take a press and release at one place for a click; a drag moves the view, as ever."""
        pressed, position = np.asarray(event.pos), tuple(event.position)
        direction, displayed = event.view_direction, event.dims_displayed
        left = event.button == 1
        yield
        while event.type == "mouse_move":
            yield
        layer = self._layer()
        if (
            layer is None
            or not left
            or np.abs(np.asarray(event.pos) - pressed).max() > STILL
            or not self._looking()
        ):
            return
        value = layer.get_value(position, view_direction=direction, dims_displayed=list(displayed), world=True)
        label = value[-1] if isinstance(value, tuple) else value  # with its level, of a pyramid
        if label:
            self._clicked(int(label), tuple(place_of(layer, position)))

    def _looking(self) -> bool:
        active = self._viewer.layers.selection.active
        return active is None or str(active.mode) in LOOKING
