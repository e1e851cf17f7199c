"""What the axes of a layer of cells mean, and which of its slices is in view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels, Layer

from napari_unet.arrays.axes import guess_axes
from napari_unet.errors import UserError
from napari_unet.plugin.kept import kept_of
from napari_unet.plugin.layers import Geometry, filed_axes, full_data, place_of, told_axes


def axes_of(layer: Labels) -> str:
    """Return the axes of a layer of cells: as known, as it tells, or as its shape suggests.

    Raises
    ------
    UserError
        If Y and X are not the last ones.
    """
    kept = kept_of(layer)
    told = kept.axes if kept is not None else told_axes(layer) or filed_axes(layer)
    axes = told or guess_axes(full_data(layer).shape)
    if not axes.endswith("YX"):
        raise UserError(f"'{layer.name}' needs the axes Y and X last, got '{axes}': transpose it first")
    return axes


def geometry_of(layer: Labels) -> Geometry:
    """Where a layer of cells lies, for another that is to lie over it."""
    names = ("scale", "translate", "units", "axis_labels")
    properties = {name: tuple(getattr(layer, name)) for name in names if hasattr(layer, name)}
    return Geometry(axes_of(layer), tuple(int(n) for n in full_data(layer).shape), properties)


def slice_in_view(layer: Layer, point: Sequence[float]) -> tuple[int, ...]:
    """Index of the slice (Y, X) of a layer that is seen at a point of the world.

    Parameters
    ----------
    layer
        Of cells.
    point
        ``viewer.dims.point``.
    """
    lengths = full_data(layer).shape[:-2]
    at = np.rint(place_of(layer, point)[:-2]).astype(int)
    return tuple(int(np.clip(i, 0, n - 1)) for i, n in zip(at, lengths, strict=True))


def corners_around(
    viewer: ViewerModel, layer: Layer, index: tuple[int, ...], centre: tuple[float, float], half: float
) -> npt.NDArray[np.float64]:
    """Corners in the world, (2, axes of the viewer), of a square of pixels of a layer.

    Parameters
    ----------
    viewer, layer
        Where, and whose pixels.
    index, centre, half
        Slice, pixel (y, x) in it, and half the length of the square.
    """
    y, x = centre
    corners = np.array([list(viewer.dims.point)] * 2, float)
    for row, step in zip(corners, (-half, half), strict=True):
        row[-layer.ndim :] = layer.data_to_world((*index, y + step, x + step))[-layer.ndim :]
    return corners


def in_words(axes: str, index: tuple[int, ...]) -> str:
    """Name a slice.

    Examples
    --------
    >>> in_words("TZYX", (2, 7)), in_words("YX", ())
    ('Time 2, slice 7', 'This image')
    """
    names = {"T": "time", "Z": "slice", "C": "channel"}
    return ", ".join(f"{names[a]} {i}" for a, i in zip(axes, index, strict=False)).capitalize() or "This image"
