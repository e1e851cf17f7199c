"""What happened: frozen dataclasses that long jobs yield.

Each event is progress and a safe place to stop: whatever it reports is done and, where it says so, on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Note:
    """Something the user should know: a choice that was made, a fallback, a warning."""

    text: str
    warning: bool = False


LEARNT_AGAIN = "what was painted is learnt again"
"""A `Note` of a training that had to leave strokes out: what kept it from them is gone."""


@dataclass(frozen=True)
class StepDone:
    """One training step. ``progress`` runs from 0 to 1; times in seconds."""

    step: int
    loss: float
    progress: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True)
class CheckDone:
    """The held-out part was scored. ``scores`` maps a class name to its Dice score; None is "n/a"."""

    step: int
    loss: float | None
    scores: dict[str, float | None] = field(default_factory=dict)
    best: bool = False
    anew: bool = False
    """The annotation has changed since the score before: what is best is judged anew."""
    other: bool = False
    """What is held out has changed, too, or what it counts: the two losses cannot be compared."""


@dataclass(frozen=True)
class TileDone:
    """One tile of a prediction was computed. ``seconds_left`` None: not known yet."""

    done: int
    total: int
    seconds: float
    seconds_left: float | None
    plane: tuple[int, int] | None = None
    """(t, z) of the tile's block, of which z is the first of several in 3D."""


@dataclass(frozen=True)
class BlockDone:
    """One block of a prediction was written."""

    number: int
    done: int
    total: int
    ranges: tuple[tuple[int, int], ...] = ()
    """Of the block along T, Z, Y, X: those of a `Region`; empty where they are not told."""


@dataclass(frozen=True)
class Preparing:
    """A part of a prediction beside its tiles: ``what`` in words, ``done`` of ``total``."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class CellsDone:
    """One plane or volume was turned into cells."""

    done: int
    total: int
    cells: int


@dataclass(frozen=True)
class CellsLinked:
    """One plane or volume was linked with those before it.

    ``before``: the cells so far, counted in each; ``after``: what they became.
    """

    done: int
    total: int
    before: int
    after: int


@dataclass(frozen=True)
class BatchBegun:
    """A batch knows its images: their names, in the order in which they are worked on."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is: ``part`` from 0 to 1 of all its pixels; ``seconds_left`` None: not known yet."""

    name: str
    """The image at hand."""
    done: int
    total: int
    part: float
    seconds_left: float | None = None
    failed: int = 0
    """How many of those that have ended did not end well."""

    @property
    def images(self) -> str:
        """How many images have ended, in words.

        Examples
        --------
        >>> BatchProgress("g", 6, 7, 0.75, failed=3).images
        '6 of 7 images (3 failed)'
        """
        return f"{self.done} of {self.total} images" + (f" ({self.failed} failed)" if self.failed else "")


@dataclass(frozen=True)
class ImageDone:
    """One image of a batch has ended, well or not; its row of the summary is written."""

    name: str
    """Its name in the folder of the outputs, without a suffix."""
    file: str
    status: Literal["done", "skipped", "failed"]
    """``skipped``: it was finished before."""
    outputs: tuple[str, ...] = ()
    """Files, as paths below the folder of the outputs."""
    cells: int | None = None
    seconds: float = 0.0
    pixels: int = 0
    message: str = ""
    """Warnings, or why it failed."""


@dataclass(frozen=True)
class Finished:
    """The last event of a job that ran to its end. ``reason`` in words."""

    reason: str
    steps: int = 0
    seconds: float = 0.0
    early: bool = False
    """It ended before its budget was used up."""


Event = (
    Note
    | StepDone
    | CheckDone
    | TileDone
    | BlockDone
    | Preparing
    | CellsDone
    | CellsLinked
    | BatchBegun
    | BatchProgress
    | ImageDone
    | Finished
)


@dataclass(frozen=True)
class Finding:
    """One thing of this machine that was looked at, see `napari_unet.jobs.doctor`.

    Parameters
    ----------
    what, found
        The thing and its state.
    cure
        What to do about it; empty if it is good.
    broken
        The program cannot work like this.
    """

    what: str
    found: str
    cure: str = ""
    broken: bool = False

    @property
    def good(self) -> bool:
        """Whether nothing needs to be done."""
        return not self.cure

    def __str__(self) -> str:
        """Write it for a terminal or a bug report.

        Examples
        --------
        >>> print(Finding("disk", "2.0 GB free", "make room"))
        LOOK disk: 2.0 GB free
             -> make room
        """
        first = f"{'ok  ' if self.good else 'LOOK'} {self.what}: {self.found}"
        return first if self.good else f"{first}\n     -> {self.cure}"
