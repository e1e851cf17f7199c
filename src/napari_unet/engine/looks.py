"""Looks at one plane, each through another mirror image, and averaged: better than a single one, and steadier."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

LOOKS = 4
"""As many as there are mirror images: the plane itself, mirrored along Y, along X, and along both."""
FRESH = 3.0
"""Seconds after which a look tells of a network that has learnt much since."""


class Looks:
    """The mean of the last looks at a plane; those longer ago count less and less.

    Examples
    --------
    Four looks at something that does not change give their mean. What the fifth sees takes a quarter of its place.

    >>> looks, plane = Looks(), object()
    >>> def seen(mirror):
    ...     return np.array([float(mirror % 2)])
    >>> [looks.at(plane, seen, now).item() for now in (0, 1, 2, 3)][-1], looks.complete
    (0.5, True)
    >>> looks.at(plane, seen, 4).item()
    0.375

    Of another plane nothing is known yet, nor after a pause.

    >>> looks.at(object(), lambda mirror: np.array([9.0]), 5).item()
    9.0
    >>> looks.at(plane, seen, 6).item(), looks.at(plane, seen, 7).item(), looks.at(plane, seen, 70).item()
    (0.0, 0.5, 0.0)
    """

    def __init__(self) -> None:
        self._plane: object = None
        self._mean: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._count = 0
        self._last = 0.0

    def forget(self) -> None:
        """Begin anew: the network has been told something else, or is another one."""
        self._count = 0

    @property
    def complete(self) -> bool:
        """The plane was seen through all mirror images."""
        return self._count >= LOOKS

    def at(
        self, plane: object, predict: Callable[[int], npt.NDArray[np.float32]], now: float
    ) -> npt.NDArray[np.float32]:
        """Take another look.

        Parameters
        ----------
        plane
            What is looked at, compared by identity.
        predict
            Gives the probabilities as they are seen through the mirror image of this number, 0 to 3.
        now
            Seconds.

        Returns
        -------
        ndarray
            The mean of this look and those before.
        """
        if plane is not self._plane or now - self._last > FRESH:
            self.forget()
        seen = predict(self._count % LOOKS)
        self._plane, self._last, self._count = plane, now, self._count + 1
        if self._count == 1:
            self._mean = seen
        else:
            self._mean = self._mean + (seen - self._mean) * np.float32(1 / min(self._count, LOOKS))
        return self._mean
