"""PNG and JPEG pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from napari_unet.errors import UserError
from napari_unet.storage import budget
from napari_unet.storage.opened import Raw

_PLAIN = {"L": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I": 4, "F": 4, "1": 1, "RGB": 3, "RGBA": 4}
"""Bytes per pixel of the modes that are taken as they are."""


def open_picture(path: Path, *, labels: bool = False) -> Raw:
    """Read a picture: ``YX`` if grey, ``YXS`` if coloured.

    Pictures with a palette become colours, unless ``labels`` says that their indices are label values.

    Raises
    ------
    UserError
        If the file is damaged or claims more pixels than the memory can hold.
    """
    limit = Pillow.MAX_IMAGE_PIXELS
    Pillow.MAX_IMAGE_PIXELS = None  # our own check asks for the free memory instead of a fixed size
    try:
        with Pillow.open(path) as file:
            width, height = file.size
            size = width * height * _PLAIN.get(file.mode, 4)
            budget.check_memory(size, str(path), "save it as a tiled TIFF")
            if file.mode == "1":
                return Raw(np.asarray(file), "YX")
            if file.mode == "P" and labels:
                return Raw(np.array(file), "YX")
            pixels = file if file.mode in _PLAIN else file.convert(_colour(file.mode))
            data = np.array(pixels)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a readable picture, it may be damaged ({error}); copy it again") from error
    finally:
        Pillow.MAX_IMAGE_PIXELS = limit
    if data.ndim == 3 and data.shape[2] == 4:
        data = data[..., :3]  # opacity says nothing about the specimen
    return Raw(data, "YXS" if data.ndim == 3 else "YX")


def _colour(mode: str) -> str:
    return "L" if mode == "LA" else "RGB"
