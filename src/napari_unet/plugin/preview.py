"""The preview: a two-dimensional Labels layer that napari shows at every position of the sliders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels
from psygnal import Signal

from napari_unet.arrays.taking import likeliest
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.colours import class_colormap
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.plane_layer import PlaneLayer
from napari_unet.spec import ClassSpec

NAME = "U-Net preview"
NAME_BEFORE = "U-Net before training"


class PreviewLayer(PlaneLayer):
    """Shows predictions of the visible plane; adds its layer when there is something to show."""

    eye_moved = Signal(bool)
    """The layer was made visible or hidden."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
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
        if self.put(likeliest(probabilities), geometry.only("YX")):
            self._classes = ()
        if classes != self._classes:
            self._classes = classes
            self.layer.colormap = class_colormap(classes, faint_background=True)

    def _make(self, values: npt.NDArray[np.uint8], plane: Geometry) -> Labels:
        layer = Labels(
            values, name=self._name, opacity=self.opacity, metadata={MARK: "preview"}, **plane.properties
        )
        layer.editable = False
        return layer

    def _eye_moved(self, visible: bool) -> None:
        self.eye_moved.emit(visible)

    def set_visible(self, on: bool) -> None:
        """Open or close the layer's eye."""
        if self.layer is not None:
            self.layer.visible = on

    def set_opacity(self, opacity: float) -> None:
        """Set how strongly the preview covers the image, 0 to 1."""
        self.opacity = opacity
        if self.layer is not None:
            self.layer.opacity = opacity
