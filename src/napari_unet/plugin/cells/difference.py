"""The layer that shows where cells differ from the truth."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.arrays.comparison import Category
from napari_unet.arrays.outlines import TOLERANCE, Outline
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells.choice import DIFFERENCE
from napari_unet.plugin.layers import Geometry
from napari_unet.storage.difference import VALUES, colour_of, parts_of

NAME = "differences"
FAINT, CLEAR, SOLID = "40", "8C", "FF"
"""Opacity of what is found, which would cover most of the image; of what differs; of outlines."""
LINES: dict[Outline, str] = {
    Outline.TRUE: "an outline in the truth only",
    Outline.PREDICTED: "an outline of the cells only",
    Outline.BOTH: f"an outline of both, at most {TOLERANCE} pixels apart",
}
"""The lines of the layer, in words."""


def difference_layer(picture: Any, geometry: Geometry) -> Labels:
    """Make the layer; nothing can be painted in it.

    Parameters
    ----------
    picture
        Of `napari_unet.arrays.comparison.compare`.
    geometry
        Where the cells lie.
    """
    colours: dict[int | None, str] = {None: "#FFFFFF", 0: "#00000000"}
    colours |= {value: colour_of(value) + _opacity(value) for value in VALUES}
    layer = Labels(picture, name=NAME, opacity=1, metadata={MARK: DIFFERENCE}, **geometry.properties)
    # napari says in words what is under the mouse
    kinds = {0: "", **{value: _words(value) for value in VALUES}}
    layer.features = {"index": list(kinds), "kind": list(kinds.values())}
    layer.colormap = DirectLabelColormap(color_dict=colours)
    layer.editable = False
    return layer


def _opacity(value: int) -> str:
    category, line = parts_of(value)
    if line is not None:
        return CLEAR if line == Outline.BOTH else SOLID
    return FAINT if category == Category.FOUND else CLEAR


def _words(value: int) -> str:
    category, line = parts_of(value)
    words = (category.name.lower() if category else "", LINES[line] if line else "")
    return ", ".join(w for w in words if w)
