"""Looks at one plane, each through another mirror image, and averaged: better than a single one, and steadier."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_unet.engine.preview import to_uint8

OLD = 8.0
"""Seconds after which a look is left out: the network has learnt since."""


class Looks:
    """The mean of the last looks at a plane, one through each mirror image.

    Parameters
    ----------
    clock
        Seconds; for tests.

    Examples
    --------
    Through two mirror images something is seen as black and as white.

    >>> looks, plane = Looks(), object()
    >>> def predict(mirror):
    ...     return np.array([float(mirror)])
    >>> [looks.at(plane, predict, mirrors=2).item() for _ in range(4)], looks.complete
    ([0, 128, 128, 128], True)

    Of another plane nothing is known yet.

    >>> looks.at(object(), predict, mirrors=2).item(), looks.complete
    (0, False)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen = deque[tuple[float, npt.NDArray[np.uint8]]]()
        self.forget()

    def forget(self) -> None:
        """Begin anew: the network has been told something else, or is another one."""
        self._plane: object = None
        self._seen.clear()
        self._made = self._next = 0
        self._mirrors = 1

    @property
    def complete(self) -> bool:
        """The plane was seen through all mirror images."""
        return self._made >= self._mirrors

    def at(
        self, plane: object, predict: Callable[[int], npt.NDArray[np.float32]], mirrors: int
    ) -> npt.NDArray[np.uint8]:
        """Take another look.

        Parameters
        ----------
        plane
            What is looked at, compared by identity.
        predict
            Gives the probabilities as they are seen through the mirror image of this number, from 0.
        mirrors
            How many there are.

        Returns
        -------
        ndarray
            uint8, 255 is a probability of 1: the mean of this look and those before.
        """
        if plane is not self._plane:
            self.forget()
        now = self._clock()
        while self._seen and (now - self._seen[0][0] > OLD or len(self._seen) == mirrors):
            self._seen.popleft()
        number = self._next if self._seen else 0
        seen = to_uint8(predict(number))
        self._seen.append((self._clock(), seen))
        self._plane, self._mirrors = plane, mirrors
        self._made, self._next = self._made + 1, (number + 1) % mirrors
        count = len(self._seen)
        mean = np.full(seen.shape, count // 2, np.uint16)  # so that division rounds to the nearest
        for _, one in self._seen:
            mean += one
        mean //= count
        return mean.astype(np.uint8)
