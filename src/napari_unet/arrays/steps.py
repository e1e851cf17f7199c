"""Telling how much of some work is done."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[float], None]
"""Told how much is done, from 0 to 1; what it raises ends the work."""


def nobody(_part: float) -> None:
    """Hear nothing: for work that is told to nobody."""


class Steps:
    """Counts steps, and tells the part of them that is done before each.

    Examples
    --------
    >>> told = []
    >>> steps = Steps(2, told.append)
    >>> steps.next(), steps.next(), told
    (None, None, [0.0, 0.5])
    """

    def __init__(self, total: int, tell: Tell) -> None:
        self._total, self._tell, self._n = total, tell, 0

    def next(self) -> None:
        """Begin a step."""
        self._tell(self._n / self._total)
        self._n += 1
