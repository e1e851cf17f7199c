"""The window's end of a read: looks elements up in the layers' arrays, in a thread of its own."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import ArrayLike, Image
from napari_unet.engine.keys import decode_key, describe_key
from napari_unet.engine.messages import ImageRef, ReadAnswer, ReadFailure, ReadRequest
from napari_unet.engine.wire import WireError, check_dtype
from napari_unet.errors import UserError
from napari_unet.storage.opened import file_of

Answer = Callable[[ReadAnswer | ReadFailure, npt.NDArray[Any] | None], None]


class ArrayServer:
    """Arrays that the worker may read from, by number.

    Examples
    --------
    >>> server = ArrayServer()
    >>> ref = server.lend(Image(np.arange(12).reshape(3, 4), "YX"))
    >>> request = ReadRequest(request=1, array=ref.array, key=(2, (None, None, -2)))
    >>> answer, array = server.look_up(request)
    >>> array
    array([11,  9])
    >>> server.take_back(ref)
    >>> server.look_up(request)[0].message
    'the image is no longer there'
    """

    def __init__(self) -> None:
        self._arrays: dict[int, tuple[ArrayLike, str]] = {}
        self._numbers = itertools.count(1)

    def lend(self, image: Image) -> ImageRef:
        """Let the worker read an image until `take_back`."""
        dtype = check_image(image)
        number = next(self._numbers)
        self._arrays[number] = (image.data, image.name)
        return ImageRef(
            array=number,
            shape=tuple(int(n) for n in image.data.shape),
            dtype=dtype.str,
            axes=image.axes,
            spacing=image.spacing,
            name=image.name,
            path=str(file_of(image) or ""),
        )

    def take_back(self, *refs: ImageRef) -> None:
        """Forget images; reads of them fail from now on."""
        for ref in refs:
            self._arrays.pop(ref.array, None)

    def __len__(self) -> int:
        return len(self._arrays)

    def look_up(self, request: ReadRequest) -> tuple[ReadAnswer | ReadFailure, npt.NDArray[Any] | None]:
        """Answer one request; a failing read is tried twice."""
        data, name = self._arrays.get(request.array, (None, ""))
        if data is None:
            return ReadFailure(request=request.request, message="the image is no longer there"), None
        key = decode_key(request.key)
        try:
            return ReadAnswer(request=request.request), _read(data, key)
        except Exception as error:  # noqa: BLE001 - files, networks, users' dask graphs: anything may be raised
            place = f"{name} at {describe_key(request.key)}"
            words = f"{type(error).__name__}: {error}".strip(": ")
            return ReadFailure(
                request=request.request, message=f"could not read {place} (tried twice): {words}"
            ), None


def _read(data: ArrayLike, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
    try:
        return np.asarray(data[key])
    except Exception:  # noqa: BLE001 - a network drive may just have been slow: once more
        return np.asarray(data[key])


def check_image(image: Image) -> np.dtype[Any]:
    """Return the type of an image's elements if they can be sent.

    Raises
    ------
    UserError
        If they are neither numbers nor bools.
    """
    dtype = np.dtype(image.data.dtype)
    try:
        return check_dtype(dtype)
    except WireError as error:
        raise UserError(f"{image.name} holds {dtype}; an image holds numbers") from error


class ServingThread:
    """Answers requests one after another, away from the window's thread and from the pipe's."""

    def __init__(self, server: ArrayServer, answer: Answer) -> None:
        self._server, self._answer = server, answer
        self._requests: queue.SimpleQueue[ReadRequest | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="engine-serving", daemon=True).start()

    def ask(self, request: ReadRequest) -> None:
        """Queue a request."""
        self._requests.put(request)

    def end(self) -> None:
        """End the thread after the request at hand."""
        self._requests.put(None)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            self._answer(*self._server.look_up(request))
