"""Where an image lies, and when its frames were taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Where:
    """Place of an image in space and time; the size of its voxels is told apart.

    Parameters
    ----------
    origin
        Place of the middle of the first voxel along Z, Y, X, in the unit of the voxel size.
    start, step
        Time of the first frame, and from one to the next.
    time_unit
        Of both, as OME-Zarr calls it, such as ``second``; empty: unknown.

    Examples
    --------
    >>> Where((0.0, 10.0, 10.0), step=30.0, time_unit="second").moved((1, 0, 4, 2), (1.0, 0.5, 0.5))
    Where(origin=(0.0, 12.0, 11.0), start=30.0, step=30.0, time_unit='second')
    """

    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    start: float = 0.0
    step: float = 1.0
    time_unit: str = ""

    @classmethod
    def checked(cls, origin: Sequence[float], start: float, step: float, time_unit: str) -> Self:
        """Take what a file tells: places that are no numbers are 0, and a senseless time is unknown.

        Examples
        --------
        >>> Where.checked((0, math.nan, 2), 5.0, 0.0, "second")
        Where(origin=(0.0, 0.0, 2.0), start=0.0, step=1.0, time_unit='')
        """
        z, y, x = (round(float(o), 9) if math.isfinite(o) else 0.0 for o in origin)
        if not 0 < step < math.inf:
            return cls((z, y, x))
        return cls((z, y, x), float(start) if math.isfinite(start) else 0.0, float(step), time_unit)

    def moved(self, first: Sequence[int], spacing: Sequence[float]) -> Self:
        """Tell where a part begins.

        Parameters
        ----------
        first
            Its first frame and voxel along T, Z, Y, X.
        spacing
            Size of a voxel along Z, Y, X.
        """
        t, *begins = first
        z, y, x = (o + n * s for o, n, s in zip(self.origin, begins, spacing, strict=True))
        return type(self)((z, y, x), self.start + t * self.step, self.step, self.time_unit)


UNPLACED = Where()
"""At 0, a frame after the other."""
