"""A part of an image, seen as an image: nothing is read or copied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.storage.opened import FileImage


def one_channel(image: FileImage, channel: int | None) -> FileImage:
    """See one channel of an image; its axis stays, with a length of 1. None: the image as it is.

    Raises
    ------
    UserError
        If there is no such channel.

    Examples
    --------
    >>> image = FileImage(np.arange(3 * 2 * 2).reshape(3, 2, 2), "CYX", name="a.tif")
    >>> one_channel(image, 2).read().ravel().tolist()
    [8, 9, 10, 11]
    >>> one_channel(image, 3)
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: a.tif has no channel 3: it has 3, from 0 to 2
    """
    if channel is None:
        return image
    count = image.size("C")
    if not 0 <= channel < count:
        raise UserError(f"{image.name} has no channel {channel}: it has {count}, from 0 to {count - 1}")
    return _seen(image, {"C": slice(channel, channel + 1), "S": slice(channel, channel + 1)})


def cut(image: FileImage, region: Region) -> FileImage:
    """See a region of an image.

    Examples
    --------
    >>> image = FileImage(np.zeros((5, 8, 8)), "ZYX")
    >>> cut(image, Region((0, 1), (2, 4), (0, 8), (1, 4))).data.shape
    (2, 8, 3)
    """
    where = image.where.moved([first for first, _ in region.ranges], image.spacing)
    return replace(_seen(image, dict(zip("TZYX", region.slices, strict=True))), where=where)


def _seen(image: FileImage, spans: dict[str, slice]) -> FileImage:
    data: Any = image.data
    index = tuple(spans.get(a, slice(None)) for a in image.axes)
    if all(s.indices(n) == (0, n, 1) for s, n in zip(index, data.shape, strict=True)):
        return image
    if not isinstance(data, np.ndarray):
        import dask.array as da

        data = da.asarray(data)
    return replace(image, data=data[index])
