"""The picture of where cells differ from the truth, as a file whose values are seen in colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from napari_unet.arrays.comparison import Category
from napari_unet.arrays.outlines import STEP, Outline
from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.storage.creator import OWN_KEY, as_description
from napari_unet.storage.write import check_file

COLOURS: dict[Category, str] = {
    Category.FOUND: "#56B4E9",
    Category.EXTRA: "#F0E442",
    Category.MISSED: "#D55E00",
    Category.SPLIT: "#009E73",
    Category.MERGED: "#CC79A7",
}
"""From the palette of Okabe and Ito, which colour-blind people can tell apart."""
WHITE, BLACK = "#FFFFFF", "#000000"
VALUES = tuple(int(category) + STEP * int(line) for line in (0, *Outline) for category in (0, *Category))[1:]
"""All values of a picture but 0: categories, and outlines on each; see `napari_unet.arrays.comparison.compare`."""
SHADE = 0.55
"""Brightness of the outlines that run together, which are of the colour of their category."""
NEUTRAL = "#808080"
"""Their colour in a membrane, which is of no category."""
SUFFIXES = (".png", ".tif", ".tiff")


def parts_of(value: int) -> tuple[Category | None, Outline | None]:
    """Tell the category and the outline of a value of a picture.

    Examples
    --------
    >>> parts_of(21)
    (<Category.MERGED: 5>, <Outline.TRUE: 2>)
    """
    line, category = divmod(value, STEP)
    return Category(category) if category else None, Outline(line) if line else None


def colour_of(value: int) -> str:
    """Return the colour of a value: of its category, or of the outline on it.

    Examples
    --------
    >>> colour_of(5), colour_of(5 + STEP), colour_of(5 + 2 * STEP), colour_of(5 + 3 * STEP)
    ('#CC79A7', '#70425B', '#FFFFFF', '#000000')
    """
    category, line = parts_of(value)
    colour = COLOURS[category] if category else NEUTRAL
    if line == Outline.BOTH:
        return "#" + "".join(f"{int(SHADE * part):02X}" for part in bytes.fromhex(colour[1:]))
    return {Outline.TRUE: WHITE, Outline.PREDICTED: BLACK}.get(line, colour) if line else colour


def check_picture(path: Path, *sources: Path) -> Path:
    """Check that a picture can be written, before any work is done; it must not overwrite its sources."""
    for source in sources:
        check_file(path, SUFFIXES, source, asked=True)
    return check_file(path, SUFFIXES)


def write_picture(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """Write a picture of categories as PNG or TIFF with a palette: the values are those of `compare`.

    Parameters
    ----------
    path
        See `check_picture`; takes its name when it is whole.
    picture
        Axes ([T,] [Z,] Y, X); for PNG Y and X only.

    Raises
    ------
    UserError
        If a stack is to become a PNG.
    """
    table = np.zeros((256, 3), np.uint8)
    for value in VALUES:
        table[value] = list(bytes.fromhex(colour_of(value)[1:]))
    if path.suffix.lower() != ".png":
        _write_tiff(path, picture, table)
        return
    if picture.ndim != 2:
        raise UserError(f"{path}: a stack of shape {picture.shape} cannot be a PNG; end the name in .tif")
    made = Pillow.fromarray(picture)
    made.putpalette(table.tobytes())  # from now on the values count as indices
    known = PngInfo()
    known.add_text(OWN_KEY, "{}")  # by which it is told that it may be replaced
    with replacing(path) as temporary:
        made.save(temporary, format="PNG", pnginfo=known)


def _write_tiff(path: Path, picture: npt.NDArray[np.uint8], table: npt.NDArray[Any]) -> None:
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            picture,
            photometric="palette",
            colormap=(table.T.astype(np.uint16) * 257),
            compression="zlib",
            metadata={"axes": "TZYX"[-picture.ndim :]} | as_description(None),
        )
