"""The columns of a table of cells, from the sums over their pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.cell_sums import Floats, Integers, Sums
from napari_unet.arrays.neighbours import of_each

Columns = dict[str, npt.NDArray[Any]]
_FLAT = 1e-9
"""Part of the longest axis below which an axis has no length: rounding."""


@dataclass(frozen=True)
class Lengths:
    """Where pixels lie in the world.

    Parameters
    ----------
    spacing
        Size of a pixel along Z, Y, X.
    unit
        Such as ``micrometer``; ``pixel`` where it is unknown.
    origin
        Place of the middle of the first pixel.

    Examples
    --------
    >>> Lengths((1, 0.5, 0.5), "micrometer").suffix, Lengths((1, 1, 1)).suffix, Lengths((2, 1, 1)).suffix
    ('um', 'px', 'units')
    """

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: str = "pixel"
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def suffix(self) -> str:
        """How names of columns tell the unit."""
        if self.unit != "pixel":
            return {"micrometer": "um"}.get(self.unit) or safe(self.unit)
        return "px" if set(self.spacing) == {1.0} and set(self.origin) == {0.0} else "units"


def columns_of(
    sums: Sums, shape: Sequence[int], pairs: Integers, lengths: Lengths, channels: Sequence[str]
) -> Columns:
    """Tell of cells what their sums tell.

    Parameters
    ----------
    sums
        Of the cells of a plane or of a volume.
    shape
        Of the whole plane or volume.
    pairs
        Neighbours.
    lengths
        Of a pixel.
    channels
        Beginnings of the names of columns, one for each channel.

    Returns
    -------
    dict
        An array of one element for each cell by the name of its column.
    """
    d, unit = len(shape), lengths.suffix
    axes, spacing = "ZYX"[-d:].lower(), np.array(lengths.spacing[-d:])
    size = sums.counts * math.prod(lengths.spacing[-d:])
    centre = sums.first / sums.counts[:, np.newaxis]
    inside = sums.counts / np.prod(sums.high - sums.low + 1, axis=1)
    near = of_each(sums.ids, pairs)
    found: Columns = {"label": sums.ids}
    if unit != "px":
        found[f"area_{unit}2" if d == 2 else f"volume_{unit}3"] = size
    found["pixels" if d == 2 else "voxels"] = sums.counts
    found[f"equivalent_diameter_{unit}"] = (2 * d * size / math.pi) ** (1 / d)
    found |= _ellipse(sums, spacing, unit)
    found["extent"] = inside
    found |= _intensities(sums, channels)
    found["touches_border"] = ((sums.low == 0) | (sums.high == np.array(shape) - 1)).any(axis=1)
    found["neighbours"] = np.array([len(n) for n in near], np.int64)
    found["neighbour_ids"] = np.array([" ".join(map(str, n)) for n in near], object)
    found |= {f"{a}_px": centre[:, i] for i, a in enumerate(axes)}
    if unit != "px":
        places = centre * spacing + lengths.origin[-d:]
        found |= {f"{a}_{unit}": places[:, i] for i, a in enumerate(axes)}
    for i, a in enumerate(axes):
        found |= {f"{a}_first_px": sums.low[:, i], f"{a}_last_px": sums.high[:, i]}
    return found


def variances(sums: Sums, spacing: Floats) -> Floats:
    """Variances of the places of each cell's pixels along its own axes, in ascending order; (n, d).

    The sums are brought near to the cell in integers first, so that little is lost where it is far off.
    """
    n, low = sums.counts[:, np.newaxis, np.newaxis], sums.low[:, :, np.newaxis]
    first = sums.first[:, :, np.newaxis] - sums.counts[:, np.newaxis, np.newaxis] * low
    cross = first * low.swapaxes(1, 2)
    away = low * low.swapaxes(1, 2)
    near = sums.second - cross - cross.swapaxes(1, 2) - n * away
    mean = first / n
    spread = (near / n - mean * mean.swapaxes(1, 2)) * np.outer(spacing, spacing)
    found = np.linalg.eigvalsh(spread)
    found[found < _FLAT * found[:, -1:]] = 0
    return np.asarray(found)


def _ellipse(sums: Sums, spacing: Floats, unit: str) -> Columns:
    """Axes of the ellipse, or ellipsoid, whose pixels vary as much; eccentricity in 2D."""
    found = variances(sums, spacing)
    d = found.shape[1]
    axes = 2 * np.sqrt((d + 2) * found)
    columns: Columns = {f"major_axis_{unit}": axes[:, -1], f"minor_axis_{unit}": axes[:, 0]}
    if d == 2:
        with np.errstate(invalid="ignore"):  # a single pixel has neither axis
            columns["eccentricity"] = np.sqrt(1 - found[:, 0] / found[:, 1])
    return columns


def _intensities(sums: Sums, channels: Sequence[str]) -> Columns:
    """Mean, deviation, and extremes of the grey values of every channel; all NaN where a pixel of the cell is."""
    found: Columns = {}
    for c, name in enumerate(channels):
        with np.errstate(invalid="ignore", over="ignore"):  # of images that hold infinities
            mean = sums.totals[:, c] / sums.counts
            spread = np.sqrt(np.maximum(sums.squares[:, c] / sums.counts - mean**2, 0))
        found |= {f"{name}_mean": mean, f"{name}_std": spread}
        found |= {f"{name}_min": sums.least[:, c], f"{name}_max": sums.most[:, c]}
    return found


def channel_columns(count: int, names: Sequence[str] = ()) -> list[str]:
    """Make beginnings of names of columns for channels.

    Parameters
    ----------
    count
        Of channels.
    names
        Given by the user; may be fewer.

    Examples
    --------
    >>> channel_columns(1), channel_columns(3, ["DAPI (405 nm)", "GFP", "GFP"])
    (['intensity'], ['DAPI_405_nm', 'GFP', 'GFP_3'])
    """
    unnamed = ["intensity"] if count == 1 else [f"channel{i}" for i in range(1, count + 1)]
    found: list[str] = []
    for i, other in enumerate(unnamed):
        name = (safe(names[i]) if i < len(names) else "") or other
        found.append(f"{name}_{i + 1}" if name in found else name)
    return found


def safe(name: str) -> str:
    """Make a name that spreadsheets, and formulas of tables, take.

    Examples
    --------
    >>> safe("=Anti-X, 2°")
    'Anti_X_2'
    """
    return re.sub(r"[^0-9A-Za-zÀ-ɏ]+", "_", name).strip("_")


def merged(parts: Sequence[Mapping[str, npt.NDArray[Any]]]) -> Columns:
    """Put the rows of several tables below one another; the columns are those of the first."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
