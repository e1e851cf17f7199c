"""Telling images and annotations apart by what they hold, not by their names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image


def digest(pixels: npt.NDArray[Any]) -> str:
    """Hash the values of an array.

    Examples
    --------
    >>> digest(np.arange(3)) == digest(np.arange(6)[:3]), digest(np.arange(3)) == digest(np.arange(1, 4))
    (True, False)
    """
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).hexdigest()


def fingerprint(image: Image) -> str:
    """Hash the shape, the type and a bounded sample of an image, see `napari_unet.arrays.intensity.sample`.

    An image of any size takes a moment; a change that the sample does not meet is not noticed.

    Examples
    --------
    >>> image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    >>> fingerprint(Image(image, "YX")) == fingerprint(Image(image.copy(), "YX"))
    True
    >>> fingerprint(Image(image, "YX")) == fingerprint(Image(image + 1, "YX"))
    False
    """
    shape, dtype = tuple(int(n) for n in image.data.shape), np.dtype(image.data.dtype)
    described = f"{shape} {dtype.name} {digest(intensity.sample(image))}"
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def painted_digest(plane: npt.NDArray[Any]) -> str | None:
    """SHA-256 over which elements of a plane are not 0, and their values; None if all are 0.

    The type of the values does not matter: converted labels are the same labels.

    Examples
    --------
    >>> plane = np.zeros((4, 5), np.uint8)
    >>> painted_digest(plane)
    >>> plane[1, 2] = 3
    >>> painted_digest(plane) == painted_digest(plane.astype(np.int32))
    True
    """
    where = np.flatnonzero(plane)
    if not where.size:
        return None
    found = hashlib.sha256(f"{plane.shape}".encode())
    found.update(where.astype("<i8").data)
    found.update(plane.reshape(-1)[where].astype("<i8").data)
    return found.hexdigest()


def labels_hash(planes: Mapping[tuple[int, int, int], str]) -> str:
    """SHA-256 over an annotation: the hashes of its painted planes and where they are.

    Parameters
    ----------
    planes
        What `painted_digest` says, by the number of the image, t and z of the plane.

    Examples
    --------
    >>> labels_hash({(0, 0, 3): "a", (0, 0, 1): "b"}) == labels_hash({(0, 0, 1): "b", (0, 0, 3): "a"})
    True
    """
    lines = (f"{place} {planes[place]}\n" for place in sorted(planes))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
