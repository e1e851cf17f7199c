"""Probabilities kept with the cells made of them: cells can be made anew, or split, without the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.region import Region
from napari_unet.spec import CellSpec, ClassSpec


class Stacked:
    """Arrays of one shape as one array, with a first axis more; nothing is copied.

    Examples
    --------
    >>> stacked = Stacked([np.zeros((4, 5), np.uint8), np.ones((4, 5), np.uint8)])
    >>> stacked.shape, stacked[:, 2, 1:3].tolist(), int(stacked[1, 0, 0])
    ((2, 4, 5), [[0, 0], [1, 1]], 1)
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = tuple(arrays)
        self.shape: tuple[int, ...] = (len(self._arrays), *self._arrays[0].shape)
        self.dtype = np.dtype(self._arrays[0].dtype)

    def __getitem__(self, key: Any, /) -> npt.NDArray[Any]:
        which, *rest = key if isinstance(key, tuple) else (key,)
        found = self._arrays[which]
        if isinstance(found, tuple):
            return np.stack([np.asarray(array[tuple(rest) or ...]) for array in found])
        return np.asarray(found[tuple(rest) or ...])


@dataclass(frozen=True)
class Kept:
    """What cells were made of.

    Parameters
    ----------
    probabilities
        uint8 from 0 to 255, ``(K, *axes)``: of every class.
    axes
        Of one class, such as ``ZYX``; those of the layer of cells.
    classes
        The K classes.
    cells
        How the cells were made.
    flat
        Cells are those of slices (Y, X), each numbered anew; else those of volumes (Z, Y, X).
    filled
        The parts that hold probabilities.
    """

    probabilities: ArrayLike
    axes: str
    classes: tuple[ClassSpec, ...]
    cells: CellSpec
    flat: bool
    filled: tuple[Region, ...]


_KEPT: WeakKeyDictionary[Layer, Kept] = WeakKeyDictionary()
# Not in the layer's metadata, which napari copies with the layer.


def keep(layer: Layer, kept: Kept) -> None:
    """Keep probabilities for as long as a layer of cells lives."""
    _KEPT[layer] = kept


def kept_of(layer: Layer | None) -> Kept | None:
    """Return what the cells of a layer were made of, if it is known."""
    return None if layer is None else _KEPT.get(layer)
