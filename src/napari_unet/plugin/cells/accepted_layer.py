"""The accepted cells of the slice in view: outlined in one colour, that of no cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells.stack import CellStack
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.plane_layer import PlaneLayer

NAME = "accepted"
COLOUR = "#FFFFFF"
WIDTH = 2
"""Of the outline, pixels of the image."""


class AcceptedLayer(PlaneLayer):
    """Shows which cells of the slice in view are accepted."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._cells: Labels | None = None
        self._visible = True

    def show(self, stack: CellStack, plane: npt.NDArray[Any], accepted: set[int]) -> None:
        """Show the accepted cells of a slice; nothing is added for none.

        Parameters
        ----------
        stack
            Its cells.
        plane
            The slice; Y, X.
        accepted
            Their numbers.
        """
        if stack.layer is not self._cells:
            self.remove()
            self._cells = stack.layer
        if self._viewer.dims.ndisplay == 2 and accepted:
            self.put(
                np.where(np.isin(plane, list(accepted)), plane, 0).astype(np.int32), stack.geometry.only("YX")
            )
        else:
            self.blank()

    def _make(self, values: npt.NDArray[Any], plane: Geometry) -> Labels:
        # Marked as what is offered neither as cells nor as annotation.
        layer = Labels(values, name=NAME, metadata={MARK: "preview"}, visible=self._visible, **plane.properties)
        layer.colormap = DirectLabelColormap(color_dict={None: COLOUR, 0: "transparent"})
        layer.contour = WIDTH
        layer.editable = False
        return layer

    def _eye_moved(self, visible: bool) -> None:
        self._visible = visible
