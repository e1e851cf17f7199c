"""More of what was accepted: cells that are alike, how many there are, and a copy of them as annotation."""

from __future__ import annotations

from collections.abc import Collection
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer

from napari_unet.arrays.alike import Shape, Sums, alike, shapes_of, sums_of
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import new_annotation
from napari_unet.plugin.cells.accepted import Accepted, CellKey
from napari_unet.plugin.cells.stack import Body, CellStack, Place

NAME = "accepted cells"


class Examples:
    """The shapes of cells that were accepted by hand; those that were accepted as alike are no examples."""

    def __init__(self) -> None:
        self._shapes: WeakKeyDictionary[Layer, dict[CellKey, Shape]] = WeakKeyDictionary()

    def add(self, stack: CellStack, body: Body) -> None:
        """Measure a cell, and remember it."""
        t, _, number = body.key
        box = stack.wider(body.box, 1)
        around = [(b.start - w.start, w.stop - b.stop) for b, w in zip(body.box, box, strict=True)]
        cell = np.where(np.pad(body.mask, around), number, 0)
        boundary = stack.boundary(t, box)
        sums = (sums_of(plane, None if boundary is None else boundary[z]) for z, plane in enumerate(cell))
        self._shapes.setdefault(stack.layer, {})[body.key] = shapes_of(sums)[number]

    def alike(self, stack: CellStack, place: Place, accepted: Collection[CellKey]) -> set[int]:
        """Find the cells of a slice, or of a volume, that are like the examples that are still accepted.

        Raises
        ------
        UserError
            If there are none.
        """
        chosen = [shape for key, shape in self._shapes.get(stack.layer, {}).items() if key in accepted]
        if not chosen:
            raise UserError("accept some typical cells first: point at each and press K")
        slices = [place.z] if stack.flat else range(stack.size("Z"))
        return alike(shapes_of(_sums(stack, place.t, z) for z in slices), chosen)


def _sums(stack: CellStack, t: int, z: int) -> Sums:
    whole = slice(z, z + 1), slice(0, stack.size("Y")), slice(0, stack.size("X"))
    boundary = stack.boundary(t, whole)
    return sums_of(stack.plane(t, z), None if boundary is None else boundary[0])


def counted(plane: npt.NDArray[np.integer], accepted: Collection[int]) -> tuple[int, int]:
    """Count the accepted cells of a slice, and all.

    Examples
    --------
    >>> counted(np.array([[0, 4, 4, 9]]), {9, 7})
    (1, 2)
    """
    numbers = set(sums_of(plane).numbers.tolist())
    return len(numbers & set(accepted)), len(numbers)


def as_annotation(stack: CellStack, accepted: Accepted) -> tuple[Labels, int]:
    """Copy the accepted cells into a new layer, for training in the style 'Whole cells'.

    Returns
    -------
    Labels
        The cells, numbered from 1; 0 elsewhere, which means: not known.
    int
        How many they are.

    Raises
    ------
    UserError
        If none are accepted.
    """
    keys = sorted(accepted.keys, key=lambda k: (k[0], -1 if k[1] is None else k[1], k[2]))
    if not keys:
        raise UserError("no cells are accepted yet: point at each and press K")
    layer = new_annotation(stack.geometry, "cells")
    layer.name = NAME
    found: dict[CellKey, int] = {}
    for t in sorted({k[0] for k in keys}):
        slices = {k[1] for k in keys if k[0] == t}
        for z in range(stack.size("Z")) if None in slices else sorted(z for z in slices if z is not None):
            plane = stack.plane(t, z)
            for number in sorted(accepted.numbers(t, z) & set(np.unique(plane).tolist())):
                key = next(iter(accepted.at(t, z, number)))
                value = found.setdefault(key, len(found) + 1)
                at = {"T": t, "Z": z}
                layer.data[tuple(at.get(a, slice(None)) for a in stack.axes)][..., plane == number] = value
    return layer, len(found)
