"""The probabilities of one prediction: kept for its cells to be made anew, shown or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.plugin.kept import Kept, Stacked
from napari_unet.plugin.layers import Geometry, Index, place
from napari_unet.plugin.store import Store
from napari_unet.spec import CellSpec, ClassSpec


class Probabilities:
    """An array (uint8, 0 to 255) for each class, and which cells have been made of them.

    Cells are made in pieces: planes, or volumes with 3D networks.

    Parameters
    ----------
    geometry, result_axes
        Where the arrays lie, and the axes in which blocks come.
    classes
        Of the model.
    store
        Makes the arrays, once they are needed.
    """

    def __init__(self, geometry: Geometry, result_axes: str, classes: Sequence[ClassSpec], store: Store) -> None:
        self._geometry, self._axes, self._classes, self._store = geometry, result_axes, tuple(classes), store
        self._arrays: list[Any] = []
        self._made: dict[Region, CellSpec | None] = {}

    @property
    def arrays(self) -> list[Any]:
        """One for each class.

        Raises
        ------
        UserError
            If they fit neither into the memory allowed nor onto the disk.
        """
        if not self._arrays:
            self._arrays = [self._store.array(self._geometry, np.uint8) for _ in self._classes]
        return self._arrays

    def make_room(self) -> str:
        """Make the arrays; returns why there is no room for them."""
        try:
            _ = self.arrays
        except (UserError, OSError) as error:
            return str(error)
        return ""

    def write(self, index: Index, block: npt.NDArray[Any]) -> Index:
        """Write a block of all classes, if there are arrays for it; returns its place in each of them."""
        key: Index = ()
        for part, values in enumerate(block):
            key, placed = place(index, values, self._axes, self._geometry.axes)
            if self._arrays:
                self._arrays[part][key] = placed
        return key

    @property
    def made(self) -> Mapping[Region, CellSpec | None]:
        """How the cells of every piece were made; None: not yet."""
        return self._made

    def note(self, piece: Region, cells: CellSpec) -> None:
        """Note how the cells of a piece were made, if its probabilities are here."""
        if self._arrays:
            self._made[piece] = cells

    def forget(self, region: Region) -> None:
        """Forget what a new prediction of a region will fill."""
        self._made = {piece: cells for piece, cells in self._made.items() if beside(piece, region)}

    def make_all(self) -> None:
        """Note that all cells have to be made: their layer is new."""
        self._made = dict.fromkeys(self._made)

    @property
    def kept(self) -> Kept | None:
        """What cells can be made of; None if nothing is here."""
        if not self._made:
            return None
        flat = all(piece.shape[1] == 1 for piece in self._made)
        cells = next((c for c in self._made.values() if c is not None), CellSpec())
        filled = tuple(sorted(self._made, key=lambda piece: piece.ranges))  # they came from what was in view on
        return Kept(Stacked(self._arrays), self._geometry.axes, self._classes, cells, flat, filled)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a voxel along Z, Y, X."""
        scale = dict(zip(self._geometry.axes, self._geometry.properties["scale"], strict=True))
        z, y, x = (abs(float(scale.get(a, 1.0))) for a in "ZYX")
        return z, y, x


def beside(one: Region, other: Region) -> bool:
    """Whether two regions have no pixel in common.

    Examples
    --------
    >>> slice_3, slice_4 = (Region((0, 1), (z, z + 1), (0, 9), (0, 9)) for z in (3, 4))
    >>> beside(slice_3, slice_4), beside(slice_3, slice_3)
    (True, False)
    """
    return any(a[1] <= b[0] or b[1] <= a[0] for a, b in zip(one.ranges, other.ranges, strict=True))


def inside(one: Region, other: Region) -> bool:
    """Whether a region is part of another."""
    return all(b[0] <= a[0] and a[1] <= b[1] for a, b in zip(one.ranges, other.ranges, strict=True))
