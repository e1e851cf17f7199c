"""What the window calls the columns of a table of cells; files keep the names that programs like."""

from __future__ import annotations

import re

WORDS = {
    "label": "cell",
    "t": "time point",
    "z": "slice",
    "equivalent_diameter": "diameter",
    "major_axis": "long axis",
    "minor_axis": "short axis",
    "touches_border": "at the border",
    "neighbour_ids": "which neighbours",
}
UNITS = {"um": "µm", "px": "pixels", "nanometer": "nm", "millimeter": "mm", "units": "units of the layer"}
_LENGTHS = "area|volume|equivalent_diameter|major_axis|minor_axis|perimeter|surface"
_GREY = {"mean": "mean", "std": "deviation of", "min": "least", "max": "greatest"}
_POWERS = {"": "", "2": "²", "3": "³"}


def caption(name: str) -> str:
    """Write the name of a column as a person would.

    Examples
    --------
    >>> [caption(n) for n in ("label", "area_um2", "surface_px2", "major_axis_um", "y_px", "x_last_px")]
    ['cell', 'area (µm²)', 'surface (pixels²)', 'long axis (µm)', 'y (pixels)', 'last x (pixels)']
    >>> [caption(n) for n in ("intensity_mean", "GFP_std", "touches_border", "solidity")]
    ['mean intensity', 'deviation of GFP', 'at the border', 'solidity']
    """
    if found := re.fullmatch(rf"({_LENGTHS})_(.+?)([23]?)", name):
        unit = UNITS.get(found[2], found[2])
        return f"{_words(found[1])} ({unit}{_POWERS[found[3]]})"
    if found := re.fullmatch(r"([zyx])_(?:(first|last)_)?(.+)", name):
        return f"{found[2] or ''} {found[1]} ({UNITS.get(found[3], found[3])})".strip()
    if found := re.fullmatch(r"(.+)_(mean|std|min|max)", name):
        return f"{_GREY[found[2]]} {_words(found[1])}"
    return _words(name)


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))
