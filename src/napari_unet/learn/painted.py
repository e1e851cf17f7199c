"""Labels that are painted on while they are learnt from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from napari_unet.arrays.axes import ALL, Image

Plane = tuple[int, int]
"""t and z."""


@dataclass(frozen=True)
class PaintedLabels(Image):
    """Labels as they were, with planes that have changed since; the array itself stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> labels = PaintedLabels(np.zeros((2, 3, 4), np.uint8), "ZYX")
    >>> labels.paint(0, 1, 2, 0, np.uint8([[7, 8]]))
    >>> labels.read(0, slice(1, 2))[0, 0, 2], labels.data.any()
    (array([7, 8, 0, 0], dtype=uint8), np.False_)
    """

    planes: dict[Plane, npt.NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, labels: Image) -> PaintedLabels:
        """Take labels as they are."""
        return cls(labels.data, labels.axes, labels.spacing, labels.name)

    def paint(self, t: int, z: int, y: int, x: int, values: npt.NDArray[Any]) -> None:
        """Put values (Y, X) into plane (t, z), the first of them at (y, x)."""
        if (t, z) not in self.planes:
            self.planes[t, z] = super().read(t, slice(z, z + 1))[0, 0].copy()
        height, width = values.shape
        self.planes[t, z][y : y + height, x : x + width] = values

    def read(self, t: int = 0, z: slice = ALL, y: slice = ALL, x: slice = ALL) -> npt.NDArray[Any]:
        """Read a region as it is now: axes C, Z, Y, X."""
        block = super().read(t, z, y, x)
        depths = range(*z.indices(self.size("Z")))
        changed = [(n, depth) for n, depth in enumerate(depths) if (t, depth) in self.planes]
        if changed:
            block = block.copy()
        for n, depth in changed:
            block[0, n] = self.planes[t, depth][y, x]
        return block
