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
    >>> pace.tell(0.75)
    >>> pace.part, pace.seconds_left
    (0.25, None)
    >>> pace.end()
    >>> round(pace.part, 3)
    0.333
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._timed = self._seconds = 0.0
        self._current = self._fraction = 0.0
        self._began = self._since = 0.0
        """When the timing of the image at hand began, and how much of it was done then."""
        self._warm = False
        """Something was computed: what comes first takes longer, and is not timed."""

    def begin(self, pixels: int) -> None:
        """Begin an image of so many pixels."""
        self._current, self._fraction, self._since, self._began = float(pixels), 0.0, 0.0, time.monotonic()

    def tell(self, fraction: float) -> None:
        """Note how much of it is done, from 0 to 1."""
        self._fraction = fraction
        if not self._warm:
            self._warm, self._since, self._began = True, fraction, time.monotonic()

    def end(self) -> None:
        """End it, well or not."""
        self._seconds, self._timed = self._spent, self._computed
        self._done += self._current
        self._current = self._fraction = self._since = 0.0

    @property
    def _computed(self) -> float:
        """Pixels that were timed."""
        return self._timed + self._current * (self._fraction - self._since)

    @property
    def _spent(self) -> float:
        return self._seconds + (time.monotonic() - self._began if self._current and self._warm else 0.0)

    @property
    def part(self) -> float:
        """How much is done, from 0 to 1."""
        return (self._done + self._current * self._fraction) / self._total if self._total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the same pace; None before it is known."""
        if not self._computed:
            return None
        return self._spent / self._computed * self._total * (1 - self.part)
