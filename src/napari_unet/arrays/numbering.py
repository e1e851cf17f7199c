"""Whether the ids of a stack of cells hold through the stack, or start anew in every slice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.contingency import Labels

HALF, NEARLY_ALL = 0.5, 0.95
"""Parts of the ids that neighbouring slices share. Cells in 3D: 1.0 in all sets that were looked at; cells of the
slices of a tissue, which lie side by side in the same order: up to 0.74."""


def numbered_by_slice(stack: ArrayLike, most: int | None = None) -> bool:
    """Tell whether the same id in two slices means two cells.

    Parameters
    ----------
    stack
        Cells, axes ([T,] Z,) Y, X; 0 is none. The first axes count as slices, which are read one by one.
    most
        Look at no more than about this many slices, the first ones that are there; None: at all.

    Returns
    -------
    bool
        True if of the ids that neighbouring slices share, too few share a pixel. A cell that goes through the
        stack lies above itself; cells that merely have the same number seldom do: half is enough, but nearly
        all of them have to where every slice has just the numbers from 1 on, as cells of slices have. True also
        if no id is in two neighbouring slices that both hold cells; False for a single slice.

    Examples
    --------
    >>> slices = np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]])
    >>> numbered_by_slice(slices), numbered_by_slice(slices[[0, 0]])
    (True, False)
    """
    pairs = shared = together = 0
    from_one = True
    for above, below in pairwise(planes_of(stack)):
        if most is not None and pairs >= most:
            break
        pairs += bool(above.any() and below.any())
        ids, others = (np.unique(plane[plane != 0]) for plane in (above, below))
        from_one &= all(len(x) == x.max(initial=0) for x in (ids, others))
        shared += len(np.intersect1d(ids, others))
        together += len(np.unique(above[(above == below) & (above != 0)]))
    enough = NEARLY_ALL if from_one else HALF
    return pairs > 0 and together < max(enough * shared, 1)


def planes_of(stack: ArrayLike) -> Iterator[Labels]:
    """Read the slices (Y, X) of a stack one after the other."""
    for index in np.ndindex(tuple(stack.shape[:-2])):
        yield np.asarray(stack[index])
