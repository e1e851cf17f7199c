"""Strokes as a user paints them, drawn on known truth by a fixed generator."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
TURNS = np.deg2rad([0, 15, -15, 35, -35, 60, -60, 90, -90])
"""How a brush looks for its way on, straight ahead first."""


def paint(classes: Labels, fraction: float, seed: int, *, length: int = 40, width: int = 3) -> Labels:
    """Paint strokes of all classes, of each the same number of pixels.

    Parameters
    ----------
    classes
        (Y, X): the true class of every pixel, 1 and up; 0 is not known and never painted.
    fraction
        Part of the pixels to paint.
    seed
        Of the generator.
    length, width
        Of a stroke, in pixels; lines that are thinner are painted as they are.

    Returns
    -------
    uint8 array
        (Y, X): 0 where nothing is painted.
    """
    rng = np.random.default_rng(seed)
    painted = np.zeros_like(classes)
    present = [int(k) for k in np.unique(classes) if k]
    for k in present:
        mask, wanted = classes == k, fraction * classes.size / len(present)
        inner = ndimage.binary_erosion(mask, iterations=width)  # users keep off rims, where there is room
        begin = np.argwhere(inner if inner.sum() > 0.2 * mask.sum() else mask)
        for _ in range(2000):
            if (painted == k).sum() >= wanted:
                break
            stroke(painted, mask, begin[rng.integers(len(begin))], k, rng, length, width)
    return painted


def stroke(
    painted: Labels,
    mask: Mask,
    at: npt.NDArray[np.int64],
    value: int,
    rng: np.random.Generator,
    length: int,
    width: int,
) -> None:
    """Move a round brush through a mask as straight as it goes; nothing beside the mask is painted."""
    radius = width / 2
    reach = int(np.ceil(radius))
    heading, place = rng.random() * 2 * np.pi, at.astype(float)
    for _ in range(int(length * rng.uniform(0.5, 1.5))):
        y, x = np.rint(place).astype(int)
        window = tuple(
            slice(max(0, c - reach), min(n, c + reach + 1)) for c, n in zip((y, x), mask.shape, strict=True)
        )
        yy, xx = np.ogrid[window]
        brush = ((yy - y) ** 2 + (xx - x) ** 2 <= radius**2) & mask[window]
        painted[window][brush] = value
        heading += rng.normal(0, 0.12)
        for turn in TURNS:
            ahead = place + 1.0 * np.array([np.sin(heading + turn), np.cos(heading + turn)])
            ny, nx = np.rint(ahead).astype(int)
            if 0 <= ny < mask.shape[0] and 0 <= nx < mask.shape[1] and mask[ny, nx]:
                heading, place = heading + turn, ahead
                break
        else:
            return
