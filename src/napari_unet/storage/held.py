"""Which file holds the image of a layer, which names the file it was opened from, but may show something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint
from napari_unet.errors import UserError
from napari_unet.spec import ImageFacts
from napari_unet.storage.cut import one_channel
from napari_unet.storage.opened import FileImage, file_of
from napari_unet.storage.read import open_image
from napari_unet.storage.records import facts_of


@dataclass(frozen=True)
class Held:
    """How a file is to be opened to see an image.

    Parameters
    ----------
    axes
        Of the whole file.
    stored_axes
        As the file tells them, or as they are guessed.
    channel
        The one that the image is, from 0; None: the whole file.
    shape, fingerprint
        Of what is opened; that of one channel keeps its axis.
    """

    axes: str
    stored_axes: str
    channel: int | None
    shape: tuple[int, ...]
    fingerprint: str


def find_in_file(image: Image, path: Path, known: str | None = None) -> Held | None:
    """Find an image in a file; None if the file cannot be read, or holds something else.

    Parameters
    ----------
    image
        A bounded sample of it is read.
    path
        The file. A small one is decoded, a large one is sampled; the same again costs nothing.
    known
        The fingerprint of the image, if it is known already.
    """
    try:
        modified = path.stat().st_mtime_ns
    except OSError:
        return None
    shape = tuple(int(n) for n in image.data.shape)
    return _find(path, modified, image.axes, shape, known or fingerprint(image))


def facts_in_file(image: Image) -> tuple[ImageFacts, int | None]:
    """Tell which image it is, and which channel of its file if it is only one of them.

    The file is told only if it holds the image. A sample of both is read.
    """
    own = fingerprint(image)
    facts, path = facts_of(image, known=own), file_of(image)
    if path is None:
        return facts, None
    held = find_in_file(image, path, own)
    if held is None:
        return facts.model_copy(update={"path": None, "record": None}), None
    seen = {"axes": held.axes, "shape": held.shape, "fingerprint": held.fingerprint}
    return facts.model_copy(update=seen), held.channel


def with_true_file(image: Image) -> Image:
    """Take the file of an image away unless the whole file holds it, and nothing else."""
    path = file_of(image)
    held = None if path is None else find_in_file(image, path)
    if held is not None and held.channel is None:
        return image
    return Image(image.data, image.axes, image.spacing, image.name, where=image.where)


@lru_cache(maxsize=64)
def _find(path: Path, _modified: int, axes: str, shape: tuple[int, ...], wanted: str) -> Held | None:
    try:
        stored = open_image(path)
    except UserError:  # another kind of file, that a reader of napari's knows
        return None
    for told, channel, seen in _views(stored, axes, shape):
        if fingerprint(seen) == wanted:
            opened = one_channel(replace(stored, axes=told), channel)
            size = tuple(int(n) for n in opened.data.shape)
            own = wanted if channel is None else fingerprint(opened)
            return Held(told, stored.axes, channel, size, own)
    return None


def _views(stored: FileImage, axes: str, shape: tuple[int, ...]) -> Iterator[tuple[str, int | None, Image]]:
    """Give what a layer with these axes may show of a file: axes of the file, channel, pixels."""
    lengths = tuple(int(n) for n in stored.data.shape)
    if lengths == shape:
        yield axes, None, Image(stored.data, axes)
    at = max(stored.axes.find("C"), stored.axes.find("S"))
    if at < 0 or lengths[:at] + lengths[at + 1 :] != shape or {"C", "S"} & set(axes):
        return
    told = axes[:at] + stored.axes[at] + axes[at:]
    import dask.array as da  # zarr arrays would read all channels

    data = stored.data if isinstance(stored.data, np.ndarray) else da.asarray(stored.data)
    for channel in range(lengths[at]):
        part = data[(slice(None),) * at + (channel,)]
        yield told, channel, Image(part, axes)
