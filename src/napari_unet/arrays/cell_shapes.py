"""The shape of a cell, as far as it takes all of its pixels at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull
from skimage import measure

Mask = npt.NDArray[np.bool_]
UNKNOWN = (math.nan, math.nan)


def shape_of(mask: Mask, spacing: Sequence[float]) -> tuple[float, float]:
    """Measure the rim of a cell and how convex it is.

    Parameters
    ----------
    mask
        The cell within its bounding box; two or three axes.
    spacing
        Size of a pixel along them.

    Returns
    -------
    rim, solidity
        In 2D the perimeter, as scikit-image tells it; "not a number" where pixels are not square, which its
        perimeter does not know. In 3D the area of the surface, by marching cubes. Solidity is the cell's part of
        its convex hull, from 0 to 1.

    Examples
    --------
    >>> shape_of(np.ones((3, 3), bool), (0.5, 0.5))
    (4.0, 1.0)
    >>> round(shape_of(np.ones((3, 3, 1), bool), (2, 1, 1))[1], 6)
    1.0
    """
    if mask.ndim == 3:
        return surface(mask, spacing), solidity_3d(mask)
    region: Any = measure.regionprops(mask.astype(np.uint8))[0]
    square = math.isclose(*spacing)
    return float(region.perimeter) * spacing[0] if square else math.nan, float(region.solidity)


def surface(mask: Mask, spacing: Sequence[float]) -> float:
    """Area of the surface of a cell in a volume."""
    padded = np.pad(mask, 1).astype(np.float32)
    vertices, faces, *_ = measure.marching_cubes(padded, 0.5, spacing=tuple(spacing))
    return float(measure.mesh_surface_area(vertices, faces))


def solidity_3d(mask: Mask) -> float:
    """Part of the convex hull of a cell's voxels that the cell fills.

    The hull is that of the corners of the voxels. scikit-image counts voxels within a hull: that takes half a
    minute for half a million of them, and fails for cells of a single slice.

    Examples
    --------
    >>> half = np.ones((4, 4, 4), bool)
    >>> half[:2, :2] = False
    >>> solidity_3d(np.ones((1, 1, 1), bool)), round(solidity_3d(half), 3)
    (1.0, 0.857)
    """
    lines = mask.any(axis=2)
    z, y = np.nonzero(lines)
    first = mask.argmax(axis=2)[lines]
    last = mask.shape[2] - mask[:, :, ::-1].argmax(axis=2)[lines]
    ends = np.concatenate([np.stack([z, y, x], axis=1) for x in (first, last)])
    corners = np.concatenate([ends + np.array([dz, dy, 0]) for dz in (0, 1) for dy in (0, 1)])
    hull = ConvexHull(np.unique(corners, axis=0).astype(np.float64))
    return min(1.0, float(np.count_nonzero(mask) / hull.volume))
