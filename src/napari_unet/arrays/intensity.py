"""Grey values: fitted once on a bounded sample of the whole image, then applied to every tile alike.

Fitting per tile would make seams between tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.spec import NormalisationSpec

MAX_PLANES = 24
MAX_BLOCK = 1024
"""A sampled plane is read as a central block of at most this many pixels per side, if it is larger."""


@dataclass(frozen=True)
class Normalisation:
    """``(x - offset) / scale`` per channel.

    Examples
    --------
    >>> Normalisation((10.0,), (5.0,)).apply(np.full((1, 1, 1, 2), 20, np.uint8))
    array([[[[2., 2.]]]], dtype=float32)
    """

    offset: tuple[float, ...]
    scale: tuple[float, ...]

    def apply(self, block: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Normalise a block whose first axis is the channel; NaN and infinite values become 0."""
        shape = (-1,) + (1,) * (block.ndim - 1)
        offset = np.asarray(self.offset, np.float32).reshape(shape)
        scale = np.asarray(self.scale, np.float32).reshape(shape)
        if block.dtype.kind != "f":
            return (block.astype(np.float32) - offset) / scale
        with np.errstate(invalid="ignore", over="ignore"):
            result = (block.astype(np.float32) - offset) / scale
        result[~np.isfinite(result)] = 0
        return result


def sample(image: Image) -> npt.NDArray[Any]:
    """Read a bounded, evenly spread sample of an image; axes C, N."""
    t, _, z, y, x = image.shape
    planes = np.unique(np.linspace(0, t * z - 1, min(MAX_PLANES, t * z)).round().astype(int))
    rows, columns = _centre(y), _centre(x)
    blocks = [
        image.read(int(p // z), slice(int(p % z), int(p % z) + 1), rows, columns).reshape(image.size("C"), -1)
        for p in planes
    ]
    return np.concatenate(blocks, axis=1)


def _centre(size: int) -> slice:
    start = max(0, (size - MAX_BLOCK) // 2)
    return slice(start, min(size, start + MAX_BLOCK))


def fit(image: Image, spec: NormalisationSpec | None = None) -> Normalisation:
    """Fit the normalisation of an image.

    Parameters
    ----------
    image
        Any size; at most `MAX_PLANES` planes of it are read.
    spec
        The method; see `NormalisationSpec`.

    Raises
    ------
    UserError
        If a channel is constant or has no finite value, or the data are not numbers.

    Examples
    --------
    >>> fit(Image(np.array([[0, 2], [0, 2]]), "YX"), NormalisationSpec(method="meanstd"))
    Normalisation(offset=(1.0,), scale=(1.0,))
    """
    spec = spec or NormalisationSpec()
    check_dtype(image)
    fitted = [_fit_channel(v, spec, image, c) for c, v in enumerate(sample(image))]
    return Normalisation(tuple(o for o, _ in fitted), tuple(s for _, s in fitted))


def check_dtype(image: Image) -> None:
    """Raise `UserError` unless the image holds real numbers."""
    kind = np.dtype(image.data.dtype).kind
    if kind not in "buif":
        raise UserError(f"{image.name} holds {image.data.dtype} values; an image needs real numbers")


def _fit_channel(
    values: npt.NDArray[Any], spec: NormalisationSpec, image: Image, channel: int
) -> tuple[float, float]:
    where = image.name if image.size("C") == 1 else f"channel {channel} of {image.name}"
    finite = values.astype(np.float64, copy=False)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        raise UserError(f"{where} has no finite pixel (all NaN or infinite)")
    if finite.min() == finite.max():
        raise UserError(
            f"{where} is constant (every sampled pixel is {finite[0]:g}); there is nothing to learn from"
        )
    if spec.method == "none":
        return 0.0, 1.0
    if spec.method == "percentile":
        low, high = np.percentile(finite, (0.5, 99.5))
        if high > low:
            return float((low + high) / 2), float((high - low) / 4)
    return float(finite.mean()), float(finite.std())


def count_invalid(block: npt.NDArray[Any]) -> int:
    """Count the NaN and infinite values of a block."""
    return int(block.size - np.isfinite(block).sum()) if block.dtype.kind == "f" else 0
