"""Predictions that were taken over as annotation: they are learnt, but tell nothing of how good the network is.

Whatever the network says, it is right about them. So none of them is held out. Those that lie in a held-out box
are not learnt either: the strokes in it go on to tell how good the network is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_unet.arrays.axes import Image
from napari_unet.arrays.taken_values import TakenPart
from napari_unet.arrays.targets import IGNORE, Target
from napari_unet.jobs.places import Held, Place, beside
from napari_unet.learn.data import Unit

NAME = "taken"
Mask = npt.NDArray[np.bool_]


class Taken:
    """Knows where predictions were taken over, and not changed since.

    Parameters
    ----------
    planes
        Per plane (pair, t, z): (Y, X), where.
    """

    def __init__(self, planes: Mapping[Place, Mask] | None = None) -> None:
        self._planes = dict(planes or {})

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], labels: Sequence[Image]) -> Taken:
        """Read what `to_tensors` gave; what was changed in the labels since then is not taken any more."""
        planes: dict[Place, Mask] = {}
        rows = tensors[NAME].numpy() if NAME in tensors else np.zeros((0, 6), np.int64)
        for pair, t, z in {tuple(row) for row in rows[:, :3].tolist()}:
            if pair < len(labels) and t < labels[pair].size("T") and z < labels[pair].size("Z"):
                plane = _plane(labels[pair], t, z)
                y, x, value = rows[(rows[:, :3] == (pair, t, z)).all(axis=1), 3:].T
                inside = (y < plane.shape[0]) & (x < plane.shape[1])
                y, x, value = y[inside], x[inside], value[inside]
                mask = planes[pair, t, z] = np.zeros(plane.shape, bool)
                mask[y, x] = plane[y, x] == value
        return cls(planes)

    def add(self, parts: Sequence[TakenPart], labels: Sequence[Image]) -> None:
        """Take note of parts of the first labels, where these have the values still."""
        for t, z, y, x, values in parts:
            plane = _plane(labels[0], t, z)
            mask = self._planes.setdefault((0, t, z), np.zeros(plane.shape, bool))
            at = slice(y, y + len(values)), slice(x, x + values.shape[1])
            mask[at] |= (values != 0) & (plane[at] == values)

    def to_tensors(self, labels: Sequence[Image], held_out: Iterable[Held]) -> dict[str, Tensor]:
        """Give what lies in held-out boxes, with its values: a row of pair, t, z, y, x and value per pixel."""
        held_out, rows = list(held_out), [np.zeros((0, 6), np.int64)]
        for (pair, t, z), mask in self._planes.items():
            y, x = np.nonzero(mask & _in_boxes((pair, t, z), mask.shape, held_out))
            values = _plane(labels[pair], t, z)[y, x]
            rows.append(
                np.column_stack([np.broadcast_to((pair, t, z), (len(y), 3)), y, x, values]).astype(np.int64)
            )
        return {NAME: torch.from_numpy(np.concatenate(rows))}

    def note(
        self, place: Place, at: tuple[slice, slice], changed: Mask, shape: tuple[int, ...], *, taken: bool
    ) -> None:
        """Note a change of the labels.

        Parameters
        ----------
        place
            The plane.
        at, changed
            Where, and which pixels of it.
        shape
            (Y, X) of the plane.
        taken
            They are predictions that were taken over.
        """
        if taken or place in self._planes:
            mask = self._planes.setdefault(place, np.zeros(shape, bool))
            mask[at] = np.where(changed, taken, mask[at])

    def where(self, unit: Unit) -> Mask:
        """Tell where predictions were taken over in the shape of a unit's target."""
        none = np.zeros(unit.target.shape[-2:], bool)
        return np.stack([self._planes.get(p, none) for p in _planes_of(unit)]).reshape(unit.target.shape)

    def spare(self, unit: Unit, held_out: Sequence[Held]) -> Unit:
        """Leave out of a unit what was taken over in held-out boxes."""
        if not any(p in self._planes for p in _planes_of(unit)):
            return unit
        shape = unit.target.shape[-2:]
        boxes = np.stack([_in_boxes(p, shape, held_out) for p in _planes_of(unit)]).reshape(unit.target.shape)
        target: Target = np.where(self.where(unit) & boxes, IGNORE, unit.target).astype(unit.target.dtype)
        return replace(unit, target=target)


def _planes_of(unit: Unit) -> Iterator[Place]:
    """List the planes (pair, t, z) of a unit."""
    pair, t, z = unit.place
    for depth in range(len(unit.target) if unit.target.ndim == 3 else 1):
        yield pair, t, z + depth


def _in_boxes(place: Place, shape: Sequence[int], held_out: Iterable[Held]) -> Mask:
    """Tell which pixels of a plane lie in held-out boxes of it or of its neighbours."""
    mask = np.zeros(tuple(shape), bool)
    for (pair, t, z), box in held_out:
        depth = box[0] if len(box) == 3 else slice(0, 1)
        planes = range(z + depth.start, z + depth.stop)
        if any(beside(place, (pair, t, k)) for k in planes):
            mask[box[-2:]] = True
    return mask


def _plane(labels: Image, t: int, z: int) -> npt.NDArray[Any]:
    plane: npt.NDArray[Any] = labels.read(t, slice(z, z + 1))[0, 0]
    return plane
