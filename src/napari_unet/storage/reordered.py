"""Write into an array whose axes are stored in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Reordered:
    """An array to read and write, with its axes in another order than those that are stored.

    Parameters
    ----------
    stored
        The array that is written.
    axes, stored_axes
        A letter for every axis, in the order in which they are given here, and in which they are stored.

    Examples
    --------
    >>> stored = np.zeros((2, 3, 4))
    >>> seen = Reordered(stored, "CTX", "TCX")
    >>> seen.shape
    (3, 2, 4)
    >>> seen[:, 1] = np.arange(12).reshape(3, 4)
    >>> int(stored[1, 2, 3]), int(seen[2, 1, 3]), seen[:, 1].shape
    (11, 11, (3, 4))
    """

    def __init__(self, stored: Any, axes: str, stored_axes: str) -> None:
        self._stored = stored
        self._order = [axes.index(a) for a in stored_axes]
        self.shape = tuple(int(stored.shape[stored_axes.index(a)]) for a in axes)
        self.dtype = stored.dtype

    def __getitem__(self, key: Any, /) -> Any:
        spans = _for_every_axis(key if isinstance(key, tuple) else (key,), len(self.shape))
        found = np.asarray(self._stored[tuple(spans[a] for a in self._order)])
        kept = [a for a in self._order if isinstance(spans[a], slice)]
        return found.transpose([kept.index(a) for a in sorted(kept)])

    def __setitem__(self, key: Any, value: Any, /) -> None:
        spans = _for_every_axis(key if isinstance(key, tuple) else (key,), len(self.shape))
        value = np.asarray(value)
        if value.ndim:
            kept = [a for a, span in enumerate(spans) if isinstance(span, slice)]
            value = value.transpose([kept.index(a) for a in self._order if a in kept])
        self._stored[tuple(spans[a] for a in self._order)] = value


def _for_every_axis(key: Sequence[Any], ndim: int) -> list[Any]:
    """Fill a key up with whole axes, at its ellipsis or else at its end."""
    place = next((n for n, k in enumerate(key) if k is Ellipsis), len(key))
    given = [k for k in key if k is not Ellipsis]
    return [*given[:place], *[slice(None)] * (ndim - len(given)), *given[place:]]
