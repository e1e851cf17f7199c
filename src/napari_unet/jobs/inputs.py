"""From what a user gives (arrays, files, folders) to images with axes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_unet.arrays.axes import ArrayLike, Image, guess_axes
from napari_unet.errors import UserError
from napari_unet.storage.pairs import like_image, pair_images
from napari_unet.storage.read import open_image, open_labels

Source = ArrayLike | Image | str | os.PathLike[str]
"""An array (numpy, dask, zarr), an image with its axes, or the name of a file."""


def as_image(data: Source, axes: str | None = None, name: str = "image") -> Image:
    """Tell the axes of an array, or open a file; axes that are neither told nor in the file are guessed.

    Raises
    ------
    UserError
        If it is neither an array nor a file that can be read.

    Examples
    --------
    >>> as_image([1, 2])
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: the image is a list; give a numpy, dask or zarr array, or the name of a file
    """
    if isinstance(data, Image):
        return data
    if isinstance(data, str | os.PathLike):
        return open_image(data, axes)
    array = _checked(data, name)
    return Image(array, axes or guess_axes(array.shape), name=name)


def with_spacing(image: Image, spacing: Sequence[float]) -> Image:
    """Give an image another size of its voxels.

    Parameters
    ----------
    image
        Any.
    spacing
        Along Y, X or Z, Y, X, in any unit.

    Raises
    ------
    UserError
        If it is not two or three numbers above 0.

    Examples
    --------
    >>> import numpy as np
    >>> with_spacing(as_image(np.zeros((4, 5, 5))), (0.5, 0.1, 0.1)).spacing
    (0.5, 0.1, 0.1)
    """
    lengths = tuple(float(s) for s in spacing)
    if len(lengths) not in (2, 3) or not all(0 < s < math.inf for s in lengths):
        raise UserError(
            f"the spacing {spacing} is no size of a voxel; give two or three numbers above 0 (Z, Y, X)"
        )
    z, y, x = (1.0, *lengths)[-3:]
    return replace(image, spacing=(z, y, x))


def as_labels(labels: Source, image: Image) -> Image:
    """Tell the axes of labels: the image's, without its channels, unless they are told; or open a file."""
    if isinstance(labels, Image):
        return labels
    if isinstance(labels, str | os.PathLike):
        return like_image(open_labels(labels), image)
    array = _checked(labels, "labels")
    if len(array.shape) != len(image.result_axes):
        raise UserError(
            f"the labels have shape {tuple(array.shape)}, the image {tuple(image.data.shape)} ({image.axes}); "
            f"labels need the axes {image.result_axes}"
        )
    return Image(array, image.result_axes, image.spacing, "labels")


def as_pairs(
    images: Source | Sequence[Source], labels: Source | Sequence[Source], axes: str | None = None
) -> list[tuple[Image, Image]]:
    """Pair images with labels: one and one, two lists in their order, or two folders by file name."""
    if isinstance(images, str | os.PathLike) and isinstance(labels, str | os.PathLike):
        return [*pair_images(images, labels, axes)]
    given: list[list[Any]] = [[*v] if isinstance(v, list | tuple) else [v] for v in (images, labels)]
    ones, twos = given
    if len(ones) != len(twos):
        raise UserError(f"{len(ones)} images but {len(twos)} label images")
    opened = [as_image(one, axes) for one in ones]
    return [(image, as_labels(two, image)) for image, two in zip(opened, twos, strict=True)]


def _checked(data: Any, name: str) -> ArrayLike:
    """Return what is an array."""
    if not (hasattr(data, "shape") and hasattr(data, "dtype")):
        kind = "None" if data is None else f"a {type(data).__name__}"
        verb = "are" if name == "labels" else "is"
        raise UserError(f"the {name} {verb} {kind}; give a numpy, dask or zarr array, or the name of a file")
    array: ArrayLike = data
    return array
