"""Reading ahead and writing behind: two threads beside the one that computes, with bounded queues."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")
_END = object()
_LOOK = 0.1
"""Seconds between two looks at whether the other side is gone."""


@contextmanager
def ahead(items: Iterator[T], depth: int = 2) -> Iterator[Iterator[T]]:
    """Run an iterator in a thread of its own, at most ``depth`` items ahead.

    What it raises is raised where its items are taken. When the block is left, the thread ends after the item at
    hand.

    Examples
    --------
    >>> with ahead(iter("abc")) as letters:
    ...     list(letters)
    ['a', 'b', 'c']
    """
    ready: queue.Queue[object] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: object) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=_LOOK)
                return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
            put(_END)
        except BaseException as error:  # noqa: BLE001 - the taker gets it
            put(_Failure(error))

    def taken() -> Iterator[T]:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]

    thread = threading.Thread(target=work, name="reading ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stop.set()
        thread.join()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class Behind:
    """Does what it is given in a thread of its own, in order, at most ``depth`` things behind.

    What it raises is raised by the next `put` or at the end of the block, which waits for all that was put, also
    if the block itself ends with an error: what was computed is written.

    Examples
    --------
    >>> done = []
    >>> with Behind() as behind:
    ...     for n in range(3):
    ...         behind.put(lambda n=n: done.append(n))
    >>> done
    [0, 1, 2]
    """

    def __init__(self, depth: int = 2) -> None:
        self._todo: queue.Queue[Callable[[], object] | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="writing behind", daemon=True)

    def __enter__(self) -> Behind:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._todo.put(None)
        self._thread.join()
        if error is None:
            self._check()

    def put(self, action: Callable[[], object]) -> None:
        """Hand an action over; waits while too many are to be done."""
        self._check()
        self._todo.put(action)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (action := self._todo.get()) is not None:
            if self._error is None:
                try:
                    action()
                except BaseException as error:  # noqa: BLE001 - the giver gets it
                    self._error = error
