"""Places in the annotation of a training, as (pair, t, z), and held-out boxes of them."""

from __future__ import annotations

from collections.abc import Sequence

Place = tuple[int, int, int]
"""Number of the pair, t, and z of the (first) plane."""
Held = tuple[Place, tuple[slice, ...]]
"""A held-out box: its place, and slices (Y, X) or (Z, Y, X) of the target there."""


def beside(a: Sequence[int], b: Sequence[int]) -> bool:
    """Tell whether two planes (pair, t, z) are the same or neighbours in Z, which look alike.

    Examples
    --------
    >>> beside((0, 0, 3), (0, 0, 4)), beside((0, 0, 3), (0, 0, 5)), beside((0, 0, 3), (1, 0, 3))
    (True, False, False)
    """
    return a[:2] == b[:2] and abs(a[2] - b[2]) <= 1
