"""When to report and when to preview: decisions from times alone, in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_unet.events import Event, StepDone, TileDone

EVENT_INTERVAL = 0.1
PREVIEW_INTERVAL = 1.0
"""Seconds; a step of the training comes on top, of up to a second, and still a preview comes every two."""
PREVIEW_SHARE = 0.4


@dataclass
class Throttle:
    """Lets through at most one progress event (`StepDone`, `TileDone`) per interval, and all others.

    A progress event that was held back goes out before the next other event, so that the last step is seen.

    Examples
    --------
    >>> from napari_unet.events import Finished
    >>> throttle = Throttle()
    >>> steps = [StepDone(i, loss=1.0, progress=0, seconds=0, seconds_left=0) for i in range(3)]
    >>> [len(throttle.pass_on(s, now)) for s, now in zip(steps, (0.0, 0.01, 0.02))]
    [1, 0, 0]
    >>> [e.step for e in throttle.pass_on(Finished("done"), 0.03) if isinstance(e, StepDone)]
    [2]
    """

    interval: float = EVENT_INTERVAL
    _next: float = field(default=float("-inf"), init=False)
    _held: Event | None = field(default=None, init=False)

    def pass_on(self, event: Event, now: float) -> list[Event]:
        """Events to send now that ``event`` has come."""
        if isinstance(event, StepDone | TileDone):
            if now < self._next:
                self._held = event
                return []
            self._next, self._held = now + self.interval, None
            return [event]
        held, self._held = self._held, None
        return [event] if held is None else [held, event]


@dataclass
class PreviewClock:
    """A preview every `PREVIEW_INTERVAL`, but never more than `PREVIEW_SHARE` of the time.

    A preview that the user asked for, by looking at another plane, is due at once.

    Examples
    --------
    >>> clock = PreviewClock()
    >>> clock.due(0.0)
    True
    >>> clock.done(started=0.0, ended=0.3)
    >>> clock.due(0.9), clock.due(1.0)
    (False, True)
    >>> clock.done(started=0.0, ended=2.0)  # two seconds: the next in five
    >>> clock.due(4.9), clock.due(5.0)
    (False, True)
    >>> clock.ask()
    >>> clock.due(3.0)
    True
    """

    _next: float = field(default=float("-inf"), init=False)

    def due(self, now: float) -> bool:
        """Whether to preview now."""
        return now >= self._next

    def ask(self) -> None:
        """Make the next preview due at once."""
        self._next = float("-inf")

    def done(self, started: float, ended: float) -> None:
        """Note the time that a preview took."""
        self._next = started + max(PREVIEW_INTERVAL, (ended - started) / PREVIEW_SHARE)
