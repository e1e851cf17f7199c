"""The picture of a package: an image, and beside it what the model makes of it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

SIDE = 256
COLOURS = ("#56B4E9", "#E69F00", "#1B1B1B", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2")
"""Of classes, from the palette of Okabe and Ito."""


def cover_of(image: npt.NDArray[Any], classes: npt.NDArray[Any]) -> bytes:
    """Draw a cover, twice as wide as high, as PNG.

    Parameters
    ----------
    image
        (Y, X).
    classes
        (Y, X), the number of the likeliest class.

    Examples
    --------
    >>> cover = cover_of(np.eye(20), np.eye(18, dtype=np.uint8))
    >>> Pillow.open(io.BytesIO(cover)).size
    (512, 256)
    """
    table = np.array([list(bytes.fromhex(c[1:])) for c in COLOURS], np.uint8)
    low, high = np.percentile(image, (0.5, 99.5))
    grey = np.clip((image - low) / (high - low or 1) * 255, 0, 255).astype(np.uint8)
    left = Pillow.fromarray(grey).convert("RGB").resize((SIDE, SIDE), Pillow.Resampling.BICUBIC)
    right = Pillow.fromarray(table[classes % len(table)]).resize((SIDE, SIDE), Pillow.Resampling.NEAREST)
    both = Pillow.new("RGB", (2 * SIDE, SIDE))
    both.paste(left, (0, 0))
    both.paste(right, (SIDE, 0))
    out = io.BytesIO()
    both.save(out, format="PNG", optimize=True)
    return out.getvalue()
