"""An image that came from a file, and how its axes were found out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from napari_unet.arrays.axes import ArrayLike, Image, check_axes, guess_axes
from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.errors import UserError

AxesSource = Literal["told", "file", "guessed"]

_LETTERS = set("TCZYXS")


class Raw(NamedTuple):
    """What a file format's reader found. ``axes`` may hold unknown letters, or be None."""

    data: ArrayLike
    axes: str | None
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: str = "pixel"
    warning: str = ""
    where: Where = UNPLACED


@dataclass(frozen=True)
class FileImage(Image):
    """An `Image` that remembers its file, its unit and where its axes come from.

    Parameters
    ----------
    unit
        Unit of ``spacing``: "micrometer" or "pixel".
    path
        The file.
    axes_source
        ``told`` by the user, read from the ``file``, or ``guessed`` from the shape.
    warning
        What of the file it does not hold, in words.
    """

    unit: str = "pixel"
    path: Path = Path()
    axes_source: AxesSource = "file"
    warning: str = ""


def file_of(image: Image) -> Path | None:
    """Tell the file that an image came from, if it is known.

    Examples
    --------
    >>> file_of(Image(np.zeros((8, 8)), "YX")), file_of(FileImage(np.zeros((8, 8)), "YX", path=Path("a.tif"))).name
    (None, 'a.tif')
    """
    path = image.path if isinstance(image, FileImage) else Path()
    return None if path == Path() else path.absolute()


def settle_axes(shape: tuple[int, ...], told: str | None, found: str | None) -> tuple[str, AxesSource]:
    """Decide on the axes of an array: told before found before guessed.

    Parameters
    ----------
    shape
        Length of every axis.
    told
        Axes that the user gave.
    found
        Axes that the file gave, which may hold letters of no meaning here (such as Q or I in a TIFF).

    Returns
    -------
    axes, source
        One letter per axis; where they come from.

    Examples
    --------
    >>> settle_axes((20, 64, 64), None, "QYX")
    ('ZYX', 'guessed')
    >>> settle_axes((20, 64, 64), "tyx", "ZYX")
    ('TYX', 'told')
    """
    if told is not None:
        return check_axes(told, shape), "told"
    if found is not None and _LETTERS.issuperset(found) and {"Y", "X"} <= set(found):
        return check_axes(found, shape), "file"
    return guess_axes(shape, rgb=bool(found) and str(found).endswith("S")), "guessed"


def checked_type(dtype: np.dtype, name: str) -> None:
    """Raise a UserError unless pixels of ``dtype`` are plain numbers."""
    if dtype.kind not in "buif":
        raise UserError(f"{name}: pixels of type {dtype} cannot be used; save it as integers or floats")


def describe(image: Image) -> str:
    """Say in one line what was understood of an image.

    Examples
    --------
    >>> describe(FileImage(np.zeros((2, 8, 8)), "ZYX", name="a.tif", axes_source="guessed"))
    'a.tif: 2 x 8 x 8 float64, axes ZYX (guessed; tell with --axes)'
    """
    source = getattr(image, "axes_source", "told")
    how = {"guessed": " (guessed; tell with --axes)", "file": " (from the file)", "told": ""}[source]
    sizes = " x ".join(str(n) for n in image.data.shape)
    line = f"{image.name}: {sizes} {np.dtype(image.data.dtype)}, axes {image.axes}{how}"
    if image.spacing != (1.0, 1.0, 1.0):
        used = [s for a, s in zip("ZYX", image.spacing, strict=True) if a in image.axes]
        line += f", {' x '.join(f'{s:g}' for s in used)} {getattr(image, 'unit', 'pixel')}"
    return line
