"""The map of how unsure the network is of the slice in view: an Image layer in place of the preview."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image
from psygnal import Signal

from napari_unet.arrays.uncertainty import uncertainty
from napari_unet.plugin.annotation import MARK, is_ours
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.preview import insert_quietly

NAME = "U-Net unsure"
COLOURS = "inferno"
"""Equal steps look equal, from dark to bright, so that colour-blind people read it as well."""


class UnsureLayer:
    """Shows how unsure the network is; adds its layer when there is something to show."""

    gone = Signal()
    """The user has deleted or hidden the layer."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Image | None = None
        self.opacity = 0.7

    @property
    def layer(self) -> Image | None:
        """The layer, if it is in the viewer."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None
        return self._layer

    def show(self, probabilities: npt.NDArray[np.uint8], geometry: Geometry) -> None:
        """Show how unsure a prediction is.

        Parameters
        ----------
        probabilities
            Axes K, Y, X.
        geometry
            Where results of the image lie.
        """
        plane = geometry.only("YX")
        values, layer = uncertainty(probabilities), self.layer
        if (
            layer is not None
            and layer.data.shape == plane.shape
            and tuple(layer.scale) == plane.properties["scale"]
        ):
            layer.data = values
            return
        self.remove()
        self._layer = self._add(values, plane)

    def _add(self, values: npt.NDArray[np.uint8], plane: Geometry) -> Image:
        layer = Image(
            values,
            name=NAME,
            colormap=COLOURS,
            contrast_limits=(0, 255),
            opacity=self.opacity,
            blending="translucent",
            metadata={MARK: "unsure"},
            **plane.properties,
        )
        layer.events.visible.connect(self._eye_moved)
        below = [i for i, other in enumerate(self._viewer.layers) if is_ours(other, "annotation")]
        insert_quietly(self._viewer, layer, min(below, default=len(self._viewer.layers)))
        return layer

    def _eye_moved(self, event: Any) -> None:
        layer = self.layer
        if layer is not None and event.source is layer and not layer.visible:
            self.gone.emit()

    def forget(self, layer: Any) -> bool:
        """Tell whether the user has removed our layer; it is forgotten then."""
        ours = layer is self._layer
        if ours:
            self._layer = None
        return ours

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
