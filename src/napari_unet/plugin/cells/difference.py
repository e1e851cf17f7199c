"""The layer that shows where cells differ from the truth."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.arrays.comparison import Category
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells.choice import DIFFERENCE
from napari_unet.plugin.layers import Geometry
from napari_unet.storage.difference import COLOURS

NAME = "differences"
FAINT = "66"
"""Opacity of what is found, which would cover most of the image."""


def difference_layer(picture: Any, geometry: Geometry) -> Labels:
    """Make the layer; nothing can be painted in it.

    Parameters
    ----------
    picture
        Values of `Category`.
    geometry
        Where the cells lie.
    """
    colours: dict[int | None, str] = {None: "#FFFFFF", 0: "#00000000"}
    for category, colour in COLOURS.items():
        colours[int(category)] = colour + (FAINT if category == Category.FOUND else "")
    layer = Labels(picture, name=NAME, opacity=0.8, metadata={MARK: DIFFERENCE}, **geometry.properties)
    # napari says in words what is under the mouse
    kinds = {0: "", **{int(c): c.name.lower() for c in COLOURS}}
    layer.features = {"index": list(kinds), "kind": list(kinds.values())}
    layer.colormap = DirectLabelColormap(color_dict=colours)
    layer.editable = False
    return layer
