"""What the window and the worker say to each other: two closed unions, `Command` and `Report`.

A message may carry one array beside it (said in its docstring).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Suggestion
from napari_unet.engine.keys import Key
from napari_unet.events import Event
from napari_unet.spec import CellSpec, ClassSpec, NetSpec, Output, Record, TilingSpec, TrainingSpec
from napari_unet.storage.bioimageio.card import Card

Job = Literal["train", "predict", "suggest", "save", "load", "pack"]
Outcome = Literal["finished", "stopped", "failed", "died"]
WorkerState = Literal["ready", "training", "paused", "predicting", "working"]


class Message(BaseModel):
    """Base of all messages: frozen, unknown fields are errors, NaN and infinity survive."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ImageRef(Message):
    """An image whose elements stay with the window; ``array`` is the number to ask for them by.

    ``path``: the file that they came from, if it is known.
    """

    array: int
    shape: tuple[int, ...]
    dtype: str
    axes: str
    spacing: tuple[float, float, float]
    name: str
    path: str = ""


class ModelInfo(Message):
    """The worker's current model. ``description``: what `Model.describe` says, JSON values only."""

    classes: tuple[ClassSpec, ...]
    net: NetSpec
    description: dict[str, Any] = Field(default_factory=dict)


class OutputInfo(Message):
    """What a prediction will fill: probabilities (K, ...) as uint8 up to 255, the others without the K."""

    output: Output
    shape: tuple[int, ...]
    dtype: str


# Commands: window to worker


class Train(Message):
    """Train a model; it is saved at ``autosave`` at every check and at the end."""

    kind: Literal["train"] = "train"
    image: ImageRef
    labels: ImageRef
    spec: TrainingSpec
    autosave: Path
    resume: bool = False
    start: Path | None = None
    """A model to start from."""


class Predict(Message):
    """Fill ``outputs`` for ``image``, with the current model or the one at ``model``."""

    kind: Literal["predict"] = "predict"
    image: ImageRef
    outputs: tuple[Output, ...]
    model: Path | None = None
    tiling: TilingSpec = TilingSpec()
    cells: CellSpec = CellSpec()
    region: Region | None = None
    done: tuple[Region, ...] = ()
    view: tuple[int, int] | None = None
    """The plane (t, z) to begin with."""


class Paint(Message):
    """The labels of the training at hand have changed: in plane (t, z), from (y, x) on, to the array (Y, X).

    Before a training, with ``taken``: the labels that it gets are predictions where they have these values, not 0.
    """

    kind: Literal["paint"] = "paint"
    t: int
    z: int
    y: int
    x: int
    taken: bool = False
    """They are predictions that the user has taken over."""


class Suggest(Message):
    """Look for the place to annotate next: in the images of the training at hand, or else in those given.

    The model is that of the training, the one at ``model``, the current one, or the one that the package brings.
    """

    kind: Literal["suggest"] = "suggest"
    t: int
    z: int
    """The plane in view, which is looked at in any case."""
    shown: tuple[Region, ...] = ()
    """Suggested before."""
    image: ImageRef | None = None
    labels: ImageRef | None = None
    planes: tuple[tuple[int, int], ...] | None = None
    """Planes (t, z) with annotation; None: they are looked for."""
    model: Path | None = None


class SetView(Message):
    """The user looks at plane ``(t, z)``, of ``image`` if one is given, else of the one before."""

    kind: Literal["view"] = "view"
    t: int
    z: int
    image: ImageRef | None = None
    before: bool = False
    """As it was predicted when the last training began."""
    model: Path | None = None
    """What is predicted with, read first; None: the current model."""


class ClearView(Message):
    """The user looks at nothing that could be predicted."""

    kind: Literal["clear_view"] = "clear_view"


class Pause(Message):
    """Wait after the step or tile in progress."""

    kind: Literal["pause"] = "pause"


class Resume(Message):
    """Go on after `Pause`."""

    kind: Literal["resume"] = "resume"


class Stop(Message):
    """End the job after the step or tile in progress; what is done is kept."""

    kind: Literal["stop"] = "stop"


class SaveModel(Message):
    """Write the current model."""

    kind: Literal["save"] = "save"
    path: Path


class LoadModel(Message):
    """Make the model at ``path`` the current one; that of a package is saved as a model file at ``keep``."""

    kind: Literal["load"] = "load"
    path: Path
    keep: Path | None = None
    trust: tuple[str, ...] = ()
    """SHA-256 of code in the package that may run."""


class PackModel(Message):
    """Write the current model, or the one at ``model``, as a package of BioImage.IO."""

    kind: Literal["pack"] = "pack"
    path: Path
    card: Card
    weights: tuple[str, ...] = ()
    """Formats beside the state dict."""
    model: Path | None = None


class ReadAnswer(Message):
    """The elements asked for by `ReadRequest`, as the array."""

    kind: Literal["answer"] = "answer"
    request: int


class ReadFailure(Message):
    """The elements asked for by `ReadRequest` could not be read."""

    kind: Literal["read_failure"] = "read_failure"
    request: int
    message: str


class Shutdown(Message):
    """Stop, save and exit."""

    kind: Literal["shutdown"] = "shutdown"


Command = Annotated[
    Train
    | Predict
    | Paint
    | Suggest
    | SetView
    | ClearView
    | Pause
    | Resume
    | Stop
    | SaveModel
    | LoadModel
    | PackModel
    | ReadAnswer
    | ReadFailure
    | Shutdown,
    Field(discriminator="kind"),
]


# Reports: worker to window


class Ready(Message):
    """Everything is imported; what was found."""

    kind: Literal["ready"] = "ready"
    versions: dict[str, str]
    device: str
    threads: int
    pid: int
    startup_seconds: float


class Heartbeat(Message):
    """The worker lives."""

    kind: Literal["heartbeat"] = "heartbeat"


class StateReport(Message):
    """What the worker does from now on."""

    kind: Literal["state"] = "state"
    state: WorkerState


class EventReport(Message):
    """An event of the job; see `encode_event`."""

    kind: Literal["event"] = "event"
    name: str
    fields: dict[str, Any]


class PreviewReport(Message):
    """One plane predicted, as the array (K, Y, X) uint8."""

    kind: Literal["preview"] = "preview"
    t: int
    z: int
    classes: tuple[ClassSpec, ...]
    step: int
    before: bool = False
    """By the network as it was when the last training began."""
    model: Path | None = None
    """What was read for it."""


class SuggestionReport(Message):
    """Where to annotate next."""

    kind: Literal["suggestion"] = "suggestion"
    suggestion: Suggestion


class OutputsReport(Message):
    """What the prediction that starts now fills, and with which model, which it may have loaded itself.

    ``record``: how the first of the outputs is made; the others are made alike.
    """

    kind: Literal["outputs"] = "outputs"
    outputs: tuple[OutputInfo, ...]
    model: ModelInfo | None = None
    record: Record | None = None


class BlockReport(Message):
    """A part of an output, as the array."""

    kind: Literal["block"] = "block"
    output: Output
    key: Key


class ReadRequest(Message):
    """Asks the window for a part of an array."""

    kind: Literal["read"] = "read"
    request: int
    array: int
    key: Key


class JobReport(Message):
    """The end of a job."""

    kind: Literal["job"] = "job"
    job: Job
    outcome: Outcome
    message: str = ""
    user: bool = False
    traceback: str = ""
    model: ModelInfo | None = None
    path: Path | None = None


Report = Annotated[
    Ready
    | Heartbeat
    | StateReport
    | EventReport
    | PreviewReport
    | SuggestionReport
    | OutputsReport
    | BlockReport
    | ReadRequest
    | JobReport,
    Field(discriminator="kind"),
]

COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
REPORT: TypeAdapter[Report] = TypeAdapter(Report)
_EVENTS: dict[str, TypeAdapter[Event]] = {c.__name__: TypeAdapter(c) for c in get_args(Event)}


def encode_event(event: Event) -> EventReport:
    """Wrap an event for the way.

    Examples
    --------
    >>> from napari_unet.events import Note
    >>> decode_event(encode_event(Note("no GPU found", warning=True)))
    Note(text='no GPU found', warning=True)
    """
    return EventReport(name=type(event).__name__, fields=asdict(event))


def decode_event(report: EventReport) -> Event:
    """Unwrap an event."""
    return _EVENTS[report.name].validate_python(report.fields)
