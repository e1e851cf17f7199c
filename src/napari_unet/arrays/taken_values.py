"""Which label values predictions get where they become annotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.taking import Mask, Plane
from napari_unet.spec import ClassSpec

TakenPart = tuple[int, int, int, int, npt.NDArray[Any]]
"""What was taken over of a plane: t, z, y and x of the first value, and values (Y, X), 0 where nothing was."""


def number_for(body: Mask, painted: Plane, sizes: dict[int, int], next_free: int) -> int | None:
    """Choose the number of a cell that is taken: its own, if a part of it is painted, else the next free one.

    A painted cell is the same cell if more than half of it lies within.

    Parameters
    ----------
    body
        The cell; Y, X.
    painted
        What is painted there, without background; 0 is nothing.
    sizes
        Pixels of the painted cells in the whole plane, by number.
    next_free
        A number that is not used yet.

    Returns
    -------
    int or None
        None if it holds several painted cells.

    Examples
    --------
    >>> body, painted = np.array([True, True, True, False]), np.array([0, 5, 5, 5])
    >>> number_for(body, painted, {5: 3}, 9), number_for(body, painted, {5: 300}, 9)
    (5, 9)
    >>> number_for(body, np.array([4, 5, 5, 5]), {4: 1, 5: 3}, 9) is None
    True
    """
    values, counts = np.unique(painted[body & (painted != 0)], return_counts=True)
    same = [int(v) for v, n in zip(values, counts, strict=True) if 2 * n > sizes[int(v)]]
    return None if len(same) > 1 else same[0] if same else next_free


def values_of(classes: Sequence[ClassSpec], painted: Sequence[ClassSpec]) -> tuple[int, ...]:
    """Tell the label values of predicted classes: that of the same name, else of the same role, else 0.

    Parameters
    ----------
    classes
        As predicted.
    painted
        As annotated: class ``i`` is value ``i + 1``.

    Examples
    --------
    >>> from napari_unet.spec import DEFAULT_CLASSES
    >>> membrane = ClassSpec(name="membrane", role="boundary")
    >>> values_of((membrane, ClassSpec(name="yolk")), DEFAULT_CLASSES)
    (2, 0)
    """
    return tuple(_value_of(c, painted) for c in classes)


def _value_of(item: ClassSpec, painted: Sequence[ClassSpec]) -> int:
    alike = [i for i, c in enumerate(painted, start=1) if c.role == item.role != "other"]
    return next((i for i, c in enumerate(painted, start=1) if c.name == item.name), alike[0] if alike else 0)
