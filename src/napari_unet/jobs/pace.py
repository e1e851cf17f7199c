"""How far many images are, and how long the rest will take."""

from __future__ import annotations

import time


class Pace:
    """Counts pixels that are done, and times those that were computed.

    Parameters
    ----------
    total
        Pixels of all images.

    Examples
    --------
    >>> pace = Pace(300)
    >>> pace.begin(100)
    >>> pace.part, pace.seconds_left
    (0.0, None)
    >>> pace.tell(0.75)
    >>> pace.part
    0.25
    >>> pace.end()
    >>> round(pace.part, 3)
    0.333
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._timed = self._current = 0.0
        self._seconds = self._began = 0.0
        self._fraction = 0.0

    def begin(self, pixels: int) -> None:
        """Begin an image of so many pixels."""
        self._current, self._fraction, self._began = float(pixels), 0.0, time.monotonic()

    def tell(self, fraction: float) -> None:
        """Note how much of it is done, from 0 to 1."""
        self._fraction = fraction

    def end(self) -> None:
        """End it, well or not."""
        self._seconds += time.monotonic() - self._began
        self._timed += self._current * self._fraction
        self._done += self._current
        self._current = self._fraction = 0.0

    @property
    def part(self) -> float:
        """How much is done, from 0 to 1."""
        return (self._done + self._current * self._fraction) / self._total if self._total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the same pace; None before anything was computed."""
        timed = self._timed + self._current * self._fraction
        if not timed:
            return None
        seconds = self._seconds + (time.monotonic() - self._began if self._current else 0.0)
        return seconds / timed * self._total * (1 - self.part)
