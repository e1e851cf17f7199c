"""The map of how unsure the network is of the slice in view: an Image layer in place of the preview."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image
from psygnal import Signal

from napari_unet.arrays.uncertainty import uncertainty
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.plane_layer import PlaneLayer

NAME = "U-Net unsure"
COLOURS = "inferno"
"""Equal steps look equal, from dark to bright, so that colour-blind people read it as well."""


class UnsureLayer(PlaneLayer):
    """Shows how unsure the network is; adds its layer when there is something to show."""

    gone = Signal()
    """The user has deleted or hidden the layer."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self.opacity = 0.7

    def show(self, probabilities: npt.NDArray[np.uint8], geometry: Geometry) -> None:
        """Show how unsure a prediction is.

        Parameters
        ----------
        probabilities
            Axes K, Y, X.
        geometry
            Where results of the image lie.
        """
        self.put(uncertainty(probabilities), geometry.only("YX"))

    def _make(self, values: npt.NDArray[np.uint8], plane: Geometry) -> Image:
        return Image(
            values,
            name=NAME,
            colormap=COLOURS,
            contrast_limits=(0, 255),
            opacity=self.opacity,
            blending="translucent",
            metadata={MARK: "unsure"},
            **plane.properties,
        )

    def _eye_moved(self, visible: bool) -> None:
        if not visible:
            self.gone.emit()
