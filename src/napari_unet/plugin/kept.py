"""Probabilities kept with the cells made of them: cells can be made anew, or split, without the network."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from napari.layers import Layer

from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.region import Region
from napari_unet.spec import CellSpec, ClassSpec


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
