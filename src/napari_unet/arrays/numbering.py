"""Whether the ids of a stack of cells hold through the stack, or start anew in every slice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt


def numbered_by_slice(stack: npt.NDArray[np.integer[Any]]) -> bool:
    """Tell whether the same id in two slices means two cells.

    Parameters
    ----------
    stack
        Cells, axes ([T,] Z,) Y, X; 0 is none. The first axes count as slices.

    Returns
    -------
    bool
        True if of the ids that neighbouring slices share, most share no pixel. A cell that goes through the stack
        lies above itself; cells that merely have the same number seldom do. True also if no id is in two
        neighbouring slices that both hold cells; False for a single slice.

    Examples
    --------
    >>> slices = np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]])
    >>> numbered_by_slice(slices), numbered_by_slice(slices[[0, 0]])
    (True, False)
    """
    planes = stack.reshape(-1, *stack.shape[-2:])
    pairs = shared = together = 0
    for above, below in pairwise(planes):
        pairs += bool(above.any() and below.any())
        shared += len(np.intersect1d(above[above != 0], below[below != 0]))
        together += len(np.unique(above[(above == below) & (above != 0)]))
    return pairs > 0 and 2 * together < max(shared, 1)
