"""Cells of a layer, read slice by slice and written as steps of its history; nothing is loaded whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_unet.arrays.cells import boundary_probability
from napari_unet.arrays.linking import GAP
from napari_unet.arrays.numbering import numbered_by_slice
from napari_unet.arrays.regions import bounding_box
from napari_unet.arrays.targets import check_labels_dtype
from napari_unet.errors import UserError
from napari_unet.plugin.cells.accepted import CellKey
from napari_unet.plugin.cells.place import axes_of, geometry_of
from napari_unet.plugin.cells.through import tell_flat, told_flat
from napari_unet.plugin.kept import kept_of
from napari_unet.plugin.layers import Geometry, full_data, place_of

Box = tuple[slice, slice, slice]
"""Along Z, Y, X; in a flat stack a single slice."""
Cells = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]

SAMPLE = 1024
"""Rows and columns in which is looked whether cells go through the slices,"""
SLICES = 3
"""and so many slices on each side."""


@dataclass(frozen=True)
class Place:
    """A pixel of a layer."""

    t: int
    z: int
    y: int
    x: int


@dataclass(frozen=True)
class Body:
    """A cell.

    Parameters
    ----------
    key
        Which one.
    box
        Around it.
    mask
        Its pixels in the box; Z, Y, X.
    """

    key: CellKey
    box: Box
    mask: Mask


class CellStack:
    """The cells of a layer.

    Parameters
    ----------
    layer
        A number per cell.

    Raises
    ------
    UserError
        If its axes are not known, or it has several resolutions or no whole numbers.
    """

    def __init__(self, layer: Labels) -> None:
        if layer.multiscale:
            raise UserError(f"'{layer.name}' has several resolutions and cannot be corrected: use its finest one")
        check_labels_dtype(layer.dtype, f"'{layer.name}'")
        self.layer = layer
        self.axes = axes_of(layer)
        self._highest: dict[int, int] = {}
        layer.events.selected_label.connect(self._label_selected)
        layer.events.data.connect(self._replaced)

    @property
    def geometry(self) -> Geometry:
        """Where the layer lies."""
        return geometry_of(self.layer)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a voxel along Z, Y, X."""
        size = dict(zip(self.axes, np.abs(self.layer.scale).tolist(), strict=True))
        return size.get("Z", 1.0), size["Y"], size["X"]

    def size(self, axis: str) -> int:
        """Return the length of an axis, 1 if there is none."""
        sizes = dict(zip(self.axes, full_data(self.layer).shape, strict=True))
        return int(sizes.get(axis, 1))

    # Reading

    def place(self, position: Sequence[float]) -> Place:
        """Find the pixel at a place of the world.

        Raises
        ------
        UserError
            If it is beside the layer.
        """
        at = dict(zip(self.axes, (round(float(v)) for v in place_of(self.layer, position)), strict=True))
        found = Place(*(at.get(a, 0) for a in "TZYX"))
        if not all(
            0 <= i < self.size(a) for a, i in zip("TZYX", (found.t, found.z, found.y, found.x), strict=True)
        ):
            raise UserError(f"this place is beside '{self.layer.name}': point at one of its cells")
        return found

    def slice_at(self, point: Sequence[float]) -> Place:
        """Find the slice at a place of the world, wherever in it; the first pixel stands for it."""
        at = dict(zip(self.axes, (round(float(v)) for v in place_of(self.layer, point)), strict=True))
        t, z = (min(max(at.get(a, 0), 0), self.size(a) - 1) for a in "TZ")
        return Place(t, z, 0, 0)

    def plane(self, t: int, z: int) -> Cells:
        """Read a slice; Y, X."""
        found: Cells = self.crop(t, (slice(z, z + 1), slice(None), slice(None)))[0]
        return found

    def crop(self, t: int, box: Box) -> Cells:
        """Read a box; Z, Y, X. It may share the memory of the layer."""
        at = {"T": t, "C": 0, "Z": box[0], "Y": box[1], "X": box[2]}
        found = np.asarray(full_data(self.layer)[tuple(at[a] for a in self.axes)])
        return found if "Z" in self.axes else found[np.newaxis]

    def boundary(self, t: int, box: Box) -> npt.NDArray[np.float32] | None:
        """Read the boundary probability in a box, if it was kept with the cells; Z, Y, X."""
        kept = kept_of(self.layer)
        if kept is None or not any(c.role == "boundary" for c in kept.classes):
            return None
        at = {"T": t, "C": 0, "Z": box[0], "Y": box[1], "X": box[2]}
        found = np.asarray(kept.probabilities[(slice(None), *(at[a] for a in kept.axes))])
        if not found.any():  # not predicted here
            return None
        return boundary_probability(found if "Z" in kept.axes else found[:, np.newaxis], kept.classes)

    def number(self, place: Place) -> int:
        """Read the number at a pixel."""
        box = (slice(place.z, place.z + 1), slice(place.y, place.y + 1), slice(place.x, place.x + 1))
        return int(self.crop(place.t, box).item())

    def key(self, place: Place, number: int) -> CellKey:
        """Say which cell has a number at a place."""
        return place.t, place.z if self.flat else None, number

    def body(self, place: Place, number: int) -> Body:
        """Find the pixels of a cell: of the slice at a place or, in a volume, of its neighbours up to its ends."""
        found = dict(self._outward(place, number, 0))
        if not self.flat:
            found |= dict(self._outward(place, number, -1)) | dict(self._outward(place, number, 1))
        boxes = [bounding_box(mask) for mask in found.values()]
        ys, xs = ([b[i] for b in boxes if b is not None] for i in (0, 1))
        rows, columns = (slice(min(s.start for s in part), max(s.stop for s in part)) for part in (ys, xs))
        slices = range(min(found), max(found) + 1)
        nothing = np.zeros_like(found[place.z])
        mask = np.stack([found.get(z, nothing)[rows, columns] for z in slices])
        return Body(self.key(place, number), (slice(slices.start, slices.stop), rows, columns), mask)

    def _outward(self, place: Place, number: int, step: int) -> Iterator[tuple[int, Mask]]:
        """Yield the slices of a cell from a place on, until it is gone for longer than linking lets it."""
        z, missing = place.z + step, 0
        while 0 <= z < self.size("Z") and missing <= GAP:
            mask = self.plane(place.t, z) == number
            missing = 0 if mask.any() else missing + 1
            if not missing:
                yield z, mask
            if step == 0:
                return
            z += step

    def wider(self, box: Box, by: int) -> Box:
        """Grow a box within the layer; along Z only in a volume."""
        z, y, x = (
            slice(max(0, s.start - by), min(self.size(a), s.stop + by)) for s, a in zip(box, "ZYX", strict=True)
        )
        return (box[0] if self.flat else z), y, x

    @property
    def flat(self) -> bool:
        """Every slice is numbered anew; else, or as long as that is not known, cells go through the slices."""
        if self.size("Z") == 1:
            return True
        return bool(told_flat(self.layer))

    @flat.setter
    def flat(self, flat: bool) -> None:
        tell_flat(self.layer, flat)

    def look_at(self, place: Place) -> None:
        """Look at the slices around a place, if it is not known yet whether cells go through them."""
        if told_flat(self.layer) is not None or self.size("Z") == 1:
            return
        middles, halves = (place.z, self.size("Y") // 2, self.size("X") // 2), (SLICES, SAMPLE // 2, SAMPLE // 2)
        z, y, x = (slice(max(0, m - half), m + half) for m, half in zip(middles, halves, strict=True))
        sample = self.crop(place.t, (z, y, x))
        if sample.any():
            tell_flat(self.layer, numbered_by_slice(sample))

    # Writing

    def check_writable(self) -> None:
        """Raise `UserError` if pixels cannot be set."""
        data = full_data(self.layer)
        name = type(data).__module__.split(".")[0]
        if name == "dask":
            raise UserError(
                f"'{self.layer.name}' is a dask array, in which pixels cannot be set: open it from a zarr, or "
                "duplicate the layer"
            )
        flags = getattr(data, "flags", None)
        if getattr(data, "read_only", False) or (flags is not None and not flags.writeable):
            raise UserError(f"'{self.layer.name}' can only be read: duplicate the layer, and correct the copy")

    def write(self, t: int, box: Box, new: Cells) -> None:
        """Write what has changed in a box, into the history of the layer.

        Raises
        ------
        UserError
            If the layer has no room for such numbers.
        """
        dtype = full_data(self.layer).dtype
        highest = 1 if dtype.kind == "b" else np.iinfo(dtype).max
        if new.max(initial=0) > highest:
            room = f"'{self.layer.name}' ({dtype}) has room for numbers up to {highest}"
            raise UserError(f"{room}: convert it to int32 first (right click on the layer)")
        changed = np.nonzero(new != self.crop(t, box))
        values = new[changed]
        at = {a: i + s.start for a, i, s in zip("ZYX", changed, box, strict=True)}
        at["T"] = np.full(len(values), t)
        channels = self.size("C")  # the same in all
        at = {a: np.tile(i, channels) for a, i in at.items()}
        at["C"] = np.repeat(np.arange(channels), len(values))
        if len(values):
            self.layer.data_setitem(tuple(at[a] for a in self.axes), np.tile(values, channels).astype(dtype))

    def next_number(self, place: Place) -> int:
        """Return a number that no cell of the slice, or of the volume, has; the volume is read once only."""
        here = int(self.plane(place.t, place.z).max(initial=0))
        if self.flat:
            return here + 1
        if place.t not in self._highest:
            planes = (self.plane(place.t, z) for z in range(self.size("Z")))
            self._highest[place.t] = max(int(p.max(initial=0)) for p in planes)
        self._highest[place.t] = max(self._highest[place.t], here)
        return self._highest[place.t] + 1

    def number_taken(self, place: Place, number: int) -> None:
        """Remember that a number is not free any more."""
        if place.t in self._highest:
            self._highest[place.t] = max(self._highest[place.t], number)

    def _replaced(self) -> None:
        self._highest.clear()

    def _label_selected(self) -> None:
        """Count what the user is going to paint as taken."""
        for t, highest in self._highest.items():
            self._highest[t] = max(highest, int(self.layer.selected_label))
