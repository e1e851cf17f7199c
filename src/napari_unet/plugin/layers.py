"""Reading napari layers: what their axes mean, their full data, and where result layers belong.

napari lines layers up at their last axes. A result has the image's axes without its channels; where a channel axis
lies between others (``TCYX``), the result layer keeps it, with one and the same memory for all channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from napari_unet.arrays.axes import ArrayLike, Image, check_axes, guess_axes
from napari_unet.arrays.cell_columns import Lengths
from napari_unet.arrays.region import Region
from napari_unet.arrays.targets import check_labels_dtype
from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.storage.blocks import zeros as shared_zeros
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import axes_in_file
from napari_unet.storage.units import time_unit, to_micrometres

Index = tuple[int | slice, ...]
_LETTERS = {"t": "T", "time": "T", "c": "C", "channel": "C", "z": "Z", "y": "Y", "x": "X"}


def full_data(layer: Layer) -> ArrayLike:
    """Return the data at full resolution; the only place that reads ``layer.data``."""
    data: ArrayLike = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return data


def guess_layer_axes(layer: ImageLayer) -> str:
    """Guess the axis string of an image layer, from its axis labels, or its file, or else from its shape."""
    told = told_axes(layer)
    if told is not None:
        return told + ("S" if layer.rgb else "")
    shape, rgb = tuple(full_data(layer).shape), bool(layer.rgb)
    found = filed_axes(layer)
    return found if found is not None and found.endswith("S") == rgb else guess_axes(shape, rgb=rgb)


def filed_axes(layer: Layer) -> str | None:
    """Return the axes that the file of a layer tells, if Y and X are last: napari passes on none."""
    if layer.source.path is None:
        return None
    found = axes_in_file(Path(layer.source.path), tuple(full_data(layer).shape))
    return found if found is not None and found.removesuffix("S").endswith("YX") else None


def told_axes(layer: Layer) -> str | None:
    """Return the axes that a layer's axis labels tell, without colours; None if they tell nothing of use."""
    told = "".join(_LETTERS.get(str(a).lower(), "?") for a in layer.axis_labels)
    return told if "?" not in told and len(set(told)) == len(told) and told.endswith("YX") else None


def check_layer_axes(axes: str, layer: ImageLayer) -> str:
    """Return ``axes`` in capitals if they fit an image layer.

    Raises
    ------
    UserError
        If they do not fit its shape, or how napari shows it.
    """
    axes = check_axes(axes, full_data(layer).shape)
    if "S" in axes and not layer.rgb:
        raise UserError(
            f"the last axis of '{layer.name}' looks like colours, but napari shows it as pixels: open the "
            "image as RGB, or write other axes"
        )
    if layer.rgb and not axes.endswith("S"):
        raise UserError(f"'{layer.name}' is an RGB image: its axes must end in S (colour samples), got '{axes}'")
    if not axes.removesuffix("S").endswith("YX"):
        raise UserError(f"the window needs the axes Y and X last, got '{axes}'; transpose the image first")
    return axes


def image_of(layer: ImageLayer, axes: str | None = None) -> Image:
    """Describe an image layer to the rest of the program; nothing is read.

    Raises
    ------
    UserError
        If the axes do not fit.
    """
    axes = check_layer_axes(axes or guess_layer_axes(layer), layer)
    size = dict(zip(axes.removesuffix("S"), np.abs(layer.scale), strict=True))
    spacing = (float(size.get("Z", 1.0)), float(size["Y"]), float(size["X"]))
    if layer.source.path is None:
        return Image(full_data(layer), axes, spacing, layer.name)
    return FileImage(full_data(layer), axes, spacing, layer.name, path=Path(layer.source.path))


def layer_axes(axes: str) -> str:
    """Axes of a result layer: the image's, without colours and without a channel axis in front.

    Examples
    --------
    >>> layer_axes("ZYX"), layer_axes("CYX"), layer_axes("TCYX"), layer_axes("YXS")
    ('ZYX', 'YX', 'TCYX', 'YX')
    """
    return axes.removesuffix("S").removeprefix("C")


def lengths_of(layer: Layer, axes: str) -> Lengths:
    """Tell size and place of a layer's pixels: in micrometres where its units are lengths, else in no unit.

    Parameters
    ----------
    layer
        Anything with ``scale``, ``translate`` and ``units``.
    axes
        One letter per axis; those that are missing have pixels of 1.
    """
    factors = {a: to_micrometres(str(u)) for a, u in zip(axes, layer.units, strict=True) if a in "ZYX"}
    known = all(factor is not None for factor in factors.values())

    def along(values: Sequence[float], missing: float) -> tuple[float, float, float]:
        lengths = {a: (factors.get(a) if known else None) or 1.0 for a in axes}
        given = {a: float(v) * lengths[a] for a, v in zip(axes, values, strict=True)}
        z, y, x = (given.get(a, missing) for a in "ZYX")
        return z, y, x

    spacing, origin = along(np.abs(layer.scale).tolist(), 1.0), along(layer.translate.tolist(), 0.0)
    return Lengths(spacing, "micrometer" if known else "pixel", origin)


def where_of(layer: Layer, axes: str) -> Where:
    """Tell where a layer's first pixel lies, in the unit of `lengths_of`, and when its frames are.

    Parameters
    ----------
    layer, axes
        See `lengths_of`.
    """
    origin = lengths_of(layer, axes).origin
    if "T" not in axes:
        return Where.checked(origin, 0.0, 1.0, "")
    at = axes.index("T")
    start, step = float(layer.translate[at]), abs(float(layer.scale[at]))
    return Where.checked(origin, start, step, time_unit(str(layer.units[at])))


@dataclass(frozen=True)
class Geometry:
    """Where a layer lies: axes, shape, and the properties that carry over from the image.

    Parameters
    ----------
    axes
        One letter per axis.
    shape
        Lengths along ``axes``.
    properties
        ``scale``, ``translate``, ``units``, ``axis_labels``: one entry per axis.
    """

    axes: str
    shape: tuple[int, ...]
    properties: dict[str, tuple[Any, ...]]

    def only(self, axes: str) -> Geometry:
        """Keep some axes, in their order here."""
        kept = [i for i, a in enumerate(self.axes) if a in axes]

        def pick(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in kept)

        properties = {k: pick(v) for k, v in self.properties.items()}
        return Geometry("".join(pick(self.axes)), pick(self.shape), properties)


def geometry_of(layer: ImageLayer, axes: str) -> Geometry:
    """Where results for an image layer lie.

    Parameters
    ----------
    layer
        The image.
    axes
        Its axis string.
    """
    plain = axes.removesuffix("S")
    names = ("scale", "translate", "units", "axis_labels")
    properties = {name: tuple(getattr(layer, name)) for name in names if hasattr(layer, name)}
    shape = tuple(int(n) for n in full_data(layer).shape[: len(plain)])
    return Geometry(plain, shape, properties).only(layer_axes(axes))


def zeros(geometry: Geometry, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Make an empty array for a result layer; all channels share their memory."""
    return shared_zeros(geometry.shape, [i for i, a in enumerate(geometry.axes) if a == "C"], dtype)


def place(index: Index, block: npt.NDArray[Any], result_axes: str, axes: str) -> tuple[Index, npt.NDArray[Any]]:
    """Turn a block of a result into one of its layer.

    Parameters
    ----------
    index
        Place of the block along ``result_axes`` (T, Z, Y, X as far as the image has them).
    block
        Its values; axes with an int in ``index`` are missing.
    result_axes, axes
        Axes of the result and of the layer.

    Examples
    --------
    >>> index, block = place((3, slice(0, 2), slice(0, 4)), np.ones((2, 4)), "TYX", "TCYX")
    >>> index, block.shape
    ((slice(3, 4, None), slice(None, None, None), slice(0, 2, None), slice(0, 4, None)), (1, 1, 2, 4))
    """
    spans = {a: slice(i, i + 1) if isinstance(i, int) else i for a, i in zip(result_axes, index, strict=True)}
    whole = block[tuple(np.newaxis if isinstance(i, int) else slice(None) for i in index)]
    whole = whole.transpose([result_axes.index(a) for a in axes if a != "C"])
    if "C" in axes:
        whole = np.expand_dims(whole, axes.index("C"))
    return tuple(spans.get(a, slice(None)) for a in axes), whole


def read_region(data: ArrayLike, axes: str, region: Region) -> npt.NDArray[Any]:
    """Read a region of one time point from an array of a layer.

    Parameters
    ----------
    data
        ``(*axes)``, or ``(K, *axes)``.
    axes
        Of the layer; those along C hold the same all along it.
    region
        What to read.

    Returns
    -------
    array
        ``(Z, Y, X)``, or ``(K, Z, Y, X)``.

    Examples
    --------
    >>> region, movie = Region((1, 2), (0, 1), (0, 4), (2, 5)), np.zeros((3, 4, 5))
    >>> read_region(movie, "TYX", region).shape, read_region(np.stack([movie] * 2), "TYX", region).shape
    ((1, 4, 3), (2, 1, 4, 3))
    """
    z, y, x = region.slices[1:]
    at: dict[str, int | slice] = {"T": region.t[0], "C": 0, "Z": z, "Y": y, "X": x}
    lead = len(data.shape) - len(axes)
    found = np.asarray(data[(*[slice(None)] * lead, *(at[a] for a in axes))])
    left = [a for a in axes if a in "ZYX"]
    found = found.transpose([*range(lead), *(lead + left.index(a) for a in "ZYX" if a in left)])
    return found if "Z" in left else np.expand_dims(found, lead)


def labels_of(layer: LabelsLayer, image: Image, geometry: Geometry, *, copy_below: int = 2**30) -> Image:
    """Describe an annotation layer, checked against the image.

    Parameters
    ----------
    layer
        The painted labels.
    image, geometry
        The image and where its results lie.
    copy_below
        Labels with fewer bytes are copied, so that painting may go on; larger ones are read as they are needed.

    Raises
    ------
    UserError
        If they are not whole numbers, or shape, scale or position differ from the image's.
    """
    check_place(layer, image, geometry)
    data = full_data(layer)
    if geometry.axes != image.result_axes:
        key = tuple(0 if a == "C" else slice(None) for a in geometry.axes)
        plain = geometry.axes.replace("C", "")
        data = np.asarray(data[key]).transpose([plain.index(a) for a in image.result_axes])
    size = int(np.prod(data.shape)) * np.dtype(data.dtype).itemsize
    if isinstance(data, np.ndarray) and size < copy_below:
        data = data.copy()
    return Image(data, image.result_axes, image.spacing, layer.name)


def check_place(layer: LabelsLayer, image: Image, geometry: Geometry) -> None:
    """Raise `UserError` unless an annotation layer holds whole numbers and lies where the image does."""
    data = full_data(layer)
    check_labels_dtype(data.dtype, f"'{layer.name}'")
    if tuple(data.shape) != geometry.shape:
        raise UserError(
            f"'{layer.name}' has shape {tuple(data.shape)}, but '{image.name}' needs labels of shape "
            f"{geometry.shape}: make a new annotation layer for this image"
        )
    for name in ("scale", "translate"):
        theirs, ours = np.asarray(getattr(layer, name)), np.asarray(geometry.properties[name])
        if not np.allclose(theirs, ours):
            raise UserError(
                f"'{layer.name}' has {name} {_round(theirs)}, but '{image.name}' has {_round(ours)}: "
                "make a new annotation layer for this image"
            )


def _round(values: npt.NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(f"{v:.4g}") for v in values)


def place_of(layer: Layer, point: Sequence[float]) -> npt.NDArray[Any]:
    """Place of a point of the world in the data of a layer; napari lines up the last axes, others are at 0."""
    whole = (0.0,) * (layer.ndim - len(point)) + tuple(point)
    return np.asarray(layer.world_to_data(whole[-layer.ndim :]))


def plane_of(layer: LabelsLayer, geometry: Geometry, t: int, z: int) -> npt.NDArray[Any]:
    """Read one plane (Y, X) of a layer that lies where results do."""
    at = {"T": t, "C": 0, "Z": z}
    return np.asarray(full_data(layer)[tuple(at.get(a, slice(None)) for a in geometry.axes)])


def plane_at(layer: ImageLayer, image: Image, point: Sequence[float]) -> tuple[int, int]:
    """(t, z) of the plane of an image that is seen at a point of the world.

    Parameters
    ----------
    layer, image
        The image.
    point
        ``viewer.dims.point``; the layer's axes are the last ones.
    """
    position = place_of(layer, point)
    at = dict(zip(image.axes.removesuffix("S"), position, strict=True))
    t, z = (int(np.clip(round(float(at.get(a, 0))), 0, image.size(a) - 1)) for a in "TZ")
    return t, z
