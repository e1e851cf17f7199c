"""A box of an image along T, Z, Y and X: what is predicted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Self

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError

Range = tuple[int, int]
"""First position, and the one after the last."""
Wanted = tuple[int, int | None] | None
"""A range as users write it: negative numbers count from the end, None is the end; None alone: everything."""
Part = tuple[Wanted, Wanted, Wanted, Wanted]
"""Ranges along T, Z, Y and X."""
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
    def of(cls, image: Image, wanted: Sequence[Wanted] = WHOLE) -> Self:
        """Take a part of an image.

        Parameters
        ----------
        image
            The whole.
        wanted
            Along T, Z, Y and X: (start, stop), of which negative ones count from the end, and a stop of None is
            the end; None: everything.

        Raises
        ------
        UserError
            If a range is empty or reaches beyond the image, or ``wanted`` is something else.

        Examples
        --------
        >>> import numpy as np
        >>> Region.of(Image(np.zeros((5, 8, 8)), "ZYX"), (None, (2, 4), None, None))
        Region(t=(0, 1), z=(2, 4), y=(0, 8), x=(0, 8))
        """
        sizes = [image.size(axis) for axis in "TZYX"]
        ranges = [_counted(given, size) for given, size in zip(_checked(wanted), sizes, strict=True)]
        for axis, size, told, (start, stop) in zip("TZYX", sizes, wanted, ranges, strict=True):
            if not 0 <= start < stop <= size:
                raise UserError(_why_not(image.name, axis, size, told, empty=stop <= start < size))
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


def onward(span: Range, first: int) -> list[int]:
    """List the positions of a range from one of them on, then those before it; one beside it changes nothing.

    Examples
    --------
    >>> onward((2, 6), 4), onward((2, 6), 9)
    ([4, 5, 2, 3], [2, 3, 4, 5])
    """
    start, stop = span
    first = first if start <= first < stop else start
    return [*range(first, stop), *range(start, first)]


def parse_range(what: str, text: str | None) -> Wanted:
    """Read a range as users write it: ``2:5`` holds 2, 3 and 4, ``2`` itself; ``:5`` and ``-2:`` as in Python.

    Parameters
    ----------
    what
        Is given a range, for the message.
    text
        The range; None: everything.

    Raises
    ------
    UserError
        If it is no range, or holds nothing of any image.

    Examples
    --------
    >>> parse_range("--z", "2:5"), parse_range("--z", "7"), parse_range("--z", None)
    ((2, 5), (7, 8), None)
    >>> parse_range("--z", ":5"), parse_range("--z", "-2:"), parse_range("--z", "-1")
    ((0, 5), (-2, None), (-1, None))
    """
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        start = int(first) if first or not colon else 0
        if not colon:
            return start, start + 1 if start != -1 else None
        stop = int(last) if last else None
    except ValueError:
        raise UserError(
            f"{what} '{text}' must be a number, or two such as 0:5, of which the second is left out"
        ) from None
    if stop is not None and (stop == 0 or (start < 0) == (stop < 0)) and stop <= start:
        raise UserError(f"{what} '{text}' is empty: its end has to lie after its start")
    return start, stop


def _why_not(name: str, axis: str, size: int, wanted: Wanted, *, empty: bool) -> str:
    """Say why a range cannot be taken, and what can; a range of one position is told as users write that.

    Examples
    --------
    >>> _why_not("a.tif", "T", 3, (3, 4), empty=False)
    '3 along T does not fit a.tif, which has 3 there: give a number from 0 to 2, or -3 to -1 from the end'
    """
    start, stop = wanted or (0, None)
    one = stop is not None and stop - start == 1 and not empty
    told = f"{start}" if one else f"the range {start}:{'' if stop is None else stop}"
    if empty:
        return f"{told} along {axis} is empty: its end has to lie after its start"
    numbers, last = ("a number", size - 1) if one else ("numbers", size)
    some = f"{numbers} from 0 to {last}, or -{size} to -1 from the end"
    return f"{told} along {axis} does not fit {name}, which has {size} there: give {some}"


def _checked(wanted: Any) -> tuple[Wanted, Wanted, Wanted, Wanted]:
    """Raise `UserError` unless it is a range or None for each of T, Z, Y and X."""
    try:
        t, z, y, x = (None if g is None else (index(g[0]), None if g[1] is None else index(g[1])) for g in wanted)
        if any(g is not None and len(g) != 2 for g in wanted):
            raise ValueError
    except (TypeError, ValueError, LookupError):
        raise UserError(
            f"a part is (start, stop) or None for each of T, Z, Y and X, such as (None, (2, 5), None, None); "
            f"got {wanted!r}"
        ) from None
    return t, z, y, x


def _counted(wanted: Wanted, size: int) -> Range:
    """Count from the start, as all of the program does."""
    start, stop = wanted or (0, None)
    return start + size * (start < 0), size if stop is None else stop + size * (stop < 0)
