"""What is done between the steps of a training, and is worth less than it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from napari_unet.arrays.squares import Suggestion
from napari_unet.engine.channel import Channel, StoppedWhileReadingError
from napari_unet.engine.messages import SuggestionReport, encode_event
from napari_unet.errors import UserError
from napari_unet.events import Note

SLICE = 0.25
"""Seconds between two steps of a training for which a search may go on; about as long as a step takes."""


@contextmanager
def may_fail(channel: Channel, what: str) -> Iterator[None]:
    """Turn an error into a warning that there is no such thing.

    If the user looks elsewhere by now (the old image may be gone), it is not even worth that. What takes long to
    read gives way to an order to stop.
    """
    before, channel.interruptible = channel.interruptible, True
    try:
        yield
    except StoppedWhileReadingError:
        pass  # the order itself comes next
    except Exception as error:  # noqa: BLE001 - it must not end the worker
        if channel.inbox.empty:
            why = str(error) if isinstance(error, UserError) else one_line(error)
            channel.send(encode_event(Note(f"no {what}: {why}", warning=True)))
    finally:
        channel.interruptible = before


def one_line(error: BaseException) -> str:
    """Name an error and its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class Search:
    """The search for the place to annotate next: some pieces of the image between two steps."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._looking: Iterator[Suggestion | None] = iter(())

    def begin(self, looking: Iterator[Suggestion | None]) -> None:
        """Take up a search, in place of the one before."""
        self._looking = looking

    def forget(self) -> None:
        """Give the search up."""
        self._looking = iter(())

    def go_on(self, seconds: float = SLICE) -> None:
        """Look at some pieces; what was found is sent at the end."""
        began = time.monotonic()
        with may_fail(self._channel, "suggestion"):
            for found in self._looking:
                if found is not None:
                    self._channel.send(SuggestionReport(suggestion=found))
                if time.monotonic() - began >= seconds:
                    return
