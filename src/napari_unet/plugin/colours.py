"""Colours of the classes: from the palette of Okabe and Ito, which colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Sequence

from napari.utils.colormaps import DirectLabelColormap

from napari_unet.spec import ClassSpec, Role

COLOURS: dict[Role, str] = {
    "cell": "#56B4E9",
    "boundary": "#D55E00",
    "background": "#F0E442",
    "other": "#CC79A7",
}
FAINT = "55"
"""Opacity of the background class in the preview, where it would cover most of the image."""


def colour_of(item: ClassSpec) -> str:
    """Colour of a class as ``#RRGGBB``."""
    return COLOURS[item.role]


def class_colormap(classes: Sequence[ClassSpec], *, faint_background: bool = False) -> DirectLabelColormap:
    """Colours of label values 1, 2 ...; 0 and values without a class are transparent and white.

    Parameters
    ----------
    classes
        Class ``i`` is label value ``i + 1``.
    faint_background
        Show the background class faintly.
    """
    colours: dict[int | None, str] = {None: "#FFFFFF", 0: "#00000000"}
    for value, item in enumerate(classes, start=1):
        faint = faint_background and item.role == "background"
        colours[value] = colour_of(item) + (FAINT if faint else "")
    return DirectLabelColormap(color_dict=colours)
