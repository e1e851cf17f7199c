"""A frame around a cell for a moment, so that it meets the eye; everything else stays in view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Shapes

from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells.passing import PassingLayer
from napari_unet.plugin.cells.place import geometry_of

NAME = "this cell"
COLOUR = "#FFFFFF"
MARGIN = 2.0
"""Pixels of the image between a cell and its frame."""
WIDTH = 3
"""Of the line, pixels of the screen, about."""


class Frame(PassingLayer):
    """Shows a frame; its layer is removed with it."""

    def show(self, layer: Labels, corners: npt.NDArray[np.float64]) -> None:
        """Frame a box.

        Parameters
        ----------
        layer
            Of cells.
        corners
            The first and the last pixel of the box, (2, axes of the layer); its plane is that of the first.
        """
        (y0, x0), (y1, x1) = corners[0, -2:] - MARGIN, corners[1, -2:] + MARGIN
        rectangle = np.repeat(np.round(corners[:1]), 4, axis=0)
        rectangle[:, -2:] = [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]
        made = Shapes(
            [rectangle],
            name=NAME,
            face_color="transparent",
            edge_color=COLOUR,
            metadata={MARK: "frame"},
            **geometry_of(layer).properties,
        )
        made.edge_width = max(0.2, self.on_screen(WIDTH, layer.scale[-1]))
        self.put(made)
