"""Save an image of any size as OME-TIFF, a few planes at a time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_unet.arrays.axes import ArrayLike, check_axes
from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.files import replacing
from napari_unet.storage import budget
from napari_unet.storage.creator import Facts, as_annotation
from napari_unet.storage.units import time_symbol

TILE = 512
"""Length of a tile along Y and X, in files of large planes."""

LARGE = 2**26
"""Planes of more bytes are read and stored in tiles; also what is read ahead, and compressed at once."""


def export_tiff(
    array: ArrayLike,
    path: str | os.PathLike[str],
    axes: str,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    unit: str = "pixel",
    classes: Sequence[str] = (),
    where: Where = UNPLACED,
    stamp: str | None = None,
    creator: Facts | None = None,
) -> None:
    """Write a compressed OME-TIFF, which takes its name when it is whole.

    Planes are read one after the other, as many at once as one chunk of a zarr is deep, up to `LARGE` bytes.

    Parameters
    ----------
    array
        Anything that gives its pixels for slices: numpy, zarr.
    path
        Of the file; its folder exists.
    axes
        One letter per axis; Y and X, or Y, X and S, come last.
    spacing, unit
        Size of a voxel along Z, Y, X; "micrometer" or "pixel". (1, 1, 1) counts as unknown and is left out.
    classes
        Names of the channels.
    where
        Place of the first voxel, its origin in ``unit``, from which the position of every plane follows. Times are
        written where their unit is known, for a time without one would be seconds.
    stamp
        See `napari_unet.storage.stamp`.
    creator
        What makes the image, kept in the file: see `napari_unet.storage.creator`.

    Raises
    ------
    UserError
        If ``axes`` do not fit.
    OSError
        If the disk is full, for example; an older file at ``path`` stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> from napari_unet.storage.read import open_image
    >>> path = Path(tempfile.mkdtemp()) / "mask.ome.tif"
    >>> export_tiff(np.eye(4, dtype="uint8"), path, "YX", (1, 0.5, 0.5), unit="micrometer")
    >>> image = open_image(path)
    >>> image.axes, image.spacing, int(image.data.sum())
    ('YX', (0.5, 0.5, 0.5), 4)
    """
    shape, dtype = tuple(int(n) for n in array.shape), np.dtype(array.dtype)
    axes = check_axes(axes, shape)
    plane = "YXS" if "S" in axes else "YX"
    if not axes.endswith(plane):
        raise ValueError(f"axes {axes}: {plane} must come last in a TIFF")
    lead = len(axes) - len(plane)
    large = budget.nbytes(shape[lead:], dtype) > LARGE
    with replacing(Path(path)) as temporary:
        tifffile.imwrite(
            temporary,
            (_tiles if large else _planes)(array, lead),
            shape=shape,
            dtype=dtype,
            tile=(TILE, TILE) if large else None,
            ome=True,
            photometric="minisblack",
            planarconfig="contig" if "S" in axes else None,
            compression="zlib",
            software=stamp,
            metadata=_metadata(shape, axes, spacing, unit, classes, where) | as_annotation(creator),
            bigtiff=budget.nbytes(shape, dtype) > 2**31,
            buffersize=LARGE,
        )


def _metadata(
    shape: Sequence[int],
    axes: str,
    spacing: Sequence[float],
    unit: str,
    classes: Sequence[str],
    where: Where,
) -> dict[str, Any]:
    """Return what goes into the OME-XML, in the words of tifffile."""
    known: dict[str, Any] = {"axes": axes}
    symbol = "µm" if unit == "micrometer" else "pixel"
    if tuple(spacing) != (1.0, 1.0, 1.0):
        for axis, length in zip("ZYX", spacing, strict=True):
            if axis in axes:
                known[f"PhysicalSize{axis}"] = float(length)
                known[f"PhysicalSize{axis}Unit"] = symbol
    planes: dict[str, Any] = {}
    if any(where.origin):
        planes |= _positions(shape, axes, spacing, symbol, where.origin)
    if where.time_unit and "T" in axes:
        time = {"TimeIncrement": where.step, "TimeIncrementUnit": time_symbol(where.time_unit)}
        known |= time
        planes |= _times(shape, axes, where) if where.start else {}
    if planes:
        known["Plane"] = planes
    if classes and "C" in axes:
        known["Channel"] = {"Name": list(classes)}
    return known


def _positions(
    shape: Sequence[int], axes: str, spacing: Sequence[float], symbol: str, origin: Sequence[float]
) -> dict[str, Any]:
    """Return the place of every plane, in the order in which they are written."""
    depths = _numbers(shape, axes, "Z")
    z, y, x = (float(o) for o in origin)
    known = {
        "PositionX": [x] * len(depths),
        "PositionY": [y] * len(depths),
        "PositionZ": [z + d * float(spacing[0]) for d in depths],
    }
    return known | {f"{name}Unit": [symbol] * len(depths) for name in known}


def _times(shape: Sequence[int], axes: str, where: Where) -> dict[str, Any]:
    """Return the time of every plane, in the order in which they are written."""
    frames = _numbers(shape, axes, "T")
    return {
        "DeltaT": [where.start + n * where.step for n in frames],
        "DeltaTUnit": [time_symbol(where.time_unit)] * len(frames),
    }


def _numbers(shape: Sequence[int], axes: str, axis: str) -> list[int]:
    """Return the number along an axis of every plane, in the order in which they are written."""
    lead = axes[: axes.index("Y")]
    lengths = [range(n) for n in shape[: len(lead)]]
    return [i[lead.index(axis)] if axis in lead else 0 for i in itertools.product(*lengths)]


def _planes(array: ArrayLike, lead: int) -> Iterator[npt.NDArray[Any]]:
    """Give the planes of an array in order; ``lead`` axes come before them."""
    if not lead:
        yield np.asarray(array[...])
        return
    deep = _depth(array, lead)
    for index in np.ndindex(*array.shape[: lead - 1]):
        for start in range(0, array.shape[lead - 1], deep):
            yield from np.asarray(array[(*index, slice(start, start + deep))])


def _depth(array: ArrayLike, lead: int) -> int:
    """Planes to read at once: those of one chunk, which would else be decoded for every plane of it."""
    chunks = getattr(array, "chunks", None)
    deep = int(chunks[lead - 1]) if chunks else 1
    return max(1, min(deep, LARGE // budget.nbytes(array.shape[lead:], array.dtype)))


def _tiles(array: ArrayLike, lead: int) -> Iterator[npt.NDArray[Any]]:
    """Give the tiles of every plane, row by row; those at the ends are padded by tifffile."""
    height, width = array.shape[lead : lead + 2]
    across = _across(array, lead)
    for index in np.ndindex(*array.shape[:lead]):
        for y in range(0, height, TILE):
            for x in range(0, width, across):
                band = np.asarray(array[(*index, slice(y, y + TILE), slice(x, x + across))])
                for start in range(0, band.shape[1], TILE):
                    yield band[:, start : start + TILE]


def _across(array: ArrayLike, lead: int) -> int:
    """Columns to read at once along a row of tiles: a multiple of a tile, up to `LARGE` bytes."""
    tile = budget.nbytes((TILE, TILE, *array.shape[lead + 2 :]), array.dtype)
    return max(1, LARGE // tile) * TILE
