"""Lengths in micrometres, whatever unit a file states them in; times in their own."""

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
_TIMES = {
    "second": ("s", 1.0),
    "millisecond": ("ms", 1e-3),
    "microsecond": ("µs", 1e-6),
    "nanosecond": ("ns", 1e-9),
    "picosecond": ("ps", 1e-12),
    "femtosecond": ("fs", 1e-15),
    "minute": ("min", 60.0),
    "hour": ("h", 3600.0),
    "day": ("d", 86400.0),
}
"""Units of time as OME-Zarr calls them: the symbol of OME-XML, and the seconds in one."""
_OTHER_TIMES = {"sec": "second", "msec": "millisecond", "us": "microsecond", "μs": "microsecond"}


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


def time_unit(unit: str | None) -> str:
    """Return the name that OME-Zarr has for a unit of time; empty for an unknown one.

    Examples
    --------
    >>> time_unit("s"), time_unit("Minutes"), time_unit("min"), time_unit("pixel")
    ('second', 'minute', 'minute', '')
    """
    word = (unit or "").strip()
    name = word.lower().removesuffix("s")
    symbols = {symbol: known for known, (symbol, _) in _TIMES.items()}
    return symbols.get(word) or _OTHER_TIMES.get(word, name if name in _TIMES else "")


def time_symbol(unit: str) -> str:
    """Return the symbol that OME-XML has for a unit that `time_unit` gave.

    Examples
    --------
    >>> time_symbol("minute")
    'min'
    """
    return _TIMES[unit][0]


def seconds(unit: str) -> float:
    """Return the seconds in one of a unit that `time_unit` gave.

    Examples
    --------
    >>> seconds("minute")
    60.0
    """
    return _TIMES[unit][1]
