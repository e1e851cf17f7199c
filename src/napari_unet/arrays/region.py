"""A box of an image along T, Z, Y and X: what is predicted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError

Range = tuple[int, int]
"""First position, and the one after the last."""
Part = tuple[Range | None, Range | None, Range | None, Range | None]
"""Ranges along T, Z, Y and X; None: everything."""
WHOLE: Part = (None, None, None, None)


@dataclass(frozen=True)
class Region:
    """A box of an image, in its pixels.

    Examples
    --------
    >>> region = Region((0, 1), (3, 5), (0, 64), (8, 48))
    >>> region.shape
    (1, 2, 64, 40)
    """

    t: Range
    z: Range
    y: Range
    x: Range

    @classmethod
    def of(cls, image: Image, wanted: Sequence[Range | None] = WHOLE) -> Self:
        """Take a part of an image.

        Parameters
        ----------
        image
            The whole.
        wanted
            Along T, Z, Y and X; None: everything.

        Raises
        ------
        UserError
            If a range is empty or reaches beyond the image.

        Examples
        --------
        >>> import numpy as np
        >>> Region.of(Image(np.zeros((5, 8, 8)), "ZYX"), (None, (2, 4), None, None))
        Region(t=(0, 1), z=(2, 4), y=(0, 8), x=(0, 8))
        """
        ranges = []
        for axis, given in zip("TZYX", wanted, strict=True):
            size = image.size(axis)
            start, stop = given or (0, size)
            if not 0 <= start < stop <= size:
                raise UserError(
                    f"the range {start}:{stop} along {axis} does not fit {image.name}, which has {size} there; "
                    f"give one from 0:1 to 0:{size}"
                )
            ranges.append((start, stop))
        return cls(*ranges)

    @property
    def ranges(self) -> tuple[Range, Range, Range, Range]:
        """Along T, Z, Y, X."""
        return self.t, self.z, self.y, self.x

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Lengths along T, Z, Y, X."""
        t, z, y, x = (stop - start for start, stop in self.ranges)
        return t, z, y, x

    @property
    def slices(self) -> tuple[slice, slice, slice, slice]:
        """Index of the region in an array of axes T, Z, Y, X."""
        t, z, y, x = (slice(*r) for r in self.ranges)
        return t, z, y, x

    def within(self, other: Region) -> Region:
        """Tell the same box in coordinates of another that holds it.

        Examples
        --------
        >>> Region((0, 1), (3, 5), (8, 9), (8, 9)).within(Region((0, 1), (2, 9), (8, 64), (0, 64)))
        Region(t=(0, 1), z=(1, 3), y=(0, 1), x=(8, 9))
        """
        pairs = zip(self.ranges, other.ranges, strict=True)
        return Region(*((start - first, stop - first) for (start, stop), (first, _) in pairs))
