"""What the probabilities of classes say about every pixel: cell, boundary, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError
from napari_unet.spec import ClassSpec, Role

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """Where cells may be, ``([Z,] Y, X)`` each; every pixel is told from its own probabilities alone."""

    boundary: Floats
    """How probable a boundary is; of objects weighed against ``cell`` alone."""
    mask: Mask
    """Cells and their boundaries."""
    free: Mask
    """Of these, where no boundary is."""
    inside: Floats
    """How probable the inside of a cell is."""


def find_evidence(probabilities: npt.NDArray[Any], classes: Sequence[ClassSpec], threshold: float) -> Evidence:
    """Weigh probabilities.

    Parameters
    ----------
    probabilities
        ``(K, [Z,] Y, X)``, float, or uint8 scaled by 255. Floats are rounded to 1/255, so that cells are the same
        whether they are made at once or from stored probabilities.
    classes
        The K classes.
    threshold
        Boundary probability from which on a pixel is not free.

    Raises
    ------
    UserError
        If the classes do not fit the array.
    """
    found = checked(probabilities, classes, rounded=True)
    boundary, cell = role_probability(found, classes, "boundary"), role_probability(found, classes, "cell")
    if is_tissue(classes):
        return Evidence(boundary, np.ones(boundary.shape, bool), boundary < threshold, cell)
    # The class that wins, as the preview shows it: cell and boundary together are too large where neither does.
    outside = [p for p, c in zip(found, classes, strict=True) if c.role not in ("cell", "boundary")]
    mask = np.maximum(cell, boundary) > np.max(outside, axis=0)
    boundary = np.where(mask, boundary / np.maximum(boundary + cell, 1e-6), boundary)
    return Evidence(boundary, mask, mask & (boundary < threshold), cell)


def is_tissue(classes: Sequence[ClassSpec]) -> bool:
    """Tell whether cells fill the image (True) or lie on a background.

    Examples
    --------
    >>> from napari_unet.spec import BACKGROUND, BOUNDARY, CELL
    >>> is_tissue((CELL, BOUNDARY)), is_tissue((CELL, BOUNDARY, BACKGROUND)), is_tissue((BOUNDARY, BACKGROUND))
    (True, False, True)
    """
    # Who names a boundary and "background" only means: membrane, and everything else.
    return not {"cell", "background"} <= {c.role for c in classes}


def role_probability(probabilities: Floats, classes: Sequence[ClassSpec], role: Role) -> Floats:
    """Sum the probabilities of the classes with a role: 0 where there is none."""
    chosen = [i for i, c in enumerate(classes) if c.role == role]
    return np.asarray(probabilities[chosen].sum(axis=0), dtype=np.float32)


def check_shape(shape: Sequence[int], classes: Sequence[ClassSpec]) -> None:
    """Raise `UserError` unless probabilities of a shape are of these classes."""
    if len(shape) not in (3, 4):
        raise UserError(f"probabilities need the axes (class, [Z,] Y, X), these have the shape {tuple(shape)}")
    if shape[0] != len(classes):
        raise UserError(f"there are {len(classes)} classes but probabilities of {shape[0]}: {tuple(shape)}")


def checked(probabilities: npt.NDArray[Any], classes: Sequence[ClassSpec], *, rounded: bool = False) -> Floats:
    """Return probabilities as float32, rounded to 1/255 if wanted; raise `UserError` if their shape is wrong."""
    array = np.asarray(probabilities)
    check_shape(array.shape, classes)
    if array.dtype != np.uint8 and rounded:
        array = np.rint(array * np.float32(255))
    scale = 255 if array.dtype == np.uint8 or rounded else 1
    return np.asarray(array / np.float32(scale), dtype=np.float32)
