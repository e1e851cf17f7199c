"""How many cells have changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.contingency import renumber


def changed_cells(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> int:
    """Count the cells that are no longer, pixel by pixel, what they were; their numbers do not matter.

    Parameters
    ----------
    before, after
        Ids, 0 is none; of one shape.

    Examples
    --------
    >>> before = np.array([[1, 1, 0, 2, 3, 3]])
    >>> changed_cells(before, np.array([[9, 9, 0, 4, 4, 4]])), changed_cells(before, 5 * before)
    (1, 0)
    """
    old, new = renumber(before).ravel(), renumber(after).ravel()
    partner = np.zeros(int(new.max(initial=0)) + 1, np.int64)
    partner[new] = old  # of some pixel of each
    sizes = np.bincount(new, minlength=len(partner))
    shared = np.bincount(new[partner[new] == old], minlength=len(partner))
    same = (shared == sizes) & (np.bincount(old)[partner] == sizes) & (partner > 0)
    return int(np.count_nonzero(~same[1:]))
