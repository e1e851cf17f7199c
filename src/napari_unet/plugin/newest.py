"""A thread for work of which only the newest order counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")
Stale = Callable[[], bool]


class Newest(Generic[T]):
    """Does one order after the other, in a thread of its own; what waits is replaced by what is given.

    Parameters
    ----------
    name
        Of the thread.
    work
        Called with an order and a function that tells whether it counts no longer: then it should return.

    Examples
    --------
    >>> done = threading.Event()
    >>> newest = Newest("example", lambda order, stale: done.set())
    >>> newest.give("an order")
    >>> done.wait(10)
    True
    >>> newest.clear()
    """

    def __init__(self, name: str, work: Callable[[T, Stale], None]) -> None:
        self._name, self._work = name, work
        self._lock = threading.Lock()
        self._waiting: list[T] = []
        self._number = 0
        """Of the newest order, or of the last `clear`."""
        self._runs = False

    def give(self, order: T) -> None:
        """Do this as soon as what is at work has returned; the thread ends when there is nothing to do."""
        with self._lock:
            self._number += 1
            self._waiting = [order]
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def clear(self) -> None:
        """Drop what waits; what is at work counts no longer."""
        with self._lock:
            self._number += 1
            self._waiting = []

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._runs = False
                    return
                order, number = self._waiting.pop(), self._number
            self._work(order, partial(self._is_stale, number))

    def _is_stale(self, number: int) -> bool:
        return number != self._number
