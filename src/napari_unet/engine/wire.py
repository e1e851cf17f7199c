"""Frames on a byte stream: a message in JSON and at most one raw array; nothing is unpickled.

One frame::

    4 bytes    length m of the message, big-endian
    4 bytes    length d of the description of the array, 0 without an array
    m bytes    message, JSON in UTF-8
    d bytes    {"dtype": "<u2", "shape": [3, 64, 64]}
    the array's elements, C order
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

_LENGTHS = struct.Struct(">II")
_MAX_JSON = 64 << 20
"""A longer message means that the two sides are out of step: better to say so than to ask for the memory."""


class WireError(RuntimeError):
    """The stream holds no frame where one should start, or ends in the middle of one."""


class ArrayDescription(BaseModel):
    """What must be known to read an array's bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: tuple[NonNegativeInt, ...]

    def empty(self) -> npt.NDArray[Any]:
        """Make an array to be filled."""
        return np.empty(self.shape, check_dtype(np.dtype(self.dtype)))


def check_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return ``dtype`` if its elements are plain numbers or bools.

    Raises
    ------
    WireError
        For objects, strings, dates and records.

    Examples
    --------
    >>> check_dtype(np.dtype(">u2")).str
    '>u2'
    """
    if dtype.kind not in "biufc":
        raise WireError(f"an array of type {dtype} cannot be sent; numbers and bools can")
    return dtype


def send_frame(stream: BinaryIO, message: bytes, array: npt.NDArray[Any] | None = None) -> None:
    """Write one frame and flush it.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> send_frame(stream, b'{"a": 1}', np.arange(4)[::-2])
    >>> _ = stream.seek(0)
    >>> receive_frame(stream)
    (b'{"a": 1}', array([3, 1]))
    >>> receive_frame(stream) is None
    True
    """
    description = b""
    if array is not None:
        check_dtype(array.dtype)
        description = ArrayDescription(dtype=array.dtype.str, shape=array.shape).model_dump_json().encode()
    stream.write(_LENGTHS.pack(len(message), len(description)) + message + description)
    if array is not None:
        stream.write(_bytes_of(np.ascontiguousarray(array)))
    stream.flush()


def receive_frame(stream: BinaryIO) -> tuple[bytes, npt.NDArray[Any] | None] | None:
    """Read one frame; None at the end of the stream.

    Raises
    ------
    WireError
        If what follows is no frame, or the stream ends within one.
    """
    lengths = bytearray(_LENGTHS.size)
    if not _fill(stream, memoryview(lengths), may_end=True):
        return None
    message_length, description_length = _LENGTHS.unpack(lengths)
    if max(message_length, description_length) > _MAX_JSON:
        raise WireError(f"no frame starts with {bytes(lengths)!r}")
    message = bytearray(message_length)
    _fill(stream, memoryview(message))
    if not description_length:
        return bytes(message), None
    description = bytearray(description_length)
    _fill(stream, memoryview(description))
    try:
        array = ArrayDescription.model_validate_json(bytes(description)).empty()
    except (ValidationError, TypeError) as error:
        raise WireError(f"no array can be made from {bytes(description)[:200]!r}") from error
    _fill(stream, _bytes_of(array))
    return bytes(message), array


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    """Give the memory of a contiguous array (`memoryview.cast` refuses empty ones)."""
    return array.reshape(-1).view(np.uint8).data


def _fill(stream: BinaryIO, buffer: memoryview, may_end: bool = False) -> bool:
    """Fill ``buffer`` from ``stream``; False if the stream has ended before the first byte and may do so."""
    done = 0
    while done < len(buffer):
        n = stream.readinto(buffer[done:])  # type: ignore[attr-defined]  # all buffered streams have it
        if not n:
            if may_end and done == 0:
                return False
            raise WireError(f"the stream ended {len(buffer) - done} bytes before the end of a frame")
        done += n
    return True
