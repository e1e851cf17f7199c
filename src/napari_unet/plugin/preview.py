"""The preview: a two-dimensional Labels layer that napari shows at every position of the sliders."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels
from psygnal import Signal

from napari_unet.arrays.taking import likeliest
from napari_unet.plugin.annotation import MARK, is_ours
from napari_unet.plugin.colours import class_colormap
from napari_unet.plugin.layers import Geometry
from napari_unet.spec import ClassSpec

NAME = "U-Net preview"
NAME_BEFORE = "U-Net before training"


class PreviewLayer:
    """Shows predictions of the visible plane; adds its layer when there is something to show."""

    eye_moved = Signal(bool)
    """The layer was made visible or hidden."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._classes: tuple[ClassSpec, ...] = ()
        self.opacity = 0.4
        self._before = False

    @property
    def before(self) -> bool:
        """The layer shows, by its name, what was predicted before the training."""
        return self._before

    @before.setter
    def before(self, before: bool) -> None:
        self._before = before
        if self.layer is not None:
            self.layer.name = self._name

    @property
    def _name(self) -> str:
        return NAME_BEFORE if self._before else NAME

    @property
    def layer(self) -> Labels | None:
        """The layer, if it is in the viewer."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None
        return self._layer

    def show(
        self, probabilities: npt.NDArray[np.uint8], classes: tuple[ClassSpec, ...], geometry: Geometry
    ) -> None:
        """Show a prediction.

        Parameters
        ----------
        probabilities
            Axes K, Y, X.
        classes
            Their K classes.
        geometry
            Where results of the image lie.
        """
        plane = geometry.only("YX")
        values = likeliest(probabilities)
        layer = self.layer
        if layer is None or layer.data.shape != plane.shape or tuple(layer.scale) != plane.properties["scale"]:
            self.remove()
            layer = self._layer = self._add(values, plane)
            self._classes = ()
        else:
            layer.data = values
        if classes != self._classes:
            self._classes = classes
            layer.colormap = class_colormap(classes, faint_background=True)

    def _add(self, values: npt.NDArray[np.uint8], plane: Geometry) -> Labels:
        layer = Labels(
            values, name=self._name, opacity=self.opacity, metadata={MARK: "preview"}, **plane.properties
        )
        layer.editable = False
        layer.events.visible.connect(self._eye_moved)
        below = [i for i, other in enumerate(self._viewer.layers) if is_ours(other, "annotation")]
        insert_quietly(self._viewer, layer, min(below, default=len(self._viewer.layers)))
        return layer

    def _eye_moved(self, event: Any) -> None:
        layer = self.layer
        if layer is not None and event.source is layer:
            self.eye_moved.emit(layer.visible)

    def set_visible(self, on: bool) -> None:
        """Open or close the layer's eye."""
        if self.layer is not None:
            self.layer.visible = on

    def blank(self) -> None:
        """Show nothing until the next prediction."""
        layer = self.layer
        if layer is not None and layer.data.any():
            layer.data = np.zeros_like(layer.data)

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        layer, self._layer = self.layer, None
        if layer is not None:
            self._viewer.layers.remove(layer)

    def forget(self, layer: Labels) -> bool:
        """Tell whether the user has removed our layer; it is forgotten then."""
        ours = layer is self._layer
        if ours:
            self._layer = None
        return ours

    def set_opacity(self, opacity: float) -> None:
        """Set how strongly the preview covers the image, 0 to 1."""
        self.opacity = opacity
        if self.layer is not None:
            self.layer.opacity = opacity


def insert_quietly(viewer: ViewerModel, layer: Any, place: int) -> None:
    """Insert a layer, leaving the user's selection and brush as they are."""
    selected, active = set(viewer.layers.selection), viewer.layers.selection.active
    viewer.layers.insert(place, layer)
    viewer.layers.selection = selected
    viewer.layers.selection.active = active
