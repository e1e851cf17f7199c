"""Growing labels step by step, by a rule that looks at neighbours only: the same in blocks as in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[Any]


def grow_labels(labels: Labels, mask: npt.NDArray[np.bool_], reach: int, pixel: Sequence[float]) -> Labels:
    """Grow labels within a mask, all at the same pace, from face neighbour to face neighbour.

    Parameters
    ----------
    labels
        Ids, 0 where there is none.
    mask
        Where labels may grow.
    reach
        How far, in the unit of ``pixel``.
    pixel
        Size of a pixel along each axis; rounded to whole numbers.

    Returns
    -------
    array
        Of the same type. What it holds at a place depends on nothing farther away than ``reach``, and where two
        labels arrive at the same time, on directions but never on ids.

    Examples
    --------
    >>> grow_labels(np.array([[7, 0, 0, 0, 0, 3]]), np.ones((1, 6), bool), 1, (1, 1))
    array([[7, 7, 0, 0, 3, 3]])
    """
    grown = labels.copy()
    open_to = mask & (labels == 0)
    steps = [max(1, round(p)) for p in pixel]
    fronts: dict[int, npt.NDArray[np.bool_]] = {0: labels != 0}
    for now in range(1, reach + 1):
        if not open_to.any():
            break
        arrived = np.zeros(labels.shape, bool)
        for axis, step in enumerate(steps):
            front = fronts.get(now - step)
            if front is not None:
                _take_step(grown, open_to, arrived, front, axis)
        fronts[now] = arrived
        fronts.pop(now - max(steps), None)
    return grown


def _take_step(
    grown: Labels,
    open_to: npt.NDArray[np.bool_],
    arrived: npt.NDArray[np.bool_],
    front: npt.NDArray[np.bool_],
    axis: int,
) -> None:
    """Let the pixels of a front hand their labels to both neighbours along an axis; changes the first three."""
    ids, free, new, source = (np.moveaxis(a, axis, 0) for a in (grown, open_to, arrived, front))
    for here, there in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
        taken = source[here] & free[there]
        ids[there][taken] = ids[here][taken]
        free[there][taken] = False
        new[there][taken] = True
