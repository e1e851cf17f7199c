"""Cells piece by piece: of a plane, or of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.cells import Labels, cells_from_probabilities
from napari_unet.spec import CellSpec, ClassSpec


def cells_of_piece(
    probabilities: npt.NDArray[Any],
    classes: Sequence[ClassSpec],
    spec: CellSpec,
    spacing: Sequence[float] | None = None,
) -> Labels:
    """Make the cells of a piece: in 2D if it is a single plane, else in 3D.

    Parameters
    ----------
    probabilities
        ``(K, Z, Y, X)``.
    classes, spec
        As for `cells_from_probabilities`.
    spacing
        Size of a voxel along Z, Y, X.

    Returns
    -------
    int32 array
        ``(Z, Y, X)``.

    Examples
    --------
    >>> from napari_unet.spec import BOUNDARY, CELL
    >>> boundary = np.tile(np.uint8([0, 0, 51, 230, 230, 25, 0, 0, 0]), (1, 5, 1))
    >>> cells_of_piece(np.stack([255 - boundary, boundary]), (CELL, BOUNDARY), CellSpec(min_size=4))[0, 0]
    array([1, 1, 1, 0, 2, 2, 2, 2, 2], dtype=int32)
    """
    if probabilities.shape[1] > 1:
        return cells_from_probabilities(probabilities, classes, spec, spacing=spacing)
    of_plane = None if spacing is None else spacing[-2:]
    return cells_from_probabilities(probabilities[:, 0], classes, spec, spacing=of_plane)[np.newaxis]
