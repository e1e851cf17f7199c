"""Accepted cells stay as they are where cells are made anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_unet.arrays.boxes import is_large
from napari_unet.arrays.correcting import protect
from napari_unet.arrays.region import Region
from napari_unet.plugin.cells.accepted import CellKey, accepted_of
from napari_unet.plugin.layers import full_data, read_region


class Protection:
    """Lets the accepted cells of a layer stay where new cells are written into it.

    Parameters
    ----------
    layer, axes
        Whose cells, and its axes.
    tissue
        A line of 0 lies between any two cells.
    min_size
        Pixels; of new cells that lose a part, smaller pieces are dropped.
    """

    def __init__(self, layer: Labels, axes: str, *, tissue: bool, min_size: int) -> None:
        self._layer, self._axes, self._tissue, self._min_size = layer, axes, tissue, min_size

    def apply(self, new: npt.NDArray[Any], region: Region) -> npt.NDArray[Any]:
        """Put the accepted cells of a region, as they are in the layer, over new ones.

        Parameters
        ----------
        new
            (Z, Y, X).
        region
            Of one time point; a plane or a volume, or a block of a large one.

        Returns
        -------
        array
            Of the same type. Without accepted cells, ``new``.
        """
        accepted = accepted_of(self._layer)
        keys = frozenset() if accepted is None else accepted.keys
        slices = (None, region.z[0]) if region.shape[1] == 1 else (None,)
        ids = [n for t, z, n in keys if t == region.t[0] and z in slices]
        if not ids:
            return new
        old = read_region(full_data(self._layer), self._axes, region)
        if self._in_blocks(region):  # new numbers have to be the same in all blocks
            return np.where(np.isin(old, ids), old, np.where(new > 0, new + max(ids), 0)).astype(new.dtype)
        return protect(new, old, ids, self._min_size, line=self._tissue).astype(new.dtype)

    def _in_blocks(self, region: Region) -> bool:
        """Whether a region may be a block of a plane or volume that is too large for one piece."""
        lengths = dict(zip(self._axes, full_data(self._layer).shape, strict=True))
        flat = region.shape[1] == 1
        return is_large([lengths.get(a, 1) for a in ("YX" if flat else "ZYX")])


def accepted_planes(layer: Labels, axes: str, *, flat: bool) -> Iterator[tuple[Region, npt.NDArray[Any]]]:
    """Give the accepted cells of a layer, plane by plane (1, Y, X), with 0 everywhere else.

    Parameters
    ----------
    layer, axes
        Whose cells, and its axes.
    flat
        Those of cells of slices; else those of cells that go through the slices.
    """
    lengths, keys = dict(zip(axes, full_data(layer).shape, strict=True)), keys_of(layer, flat=flat)
    whole = (0, lengths["Y"]), (0, lengths["X"])
    for t, at in {(t, z) for t, z, _ in keys}:
        ids = [n for other_t, z, n in keys if (other_t, z) == (t, at)]
        for z in range(lengths.get("Z", 1)) if at is None else [at]:
            region = Region((t, t + 1), (z, z + 1), *whole)
            plane = read_region(full_data(layer), axes, region)
            yield region, np.where(np.isin(plane, ids), plane, 0)


def keys_of(layer: Labels | None, *, flat: bool) -> list[CellKey]:
    """Return what is accepted of a layer: of cells of slices, or of those that go through the slices."""
    accepted = accepted_of(layer)
    return [] if accepted is None else [key for key in accepted.keys if (key[1] is not None) == flat]
