"""Marks of an annotation, small enough to be kept with a training: they tell what was painted since."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_unet.arrays.targets import IGNORE, Target
from napari_unet.learn.data import Unit

SIDE = 16
"""Side of the squares that have a mark each, in pixels."""
OTHER = 127
"""What a changed pixel is taken to have been: annotated, but not as it is now."""
NAME = "marks"
Marks = Mapping[tuple[int, int, int], Tensor]
"""By plane (pair, t, z): of every square a number that changes with its annotation, 0 where there is none."""


def marks_of(units: Sequence[Unit]) -> dict[tuple[int, int, int], Tensor]:
    """Mark what is annotated.

    Examples
    --------
    >>> marks = marks_of_plane(np.full((20, 40), IGNORE, np.int8))
    >>> marks.shape, int(marks.sum())
    (torch.Size([2, 3]), 0)
    """
    return {place: marks_of_plane(plane) for unit in units for place, plane in _planes(unit)}


def marks_of_plane(plane: Target) -> Tensor:
    """Mark the squares of one plane."""
    rows, columns = (-(-n // SIDE) for n in plane.shape)
    found = np.zeros((rows, columns), np.int64)
    for y, x in np.argwhere(_annotated(plane)):
        square = plane[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE]
        found[y, x] = zlib.crc32(square.astype(np.int16).tobytes()) + 1
    return torch.from_numpy(found)


def units_before(units: Sequence[Unit], marks: Marks) -> list[Unit]:
    """Give the units as they were: what has changed since was `OTHER`, or not annotated.

    Parameters
    ----------
    units
        As they are now.
    marks
        Of what they were.
    """
    return [replace(unit, target=_before(unit, marks)) for unit in units]


def marks_differ(now: Marks, state: Mapping[str, Tensor]) -> bool:
    """Tell whether marks are other ones than those among the tensors of a training; False if it had none."""
    before = from_tensors(state)
    return bool(before) and (
        before.keys() != now.keys() or not all(torch.equal(mark, before[p]) for p, mark in now.items())
    )


def _before(unit: Unit, marks: Marks) -> Target:
    planes = [_plane_before(plane, marks.get(place)) for place, plane in _planes(unit)]
    return np.stack(planes) if unit.target.ndim == 3 else planes[0]


def _plane_before(plane: Target, marks: Tensor | None) -> Target:
    now = marks_of_plane(plane)
    if marks is None or marks.shape != now.shape:
        return np.full_like(plane, IGNORE)
    height, width = plane.shape
    grown = [m.numpy().repeat(SIDE, 0).repeat(SIDE, 1)[:height, :width] for m in (marks == now, marks == 0)]
    return np.where(grown[0], plane, np.where(grown[1], IGNORE, OTHER)).astype(plane.dtype)


def _planes(unit: Unit) -> list[tuple[tuple[int, int, int], Target]]:
    pair, t, z = unit.place
    planes = unit.target if unit.target.ndim == 3 else unit.target[None]
    return [((pair, t, z + n), plane) for n, plane in enumerate(planes)]


def _annotated(plane: Target) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Tell which squares hold annotation."""
    pad = [(0, -n % SIDE) for n in plane.shape]
    known = np.pad(plane != IGNORE, pad)
    rows, columns = (n // SIDE for n in known.shape)
    return np.asarray(known.reshape(rows, SIDE, columns, SIDE).any(axis=(1, 3)))


def to_tensors(marks: Marks) -> dict[str, Tensor]:
    """Name marks for a file of tensors.

    Examples
    --------
    >>> to_tensors({(0, 1, 2): torch.tensor([7])})
    {'marks.0.1.2': tensor([7])}
    >>> from_tensors(to_tensors({(0, 1, 2): torch.tensor([7])}))
    {(0, 1, 2): tensor([7])}
    """
    return {f"{NAME}.{pair}.{t}.{z}": mark for (pair, t, z), mark in marks.items()}


def from_tensors(tensors: Mapping[str, Tensor]) -> dict[tuple[int, int, int], Tensor]:
    """Read what `to_tensors` gave; other tensors are left out."""
    found = {}
    for name, mark in tensors.items():
        kind, *numbers = name.split(".")
        if kind == NAME:
            pair, t, z = map(int, numbers)
            found[pair, t, z] = mark
    return found
