"""What is at work: one job at a time, and what the user is told of it."""

from __future__ import annotations

from psygnal import Signal

from napari_unet.plugin.decide import Job, Kind, Message


class Work:
    """The job at hand; the parts of the window begin and end jobs here, and speak to the user.

    Examples
    --------
    >>> work = Work()
    >>> work.begin("train")
    >>> work.job, work.ending
    ('train', False)
    >>> work.end()
    >>> work.job
    """

    said = Signal(Message)
    began = Signal(str, bool)
    """A job; whether it goes on with the one before."""
    ended = Signal(str)
    """The job."""
    changed = Signal()
    """What can be done now may have changed."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.ending = False
        """The user has asked for its end, and it has not ended yet."""

    def begin(self, job: Job, *, go_on: bool = False) -> None:
        """Note that a job has begun."""
        self.job, self.ending = job, False
        self.began.emit(job, go_on)
        self.changed.emit()

    def stopping(self) -> None:
        """Note that the job is asked to end."""
        self.ending = True
        self.changed.emit()

    def clear(self) -> Job | None:
        """Note that the job is over, before it is told with `tell_end`; returns it."""
        job, self.job, self.ending = self.job, None, False
        return job

    def tell_end(self, job: str) -> None:
        """Tell that a job is over."""
        self.ended.emit(job)
        self.changed.emit()

    def end(self) -> None:
        """Note that the job is over, and tell it."""
        job = self.clear()
        if job is not None:
            self.tell_end(job)

    def say_aside(self, text: str, kind: Kind = "info") -> None:
        """Show a sentence of what goes on beside the job; what a segmentation says is covered by problems only."""
        if self.job != "predict" or kind in ("warning", "error"):
            self.say(text, kind)

    def say(self, text: str, kind: Kind = "info") -> None:
        """Show a sentence."""
        self.said.emit(Message(text, kind))
