"""Show the events of a long job on stderr, and stop it cleanly on a signal."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from napari_unet.events import (
    BatchBegun,
    BatchProgress,
    BlockDone,
    CellsDone,
    CellsLinked,
    CheckDone,
    Event,
    Finished,
    ImageDone,
    Note,
    Preparing,
    StepDone,
    TileDone,
)

INTERVAL = 5.0
"""Seconds between two lines where there is no terminal."""


class Stop:
    """While entered, SIGINT and SIGTERM only set ``signal``; a second one has its usual effect."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self.__exit__()


def follow(events: Iterator[Event], what: str) -> int | None:
    """Run a job to its end, or until a signal; returns the number of that signal.

    Notes and scores go to stdout, progress with the time left to stderr.
    """
    with Stop() as stop, _Display(what) as display:
        for event in events:
            display.show(event)
            if stop.signal is not None:
                break
    close = getattr(events, "close", None)
    if close is not None:
        close()  # saves what has been reported
    return stop.signal


@contextmanager
def telling(what: str, doing: str) -> Iterator[Callable[[float], None]]:
    """Give a function that shows how much of some work is done, from 0 to 1, on stderr.

    Parameters
    ----------
    what, doing
        What is worked on, and how.
    """
    with _Display(what) as display:
        yield lambda part: display.show(Preparing(doing, math.floor(100 * part), 100))
        display.show(Preparing(doing, 100, 100))


class _Display:
    """A bar in a terminal, else a line every few seconds, if it is new; who has seen one sees the last, too."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._last = 0.0
        self._line = ""
        self._unfinished = False
        """There is a line that says how far it is, and none yet that it has ended."""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=1.0, words="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        part, words = progress_of(event)
        if part is None:
            if words:
                self._say(words)
        elif self._bar is not None:
            self._bar.update(self._task, completed=part, words=words)
        elif part > 0 and (time.monotonic() - self._last >= INTERVAL or (part >= 1 and self._unfinished)):
            line = f"{self._what}: {_percent(part)}, {words}"
            if line != self._line:  # of work that waits
                typer.echo(line, err=True)
            self._last, self._unfinished, self._line = time.monotonic(), part < 1, line

    def _say(self, words: str) -> None:
        if self._bar is not None and sys.stdout.isatty():
            self._bar.console.print(words, highlight=False, markup=False)
        else:
            typer.echo(words)


def progress_of(event: Event) -> tuple[float | None, str]:
    """Return how far a job is, from 0 to 1, and the words for it; None for what is said only once.

    Examples
    --------
    >>> progress_of(StepDone(10, 0.5, 0.25, 15.0, 45.0))
    (0.25, 'step 10, loss 0.500, 45 s left')
    >>> progress_of(TileDone(1, 9, 4.2, None))
    (0.1111111111111111, 'tile 1 of 9')
    >>> progress_of(CheckDone(40, 0.4, {"cell": 0.91, "boundary": None}, best=True))
    (None, 'step 40: held-out loss 0.400, cell 0.91, boundary n/a (best so far)')
    >>> progress_of(CellsDone(2, 3, 1234)), progress_of(CellsDone(1, 1, 57))
    ((0.6666666666666666, '2 of 3, the last with 1,234 cells'), (1.0, '57 cells'))
    """
    match event:
        case StepDone():
            return event.progress, f"step {event.step}, loss {event.loss:.3f}, {_left(event.seconds_left)}"
        case TileDone():
            done = f"tile {event.done} of {event.total}{_and_left(event.seconds_left)}"
            return event.done / max(event.total, 1), done
        case BlockDone():
            return event.done / max(event.total, 1), f"block {event.done} of {event.total} written"
        case Preparing():
            return event.done / max(event.total, 1), event.what
        case CellsDone():
            where = f"{event.done} of {event.total}, the last with " if event.total > 1 else ""
            return event.done / max(event.total, 1), f"{where}{event.cells:,} cells"
        case CellsLinked():
            return event.done / max(event.total, 1), f"{event.before} cells became {event.after}"
        case BatchProgress():
            left = _and_left(event.seconds_left)
            return event.part, f"{event.images}, now {event.name}{left}"
        case BatchBegun():
            return None, ""
        case ImageDone():
            cells = "" if event.cells is None else f", {event.cells:,} cell{'s' if event.cells != 1 else ''}"
            seconds = f", {event.seconds:.1f} s" if event.status == "done" else ""
            more = f": {event.message}" if event.message else ""
            return None, f"{event.name}: {event.status}{cells}{seconds}{more}"
        case CheckDone():
            scores = "".join(f", {n} {'n/a' if s is None else format(s, '.2f')}" for n, s in event.scores.items())
            loss = "n/a" if event.loss is None else f"{event.loss:.3f}"
            return None, f"step {event.step}: held-out loss {loss}{scores}{' (best so far)' if event.best else ''}"
        case Note():
            return None, ("warning: " if event.warning else "") + event.text
        case Finished():
            return None, f"{event.reason} ({event.seconds:.0f} s)" if event.seconds else event.reason


def _percent(part: float) -> str:
    """Write a part; it is 100% at the end only.

    Examples
    --------
    >>> _percent(0.257), _percent(0.998), _percent(1.0)
    ('25%', '99%', '100%')
    """
    return f"{math.floor(100 * part)}%"


def _and_left(seconds: float | None) -> str:
    return "" if seconds is None else f", {_left(seconds)}"


def _left(seconds: float) -> str:
    return f"{seconds:.0f} s left" if seconds < 120 else f"{seconds / 60:.0f} min left"
