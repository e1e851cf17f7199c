"""The worker's view of arrays that live in the window: read a part, write a part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.engine.keys import Key, encode_key, key_shape
from napari_unet.engine.messages import BlockReport, ImageRef, OutputInfo
from napari_unet.errors import UserError
from napari_unet.storage.opened import FileImage

Send = Callable[[BlockReport, npt.NDArray[Any]], None]


class ReadError(UserError):
    """The window could not read a part of an image; the message names it."""


class Reader(Protocol):
    """Fetches elements from the window."""

    def read(self, array: int, key: Key) -> npt.NDArray[Any]:
        """Ask for ``key`` of array number ``array`` and wait for the answer."""


class RemoteArray:
    """An array whose elements stay in the window; each indexing asks for that part only.

    Safe to use from several threads. Ints and slices only, as in `Image.read`.
    """

    def __init__(self, reader: Reader, number: int, shape: tuple[int, ...], dtype: str, name: str = "image"):
        self._reader, self._number, self._name = reader, number, name
        self.shape, self.dtype = shape, np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any, /) -> npt.NDArray[Any]:
        asked = encode_key(key, self.ndim)
        expected = key_shape(asked, self.shape)
        got = self._reader.read(self._number, asked)
        if got.shape != expected:
            raise ReadError(
                f"{self._name} has changed while it was being read: expected a part of shape {expected}, "
                f"got {got.shape}; start again"
            )
        return got.astype(self.dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[...].astype(self.dtype if dtype is None else dtype, copy=False)


def remote_image(reader: Reader, ref: ImageRef) -> Image:
    """Make the worker's image from the window's reference."""
    data = RemoteArray(reader, ref.array, ref.shape, ref.dtype, ref.name)
    if ref.path:
        return FileImage(data, ref.axes, ref.spacing, ref.name, path=Path(ref.path))
    return Image(data, ref.axes, ref.spacing, ref.name)


class RemoteOutput:
    """A writable array in the window: every assignment sends a block there."""

    def __init__(self, send: Send, info: OutputInfo):
        self._send, self._output = send, info.output
        self.shape, self.dtype = info.shape, np.dtype(info.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __setitem__(self, key: Any, value: Any, /) -> None:
        place = encode_key(key, self.ndim)
        block = np.broadcast_to(np.asarray(value, self.dtype), key_shape(place, self.shape))
        self._send(BlockReport(output=self._output, key=place), block)
