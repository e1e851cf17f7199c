"""Grey values: fitted once on a bounded sample of the whole image, then applied to every tile alike.

Fitting per tile would make seams between tiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.spec import NormalisationSpec

MAX_PLANES = 24
MAX_SIDE = 1024
"""Of a sampled plane that is longer than this, `PIECES` evenly spread stretches per side are read."""
PIECES = 4
MAX_PIXELS = 2**22
"""Of all that is read every n-th pixel is kept, so that memory does not grow with the image."""
RARE, ABSURD = 13, 1000
"""No standard deviation where less than 1 in RARE^2 pixels make it ABSURD times the range of the others."""


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
        # float32 would round large values before the offset is taken away
        precise = np.float64 if block.dtype.itemsize >= 4 else np.float32
        offset = np.asarray(self.offset, precise).reshape(shape)
        scale = np.asarray(self.scale, precise).reshape(shape)
        with np.errstate(invalid="ignore", over="ignore"):
            result: npt.NDArray[np.float32] = ((block - offset) / scale).astype(np.float32)
        if block.dtype.kind == "f":
            result[~np.isfinite(result)] = 0
        return result


def sample(image: Image) -> npt.NDArray[Any]:
    """Read a bounded, evenly spread sample of an image; axes C, N."""
    t, _, z, y, x = image.shape
    planes = np.unique(np.linspace(0, t * z - 1, min(MAX_PLANES, t * z)).round().astype(int))
    boxes = [(p // z, p % z, *piece) for p in planes.tolist() for piece in product(_stretches(y), _stretches(x))]
    pixels = sum((rows.stop - rows.start) * (columns.stop - columns.start) for *_, rows, columns in boxes)
    step = -(-pixels // MAX_PIXELS)
    blocks = []
    for at, n, rows, columns in boxes:
        block = image.read(at, slice(n, n + 1), rows, columns)
        blocks.append(block.reshape(len(block), -1)[:, ::step].copy())
    return np.concatenate(blocks, axis=1)


def _stretches(size: int) -> list[slice]:
    if size <= MAX_SIDE:
        return [slice(0, size)]
    length = MAX_SIDE // PIECES
    starts = np.linspace(0, size - length, PIECES).astype(int)
    return [slice(int(s), int(s) + length) for s in starts]


def fit(image: Image, spec: NormalisationSpec | None = None, *, blank: bool = False) -> Normalisation:
    """Fit the normalisation of an image.

    Parameters
    ----------
    image
        Any size; at most `MAX_PLANES` planes of it are read.
    spec
        The method; see `NormalisationSpec`.
    blank
        Accept an image that is constant or has no finite value; it becomes 0. A single channel that is constant
        is always accepted.

    Raises
    ------
    UserError
        If every channel is constant or without a finite value, or the data are not numbers.

    Examples
    --------
    >>> fit(Image(np.array([[0, 2], [0, 2]]), "YX"), NormalisationSpec(method="meanstd"))
    Normalisation(offset=(1.0,), scale=(1.0,))
    """
    spec = spec or NormalisationSpec()
    check_dtype(image)
    values = sample(image)
    fitted = [_fit_channel(v, spec) for v in values]
    if not blank and all(isinstance(f, str) for f in fitted):
        raise UserError(f"{image.name} {fitted[0]}; there is nothing to learn from or to find in it")
    usable = [(_any_finite(v), 1.0) if isinstance(f, str) else f for f, v in zip(fitted, values, strict=True)]
    return Normalisation(tuple(o for o, _ in usable), tuple(s for _, s in usable))


def check_dtype(image: Image) -> None:
    """Raise `UserError` unless the image holds real numbers."""
    kind = np.dtype(image.data.dtype).kind
    if kind not in "buif":
        raise UserError(f"{image.name} holds {image.data.dtype} values; an image needs real numbers")


def _any_finite(values: npt.NDArray[Any]) -> float:
    """Give the value of a constant channel; 0 if it has none."""
    finite = values[np.isfinite(values)]
    return float(finite[0]) if finite.size else 0.0


def _fit_channel(values: npt.NDArray[Any], spec: NormalisationSpec) -> tuple[float, float] | str:
    """Offset and scale, or in words why there are none."""
    finite = values.astype(np.float64, copy=False)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return "has no finite pixel (all NaN or infinite)"
    if finite.min() == finite.max():
        return f"is constant (every sampled pixel is {finite[0]:g})"
    if spec.method == "none":
        return 0.0, 1.0
    unit = _unit(finite)
    offset, scale = _robust(finite / unit, spec) if unit != 1 else _robust(finite, spec)
    return offset * unit, scale * unit


def _unit(values: npt.NDArray[np.float64]) -> float:
    """Give what values are divided by so that their squares and sums can be computed; nearly always 1."""
    largest = float(np.abs(values).max())
    return 1.0 if 1e-100 < largest < 1e100 else largest


def _robust(values: npt.NDArray[np.float64], spec: NormalisationSpec) -> tuple[float, float]:
    """Offset and scale; a few absurd values do not make all others look alike.

    Examples
    --------
    >>> grey = np.arange(10_000.0)
    >>> _robust(grey, NormalisationSpec())
    (4999.5, 2886.751331514372)
    >>> grey[7] = 1e90
    >>> _robust(grey, NormalisationSpec()) == _robust(grey, NormalisationSpec(method="percentile"))
    True
    """
    mean, deviation = float(values.mean()), float(values.std())
    few = np.ptp(values) > RARE * deviation  # of pixels that are less than 1 in RARE squared
    wanted = spec.method == "percentile"
    if wanted or few:
        low, high = np.percentile(values, (spec.low, spec.high))
        if high > low and (wanted or deviation > ABSURD * (high - low)):
            return float((low + high) / 2), float((high - low) / 4)
    return mean, deviation


def oddity(image: Image) -> str:
    """Say why little can be found in an image, by its sample; empty if nothing is odd.

    Examples
    --------
    >>> oddity(Image(np.array([[0.0, np.nan], [2, np.inf]]), "YX")), oddity(Image(np.ones((2, 2)), "YX"))
    ('2 pixels are not finite', 'all pixels are the same')
    """
    values = sample(image)
    bad = count_invalid(values)
    if bad == values.size:
        return "no pixel is finite"
    if not bad:
        return "all pixels are the same" if all(v.min() == v.max() for v in values) else ""
    seen = "" if values.size == math.prod(image.data.shape) else f" of {values.size} that were looked at"
    return f"{bad} pixel{'' if bad == 1 else 's'}{seen} {'is' if bad == 1 else 'are'} not finite"


def count_invalid(block: npt.NDArray[Any]) -> int:
    """Count the NaN and infinite values of a block."""
    return int(block.size - np.isfinite(block).sum()) if block.dtype.kind == "f" else 0
