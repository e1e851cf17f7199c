"""The one axis convention: everything is read as T, C, Z, Y, X, whatever its own order.

An axis string has one letter per axis of the data: ``T`` time, ``C`` channel, ``Z``, ``Y``, ``X``, and ``S``
for the samples of a colour (RGB), which are channels to a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.errors import UserError

ALL = slice(None)


class ArrayLike(Protocol):
    """What an image must offer: numpy, dask and zarr arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __getitem__(self, key: Any, /) -> Any: ...


class Writable(Protocol):
    """An array to write regions into: numpy and zarr arrays are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


def guess_axes(shape: Sequence[int], *, rgb: bool = False) -> str:
    """Guess the axis string of an array from its shape.

    Parameters
    ----------
    shape
        Length of every axis.
    rgb
        The last axis is known to hold colour samples.

    Returns
    -------
    str
        If the last axis has 3 or 4 elements and the two before it more than 16, it holds colour samples:
        ``YXS``, ``ZYXS``, ``TZYXS``. Else ``YX``, ``ZYX``, for four axes ``ZCYX`` if the second is short (at most
        4) and ``TZYX`` otherwise, ``TCZYX`` for five.

    Raises
    ------
    UserError
        If there are fewer than two or more than five axes.

    Examples
    --------
    >>> guess_axes((512, 512)), guess_axes((20, 512, 512)), guess_axes((256, 320, 3))
    ('YX', 'ZYX', 'YXS')
    """
    n = len(shape)
    if not 2 <= n <= 5:
        raise UserError(f"an image needs 2 to 5 axes, this one has {n} (shape {tuple(shape)})")
    if n > 2 and (rgb or (shape[-1] in (3, 4) and min(shape[-3:-1]) > 16)):
        return {3: "YXS", 4: "ZYXS", 5: "TZYXS"}[n]
    if n == 4:
        return "ZCYX" if shape[1] <= 4 < shape[0] else "TZYX" if shape[0] > 4 else "CZYX"
    return {2: "YX", 3: "ZYX", 5: "TCZYX"}[n]


def check_axes(axes: str, shape: Sequence[int]) -> str:
    """Return ``axes`` in capitals if they fit ``shape``.

    Raises
    ------
    UserError
        For an unknown or repeated letter, missing Y or X, or a wrong number of letters.

    Examples
    --------
    >>> check_axes("zyx", (5, 64, 64))
    'ZYX'
    """
    axes = axes.upper()
    unknown = sorted(set(axes) - set("TCZYXS"))
    if unknown:
        raise UserError(f"unknown axis letter {', '.join(unknown)} in '{axes}'; use T, C, Z, Y, X, S")
    if len(set(axes)) != len(axes) or ("C" in axes and "S" in axes):
        raise UserError(f"axes '{axes}' name an axis twice (S, colour samples, counts as C)")
    if not {"Y", "X"} <= set(axes):
        raise UserError(f"axes '{axes}' lack Y or X")
    if len(axes) != len(shape):
        raise UserError(f"axes '{axes}' name {len(axes)} axes, the array has {len(shape)}: {tuple(shape)}")
    return axes


@dataclass(frozen=True)
class Image:
    """An array with its axes told; nothing is read until `read` is called.

    Parameters
    ----------
    data
        numpy, dask or zarr array, or anything with ``shape``, ``dtype`` and slicing.
    axes
        One letter per axis of ``data``, see the module's docstring.
    spacing
        Size of a voxel along Z, Y, X, in any one unit.
    name
        For messages.
    where
        Its place, and the times of its frames.

    Examples
    --------
    >>> image = Image(np.zeros((64, 48, 3)), "YXS")
    >>> image.shape
    (1, 3, 1, 64, 48)
    >>> image.read(0, y=slice(0, 8)).shape
    (3, 1, 8, 48)
    """

    data: ArrayLike
    axes: str
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    name: str = "image"
    where: Where = field(default=UNPLACED, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", check_axes(self.axes, self.data.shape))
        if 0 in self.data.shape:
            raise UserError(f"{self.name} is empty: shape {tuple(self.data.shape)}")

    def size(self, axis: str) -> int:
        """Length along one of T, C, Z, Y, X (1 if absent; C counts colour samples, but not their alpha)."""
        letters = "CS" if axis == "C" else axis
        sizes = zip(self.data.shape, self.axes, strict=True)
        return next((min(int(n), 3) if a == "S" else int(n) for n, a in sizes if a in letters), 1)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Lengths along T, C, Z, Y, X."""
        t, c, z, y, x = (self.size(a) for a in "TCZYX")
        return t, c, z, y, x

    @property
    def result_axes(self) -> str:
        """Axes of a label image for this one: T, Z, Y, X, as far as the image has them."""
        return "".join(a for a in "TZYX" if a in self.axes)

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Lengths along `result_axes`."""
        return tuple(self.size(a) for a in self.result_axes)

    def result_index(
        self, t: int, z: slice | int = ALL, y: slice = ALL, x: slice = ALL
    ) -> tuple[int | slice, ...]:
        """Index of a region in an array of `result_shape`."""
        chosen: dict[str, int | slice] = {"T": t, "Z": z, "Y": y, "X": x}
        return tuple(chosen[a] for a in self.result_axes)

    def read(self, t: int = 0, z: slice = ALL, y: slice = ALL, x: slice = ALL) -> npt.NDArray[Any]:
        """Read a region as a native-endian array of axes C, Z, Y, X."""
        chosen: dict[str, Any] = {"T": t, "C": ALL, "S": slice(0, 3), "Z": z, "Y": y, "X": x}
        block = np.asarray(self.data[tuple(chosen[a] for a in self.axes)])
        block = block.astype(block.dtype.newbyteorder("="), copy=False)
        kept = ["C" if a == "S" else a for a in self.axes if a != "T"]
        for missing in [a for a in "CZ" if a not in kept]:
            block = block[np.newaxis]
            kept.insert(0, missing)
        return block.transpose([kept.index(a) for a in "CZYX"])
