"""Lengths in micrometres, whatever unit a file states them in."""

from __future__ import annotations

import math

_MICROMETRES = {
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
    "cm": 1e4,
    "centimeter": 1e4,
    "mm": 1e3,
    "millimeter": 1e3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "\\u00b5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "angstrom": 1e-4,
    "å": 1e-4,
}


def to_micrometres(unit: str | None) -> float | None:
    """Return the micrometres in one ``unit``, or None for an unknown one.

    Examples
    --------
    >>> to_micrometres("nm"), to_micrometres("Micrometer"), to_micrometres("furlong")
    (0.001, 1.0, None)
    """
    return _MICROMETRES.get((unit or "").strip().lower())


def spacing_zyx(sizes: dict[str, float], factor: float | None) -> tuple[tuple[float, float, float], str]:
    """Return spacing along Z, Y, X and its unit, with 1 for what is missing or senseless.

    Parameters
    ----------
    sizes
        Length of a voxel along some of Z, Y, X.
    factor
        Micrometres in the unit of ``sizes``; None if that unit is unknown: kept as ratios, in pixels.
    """
    good = {a: s for a, s in sizes.items() if math.isfinite(s) and s > 0}
    scale = factor or 1.0
    default = good.get("Y", 1.0 / scale)
    z, y, x = (round(good.get(a, default) * scale, 9) for a in "ZYX")
    return (z, y, x), "micrometer" if factor and good else "pixel"
