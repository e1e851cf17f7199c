"""A two-dimensional layer of ours, which napari shows at every position of the sliders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Layer

from napari_unet.plugin.annotation import is_ours
from napari_unet.plugin.layers import Geometry


class PlaneLayer(ABC):
    """Shows values of the plane in view; its layer is added when there is something to show."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Layer | None = None

    @property
    def layer(self) -> Any:
        """The layer, if it is in the viewer; else None."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None
        return self._layer

    def put(self, values: npt.NDArray[Any], plane: Geometry) -> bool:
        """Show values (Y, X) at a place; tells whether that took a new layer."""
        layer, place = self.layer, (plane.shape, plane.properties["scale"])
        if layer is not None and (layer.data.shape, tuple(layer.scale)) == place:
            layer.data = values
            return False
        self.remove()
        made = self._make(values, plane)
        made.events.visible.connect(self._visibility_changed)
        below = [i for i, other in enumerate(self._viewer.layers) if is_ours(other, "annotation")]
        insert_quietly(self._viewer, made, min(below, default=len(self._viewer.layers)))
        self._layer = made  # not before: inserting it moves the sliders, at which it would be blanked
        return True

    @abstractmethod
    def _make(self, values: npt.NDArray[Any], plane: Geometry) -> Layer:
        """Make the layer."""

    @abstractmethod
    def _eye_moved(self, visible: bool) -> None:
        """Note that the layer was made visible or hidden."""

    def _visibility_changed(self, event: Any) -> None:
        layer = self.layer
        if layer is not None and event.source is layer:
            self._eye_moved(layer.visible)

    def blank(self) -> None:
        """Show nothing until there are new values."""
        layer = self.layer
        if layer is not None and layer.data.any():
            layer.data = np.zeros_like(layer.data)

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        layer, self._layer = self.layer, None
        if layer is not None:
            self._viewer.layers.remove(layer)

    def forget(self, layer: Layer) -> bool:
        """Tell whether the user has removed our layer; it is forgotten then."""
        ours = layer is self._layer
        if ours:
            self._layer = None
        return ours


def take_the_place(viewer: ViewerModel, old: Layer | None, new: Layer | None) -> None:
    """Let a layer be active if the one before was: keys and undo are not to reach a layer that is hidden."""
    if old is not None and new is not None and viewer.layers.selection.active is old:
        viewer.layers.selection.active = new


def insert_quietly(viewer: ViewerModel, layer: Any, place: int) -> None:
    """Insert a layer, leaving the user's selection and brush as they are."""
    selected, active = set(viewer.layers.selection), viewer.layers.selection.active
    viewer.layers.insert(place, layer)
    viewer.layers.selection = selected
    viewer.layers.selection.active = active
