"""Accepted cells stay as they are where cells are made anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_unet.arrays.boxes import is_large
from napari_unet.arrays.correcting import protect
from napari_unet.arrays.region import Region
from napari_unet.plugin.cells.accepted import accepted_in, accepted_of
from napari_unet.plugin.layers import full_data, read_region


class Protection:
    """The accepted cells of a layer, and how new cells make room for them.

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
        lengths = dict(zip(axes, full_data(layer).shape, strict=True))
        self._large = is_large([lengths.get(a, 1) for a in "ZYX"])
        """New cells may come in blocks, and their numbers have to be the same in all of them."""

    def apply(self, new: npt.NDArray[Any], region: Region) -> npt.NDArray[Any]:
        """Put the accepted cells of a region over new ones.

        Parameters
        ----------
        new
            (Z, Y, X).
        region
            Of one time point; a plane, or a volume.

        Returns
        -------
        array
            Of the same type. Without accepted cells, ``new``.
        """
        accepted = accepted_of(self._layer)
        if accepted is None:
            return new
        flat = region.shape[1] == 1
        ids = accepted.numbers(region.t[0], region.z[0]) if flat else accepted.numbers(region.t[0])
        if not ids:
            return new
        old = read_region(full_data(self._layer), self._axes, region)
        if self._large:
            return np.where(np.isin(old, list(ids)), old, np.where(new > 0, new + max(ids), 0)).astype(new.dtype)
        return protect(new, old, ids, self._min_size, line=self._tissue).astype(new.dtype)

    def hand_over(self, layer: Labels) -> None:
        """Accept the same cells of a layer that takes the place of this one."""
        accepted = accepted_of(self._layer)
        if accepted is not None and accepted.keys and layer is not self._layer:
            accepted_in(layer).change(add=accepted.keys)


def protection_of(layer: Labels | None, axes: str, *, tissue: bool, min_size: int) -> Protection | None:
    """Return what protects the accepted cells of a layer; None if none are accepted."""
    accepted = accepted_of(layer)
    if layer is None or accepted is None or not accepted.keys:
        return None
    return Protection(layer, axes, tissue=tissue, min_size=min_size)
