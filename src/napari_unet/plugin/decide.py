"""What the dock shows, decided in one pure function from what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_unet.engine.client import EngineState

Kind = Literal["info", "good", "warning", "error"]
Job = Literal["train", "predict", "suggest", "save", "load", "pack", "fetch", "export"]
"""What the engine does, or a download, or writing results to files."""

NOT_OF_ENGINE = ("fetch", "export")


@dataclass(frozen=True)
class Message:
    """One sentence for the user."""

    text: str
    kind: Kind = "info"


@dataclass(frozen=True)
class Known:
    """Everything that decides which buttons work.

    Parameters
    ----------
    image
        An image is chosen and its axes fit.
    labels
        An annotation layer is chosen.
    engine
        What the engine does.
    job
        What was asked of it and has not ended; it may still wait for the engine to start.
    ending
        Stop or Cancel was pressed and the job has not ended yet.
    model
        There is a model: trained, opened, or on disk after the engine died.
    checkpoint
        A training can be gone on with.
    unfinished
        Segment would go on with what was cancelled.
    results
        There are results to save.
    progress
        How far a segmentation is, in words.
    recutting
        How far cells are made anew, or tuned, in words; empty if none are.
    """

    image: bool = False
    labels: bool = False
    engine: EngineState = "off"
    job: Job | None = None
    ending: bool = False
    model: bool = False
    checkpoint: bool = False
    unfinished: bool = False
    results: bool = False
    progress: str = ""
    recutting: str = ""


@dataclass(frozen=True)
class Shown:
    """Which buttons work and what they say."""

    annotate: bool
    suggest: bool
    train: bool
    go_on: bool
    pause: bool
    pause_text: str
    stop: bool
    stop_text: str
    segment: bool
    segment_text: str
    cancel: bool
    save_results: bool
    open: bool
    save: bool
    settings: bool
    activity: str


_ACTIVITY: dict[Job, str] = {
    "train": "Training",
    "predict": "Segmenting",
    "suggest": "Looking for where to annotate next",
    "save": "Saving the model",
    "load": "Opening the model",
    "pack": "Writing the package",
    "fetch": "Downloading",
    "export": "Saving the results",
}


def decide(known: Known) -> Shown:
    """Decide what the dock shows.

    Buttons whose input is missing stay enabled where a press can answer with what is missing.

    Examples
    --------
    >>> shown = decide(Known(image=True, labels=True, engine="training", job="train"))
    >>> shown.train, shown.stop, shown.activity
    (False, True, 'Training')
    """
    idle = known.job is None
    running = known.job is not None and known.engine not in ("starting", "off", "dead") and not known.ending
    training = known.job == "train"
    return Shown(
        annotate=known.image,
        suggest=known.image and not known.ending and known.job in (None, "train"),
        train=idle and known.image,
        go_on=idle and known.checkpoint and known.image and known.labels,
        pause=training and running,
        pause_text="Resume" if training and known.engine == "paused" else "Pause",
        stop=known.job in ("train", "fetch") and not known.ending,
        stop_text="Stopping ..." if training and known.ending else "Stop",
        segment=idle and known.image and known.model,
        segment_text="Go on" if known.unfinished and known.job != "predict" else "Segment",
        cancel=(known.job in ("predict", "export") and not known.ending) or bool(known.recutting),
        save_results=idle and known.results,
        open=idle,
        save=idle and known.model,
        settings=idle,
        activity=_activity(known),
    )


def _activity(known: Known) -> str:
    if known.recutting and known.job not in ("predict", "export"):
        return known.recutting
    if known.job is None:
        return "The engine is starting ..." if known.engine == "starting" else ""
    if known.engine in ("starting", "off") and known.job not in NOT_OF_ENGINE:
        return "Waiting for the engine to start ..."
    if known.engine == "paused" and known.job == "train":
        return "Paused"
    if known.ending:
        return "Stopping ..."
    return known.progress or _ACTIVITY[known.job]
