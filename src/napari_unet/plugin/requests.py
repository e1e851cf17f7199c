"""What the user asks for, and how the end of a job is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_unet.arrays.region import Range
from napari_unet.engine.client import JobResult, ModelInfo
from napari_unet.plugin.decide import Message
from napari_unet.plugin.saving import SaveEnd
from napari_unet.plugin.scope import Scope
from napari_unet.plugin.words import learnt, sentence
from napari_unet.spec import CellSpec, Output, TilingSpec


@dataclass(frozen=True)
class Painting:
    """What is painted, and what is missing or would help, in words."""

    text: str
    missing: str


@dataclass(frozen=True)
class SegmentRequest:
    """What to predict, into which layers, and how."""

    scope: Scope
    outputs: tuple[Output, ...]
    cells: CellSpec = field(default_factory=CellSpec)
    tiling: TilingSpec = field(default_factory=TilingSpec)
    through: bool = False
    """The rectangle goes through the stack."""
    t: Range | None = None
    z: Range | None = None
    """Of the stack; None: everything."""


_FINISHED = {
    "train": "Trained. Press Segment; or paint where the preview is wrong, and press Go on.",
    "predict": "Segmented: the results are new layers.",
    "suggest": "",
    "save": "The model is saved.",
    "load": "The model is open, with its settings. Press Segment; or paint some strokes, and Go on trains it "
    "further, Train begins anew.",
    "pack": "The package for BioImage.IO is written.",
}
_IMPORTED = "The model is open. It was imported, so it cannot be trained: press Segment; Train begins a new one."
_STOPPED = {
    "train": "Stopped. The model so far is kept; Go on trains it further.",
    "predict": "Cancelled.",
    "suggest": "Stopped looking.",
    "save": "Stopped.",
    "load": "Stopped.",
    "pack": "Stopped.",
}


def end_of_job(
    result: JobResult,
    *,
    go_on: bool,
    ready: bool = True,
    rest: str = "",
    model: ModelInfo | None = None,
    reason: str = "",
    by_itself: bool = False,
    stepped: bool = True,
) -> Message:
    """Tell how a job ended.

    Parameters
    ----------
    result
        Of the engine.
    go_on
        A checkpoint is there.
    ready
        Image and annotation are there, too.
    rest
        How much of a prediction is finished, and how the rest is made, in words.
    model
        The engine's, which is that of a training that has got as far as saving one.
    reason
        Why a training has ended early.
    by_itself
        New strokes start a training.
    stepped
        A training has made steps.
    """
    if (result.job, result.outcome) == ("train", "stopped") and not stepped:
        return Message("Stopped before anything was learnt: all is as it was.")
    if result.job == "train" and result.path is not None and model is not None and model.description.get("steps"):
        text = learnt(model.description)
        if result.outcome == "finished":
            end = f" It ended early: {reason}." if reason else ""
            further = "and it goes on" if by_itself else "and press Go on"
            return Message(f"Trained {text}.{end} Press Segment; or paint where it is wrong, {further}.", "good")
        if result.outcome == "stopped":
            return Message(f"Stopped after {text}.{' Go on trains it further.' if go_on and ready else ''}")
    if (result.job, result.outcome) == ("load", "finished") and model is not None and not model.net.trainable:
        return Message(_IMPORTED, "good")
    if result.outcome == "finished":
        return Message(_FINISHED[result.job], "good")
    if result.outcome == "stopped":
        return Message(_STOPPED[result.job])
    if result.outcome == "died":
        cure = {
            "train": "Press Go on to continue from the last checkpoint."
            if go_on
            else "There is no checkpoint yet: press Train to begin again.",
            "predict": sentence(rest),
        }.get(result.job, "Try again.")
        return Message(f"{result.message} Your painting is untouched. {cure}", "error")
    return Message(result.message, "error")


def end_of_saving(end: SaveEnd, lacking: str = "") -> Message:
    """Tell what was saved and what was not.

    Parameters
    ----------
    end
        What is there.
    lacking
        What is missing in it, in words; empty if nothing is.
    """
    names = " and ".join(path.name for path in end.paths)
    if not end.error:
        saved = f"Saved in {end.paths[0].parent.name}: {names}."
        if lacking:
            return Message(f"{saved} The segmentation is not complete: {lacking}.", "warning")
        return Message(saved, "good")
    kept = f" {names} {'is' if len(end.paths) == 1 else 'are'} saved." if names else ""
    return Message(f"{end.error}.{kept}", "error")
