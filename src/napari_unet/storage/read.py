"""Open image and label files, whatever their format."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.storage import budget
from napari_unet.storage.formats import READABLE, image_paths, kind_of
from napari_unet.storage.opened import FileImage, Raw, checked_type, describe, settle_axes
from napari_unet.storage.picture import open_picture
from napari_unet.storage.tiff import open_tiff, tiff_axes

__all__ = ["describe", "open_image", "open_images", "open_labels", "read_whole"]

AnyPath = str | os.PathLike[str]


def open_image(path: AnyPath, axes: str | None = None, *, rgb: bool | None = None) -> FileImage:
    """Open an image; pixels of large ones are read when they are needed.

    Parameters
    ----------
    path
        TIFF, OME-TIFF, zarr array, OME-Zarr group (0.4, 0.5; the full resolution), PNG or JPEG.
    axes
        One letter per axis, such as ``"CZYX"``; None: from the file, else guessed from the shape.
    rgb
        Whether the last axis holds colours; None: as the file says, else guessed.

    Returns
    -------
    FileImage
        Its ``axes_source`` says where the axes come from, `describe` puts it in words. Spacing is in
        micrometres where the file states a known unit.

    Raises
    ------
    UserError
        If the file is missing, damaged, of an unknown kind, or does not fit into memory.
    """
    path = Path(path)
    return _image(path, _open(path, labels=False), axes, rgb)


def open_images(path: AnyPath, axes: str | None = None) -> list[tuple[str, FileImage]]:
    """Open an image, or every image of a folder, as (file name, image) by sorted name."""
    return [(p.name, open_image(p, axes)) for p in image_paths(Path(path))]


def open_labels(path: AnyPath, axes: str | None = None) -> FileImage:
    """Open a label image; as `open_image`, but refuses what cannot be labels.

    Booleans become 0 and 1. In pictures with a palette the indices are the labels.

    Raises
    ------
    UserError
        Also for colours and for floating-point numbers.
    """
    path = Path(path)
    labels = _image(path, _open(path, labels=True), axes, None)
    if "S" in labels.axes and labels.size("S") > 1:
        raise UserError(
            f"{path}: label values cannot be told from colours ({labels.size('S')} colour samples per pixel); "
            "save the labels as one whole number per pixel, such as a 16-bit TIFF"
        )
    kind = np.dtype(labels.data.dtype).kind
    if kind == "f":
        raise UserError(
            f"{path}: labels must be whole numbers, these are {labels.data.dtype}; save them as uint16"
        )
    if kind == "b" and isinstance(labels.data, np.ndarray):
        return replace(labels, data=labels.data.astype(np.uint8))
    return labels


def axes_in_file(path: Path, shape: tuple[int, ...]) -> str | None:
    """Axes that a file tells of its image; None if it tells none, or if the image has another shape.

    No pixel is read. A file that cannot be read tells nothing.
    """
    try:
        kind = kind_of(path)
        if kind == "tiff":
            found, axes = tiff_axes(path)
        elif kind == "zarr":
            raw = _open(path, labels=False)
            found, axes = tuple(raw.data.shape), raw.axes or ""
        else:
            return None
        settled, source = settle_axes(found, None, axes)
    except (UserError, OSError):
        return None
    return settled if source == "file" and found == shape else None


def read_whole(image: Image) -> npt.NDArray[Any]:
    """Read all pixels, in the order of ``image.axes`` and native-endian.

    Raises
    ------
    UserError
        If they do not fit into memory.
    """
    size = budget.nbytes(image.data.shape, image.data.dtype)
    budget.check_memory(size, image.name, "cut out a part of it")
    block = np.asarray(image.data[(slice(None),) * len(image.axes)])
    return block.astype(block.dtype.newbyteorder("="), copy=False)


def _open(path: Path, *, labels: bool) -> Raw:
    kind = kind_of(path)
    if kind is None or not path.exists():
        image_paths(path)  # explains what is wrong, if anything is
        raise UserError(f"{path}: is a folder; name one image ({READABLE})")
    if kind == "tiff":
        return open_tiff(path)
    if kind == "picture":
        return open_picture(path, labels=labels)
    from napari_unet.storage.ome_zarr import open_zarr  # half a second that TIFFs need not wait

    return open_zarr(path)


def _image(path: Path, raw: Raw, told: str | None, rgb: bool | None) -> FileImage:
    checked_type(np.dtype(raw.data.dtype), path.name)
    shape = tuple(int(n) for n in raw.data.shape)
    if 0 in shape:
        raise UserError(f"{path}: the image is empty, its shape is {shape}")
    found = raw.axes
    if rgb is not None and told is None and (found is None or found.endswith("S") != rgb):
        found = "?" * (len(shape) - 1) + ("S" if rgb else "?")
    try:
        axes, source = settle_axes(shape, told, found)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return FileImage(
        data=raw.data,
        axes=axes,
        spacing=raw.spacing,
        name=path.name,
        unit=raw.unit,
        path=path,
        axes_source=source,
        warning=raw.warning,
        where=raw.where,
    )
