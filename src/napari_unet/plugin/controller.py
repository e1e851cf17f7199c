"""What happens when a button is pressed and when the engine reports; no Qt here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari.components import ViewerModel
from psygnal import Signal

from napari_unet.arrays.axes import Image
from napari_unet.arrays.colours import check_channels
from napari_unet.arrays.targets import derive_classes
from napari_unet.engine.client import Block, Engine, EngineState, JobResult, ModelInfo, OutputInfo, Preview
from napari_unet.errors import UserError
from napari_unet.events import Event, Note, StepDone
from napari_unet.plugin import words
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.decide import NOT_OF_ENGINE, Job, Kind, Known, Message, Shown, decide
from napari_unet.plugin.feed import StrokeFeed
from napari_unet.plugin.fetch import End, Fetch, Progress, missing_weights
from napari_unet.plugin.going import GoingOn
from napari_unet.plugin.layers import labels_of
from napari_unet.plugin.live import Later, LivePreview, at_once
from napari_unet.plugin.notices import Notices
from napari_unet.plugin.painter import Painter
from napari_unet.plugin.requests import SegmentRequest, end_of_job, end_of_saving
from napari_unet.plugin.results import Piece, Store
from napari_unet.plugin.saving import SaveEnd, SaveProgress, Saving
from napari_unet.plugin.segmenting import Segmenting
from napari_unet.plugin.selection import Selection
from napari_unet.spec import TargetSpec, TrainingSpec
from napari_unet.storage.weights import Weights

SILENT = 20.0
"""Seconds without a sign of life after which the user is told."""


class Controller:
    """Holds what the dock works on and tells the engine what to do.

    Parameters
    ----------
    viewer
        Its layers are read and added to, always from the thread that calls.
    engine
        Does the work; its signals have to be delivered by calling the ``on_...`` methods.
    checkpoints
        Where models are saved while training.
    store
        Makes the arrays of results.
    fetch
        Downloads.
    """

    shown = Signal(Shown)
    said = Signal(Message)
    happened = Signal(object)
    """An `Event` of the job at hand."""
    began = Signal(str, bool)
    """A job; whether a training goes on with the one before."""
    ended = Signal(str)
    """The job."""
    weights_missing = Signal(Weights)
    """A training was asked for that needs a download first: ask the user, then call `fetch_weights`."""
    opened = Signal(ModelInfo)
    """A model was opened."""
    fetched = Signal(int, int)
    """Bytes of a download that have come, and all of them."""
    saved = Signal(float)
    """Part of the results that is written, 0 to 1."""

    def __init__(
        self,
        viewer: ViewerModel,
        engine: Engine,
        checkpoints: Checkpoints | None = None,
        store: Store | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.viewer, self.engine = viewer, engine
        self.fetch = fetch or Fetch()
        self.saving = Saving()
        self.checkpoints = checkpoints or Checkpoints()
        self.going = GoingOn(self.checkpoints)
        self.selection = Selection(viewer)
        self.painter = Painter(viewer, self.selection)
        self.later: Later = at_once
        """Calls an action when napari is done with what it is at, so that layers may be added or removed."""
        self.live = LivePreview(viewer, self.selection, engine, lambda action: self.later(action))
        self.job: Job | None = None
        self.model_name = ""
        self.seconds_trained = 0.0
        """Time that the last training has used."""
        self.steps_trained = 0
        """Steps that the last training has made."""
        self._waiting: TrainingSpec | None = None
        """The training that waits for a download."""
        self._model_path: Path | None = None
        self._training: tuple[Path, TrainingSpec] | None = None
        """Where the training at hand is saved, and what it was told."""
        self._ending = self._warned = self._told = False
        self.feed = StrokeFeed(engine, self.selection)
        self.segmenting = Segmenting(viewer, self.selection, engine, store)
        self._wanted: SegmentRequest | None = None
        """What Segment would do now."""
        self._image: Image | None = None
        self.selection.changed.connect(self._selection_changed)
        self.segmenting.changed.connect(self.update)
        self.painter.said.connect(self.said.emit)
        self.notices = Notices(
            self.selection,
            lambda: self.job,
            lambda: self.has_model,
            self.said.emit,
            lambda action: self.later(action),
        )

    def close(self) -> None:
        """End the engine and let go of the viewer."""
        self.fetch.cancel()
        self.saving.cancel()
        self.engine.close()
        self.live.close()
        self.segmenting.close()
        self.selection.close()

    # What is known and shown

    @property
    def has_model(self) -> bool:
        """There is a model to segment with or to save."""
        return self.engine.model is not None or self._model_path is not None

    @property
    def model_details(self) -> str:
        """Describe the engine's model; empty without one."""
        return words.describe_model(self.engine.model) if self.engine.model is not None else ""

    def update(self) -> None:
        """Show what is known now."""
        known = Known(
            image=self.selection.image is not None,
            labels=self.selection.labels_layer is not None,
            engine=self.engine.state,
            job=self.job,
            ending=self._ending,
            model=self.has_model,
            checkpoint=self.going.possible,
            unfinished=self.job is None and self.segmenting.can_go_on(self._wanted),
            results=bool(self.pieces()),
            progress=self.segmenting.progress if self.job == "predict" else "",
        )
        self.shown.emit(decide(known))

    def say(self, text: str, kind: Kind = "info") -> None:
        """Show a sentence."""
        self.said.emit(Message(text, kind))

    def _selection_changed(self) -> None:
        image = self.selection.image
        if image is None and self._image is not None:
            self.live.leave()
        elif image is not None and (self._image is None or image.data is not self._image.data):
            self.live.ask()
        self._image = image
        self.update()

    # What the user asks for

    def train(self, spec: TrainingSpec, *, go_on: bool = False) -> None:
        """Begin a training, or go on with the last one or with the model opened since."""
        try:
            image, labels = self._training_input(spec.target)
            missing = None if go_on else self._missing_weights(spec, image)
            if missing is not None:
                self._waiting = spec
                self.weights_missing.emit(missing)
                return
            if go_on and self.going.from_model:
                self.segmenting.check_channels(image)
            start = self.going.start(spec, go_on=go_on)
            self.engine.train(
                image,
                labels,
                spec,
                start.autosave,
                view=self.live.plane,
                resume=start.resume,
                start=start.model,
            )
        except UserError as error:
            self.say(str(error), "error")
            return
        self._training = start.autosave, spec
        self.feed.begin(labels)
        self.live.bring_back()
        self.segmenting.set_aside(keep=self.selection.labels_layer)
        if not self.live.on:
            self.engine.clear_view()
        self._begin("train", go_on=start.resume)
        further = "" if start.model is None else f"Training {start.model.name} further. "
        self.say(f"{further}Learning from your strokes. Go on painting: they are taken up at once.")

    def _missing_weights(self, spec: TrainingSpec, image: Image) -> Weights | None:
        """Tell what has to be downloaded, once all else that can be checked here fits."""
        missing = missing_weights(spec)
        if missing is not None:
            check_channels(spec.net.kind, image.size("C"))
        return missing

    def _training_input(self, target: TargetSpec) -> tuple[Image, Image]:
        image, geometry = self.selection.require()
        layer = self.selection.labels_layer
        if layer is None:
            raise UserError("there is no annotation layer: press 'New annotation layer' and paint some strokes")
        labels = labels_of(layer, image, geometry)
        counts = self.painter.count() or {}
        if self.painter.counted_all:  # else the engine looks through all labels and says what is wrong
            derive_classes(target, counts, "background" if target.dense else "ignore")
        return image, labels

    def train_with_file(self, path: Path) -> None:
        """Begin the training that waits for a download with a file of the user's own instead."""
        if self._waiting is not None:
            spec, self._waiting = self._waiting, None
            train = spec.train.model_copy(update={"encoder_file": path})
            self.train(spec.model_copy(update={"train": train}))

    def refuse_weights(self) -> None:
        """Forget the training that waits for a download."""
        self._waiting = None
        self.say(
            "No training was started: ImageNet's weights are not here. Press Train to be asked again, or let the "
            "encoder start at random under Advanced."
        )

    def fetch_weights(self, wanted: Weights) -> None:
        """Download what `weights_missing` asked for, then begin the training that waits for it."""
        self.fetch.start(wanted)
        self._begin("fetch")
        self.say(f"Downloading {wanted.name}; the training starts when it is here. Stop ends the download.")

    def pieces(self, *, selected: bool = False) -> list[Piece]:
        """List the results of the last segmentation, or only the one that is selected in the layer list."""
        results, active = self.segmenting.results, self.viewer.layers.selection.active
        if results is None or (selected and active is None):
            return []
        return results.pieces(active if selected else None)

    def save_results(self, pieces: Sequence[Piece], paths: Sequence[Path]) -> None:
        """Write results to files."""
        self.saving.start(self.segmenting.describe(pieces, paths))
        self._begin("export")

    def want(self, request: SegmentRequest) -> None:
        """Take note of what Segment would do now: it may go on with what was cancelled."""
        self._wanted = request
        self.update()

    def segment(self, request: SegmentRequest) -> None:
        """Predict a part of the image, or all of it, into layers."""
        try:
            path = None if self.engine.model is not None else self._model_path
            going_on = self.segmenting.begin(request, path)
        except UserError as error:
            self.say(str(error), "error")
            return
        self._begin("predict", go_on=going_on)
        self.say(f"{self.segmenting.account} You can look at other slices meanwhile.")

    def feed_strokes(self) -> None:
        """Bring what was painted since the last time to the training that runs."""
        if self.job == "train" and not self._ending:
            self.feed.send(self.viewer.dims.point)

    def pause_or_resume(self) -> None:
        """Pause the training, or let it go on."""
        if self.engine.state == "paused":
            self.engine.resume()
        else:
            self.engine.pause()

    def stop(self) -> None:
        """Stop the job; what is done is kept, but of a download nothing."""
        if self.job == "fetch":
            self.fetch.cancel()
            self._end_fetch()
            self.say("The download was stopped; nothing of it is kept, and everything is as it was.")
        elif self.job == "export":
            self._ending = True
            self.saving.cancel()
            self.update()
        elif self.job is not None and not self._ending:
            self._ending = True
            self.engine.stop()
            self.update()

    def save_model(self, path: Path) -> None:
        """Save the model; the name gets the ending ``.safetensors`` if it lacks it."""
        path = path if path.suffix == ".safetensors" else path.with_name(path.name + ".safetensors")
        try:
            self.engine.save_model(path)
        except UserError as error:
            self.say(str(error), "error")
            return
        self._begin("save")

    def open_model(self, path: Path) -> None:
        """Open a model file."""
        try:
            self.engine.load_model(path)
        except UserError as error:
            self.say(str(error), "error")
            return
        self._begin("load")

    def _begin(self, job: Job, *, go_on: bool = False) -> None:
        self.job, self._ending, self._warned = job, False, False
        self.began.emit(job, go_on)
        self.update()

    # What the engine reports

    def on_state_changed(self, state: EngineState) -> None:
        """Show what the engine does now."""
        self.update()

    def on_event(self, event: Event) -> None:
        """Pass progress on."""
        if isinstance(event, StepDone):
            self.seconds_trained, self.steps_trained = event.seconds, event.step
        if self.job == "predict":
            self.segmenting.follow(event)
            self.update()
        if isinstance(event, Note) and event.warning:
            self.say(event.text, "warning")
        elif isinstance(event, Note) and self.job == "predict":
            self.say(self.segmenting.account)
        self.happened.emit(event)

    def on_preview(self, preview: Preview) -> None:
        """Show a predicted plane."""
        self.live.on_preview(preview)

    def on_outputs(self, outputs: tuple[OutputInfo, ...]) -> None:
        """Make the layers of the prediction that begins."""
        if self.segmenting.allocate(outputs, keep=self.selection.labels_layer):
            self.live.set_aside()
        else:
            self.stop()

    def on_block(self, block: Block) -> None:
        """Write a part of the prediction into its layer."""
        if not self.segmenting.write(block):
            self.stop()

    def on_save_progress(self, progress: SaveProgress) -> None:
        """Show how much is written."""
        if self.job == "export" and progress.run == self.saving.run:
            self.saved.emit(progress.part)

    def on_save_end(self, end: SaveEnd) -> None:
        """Tell what was saved."""
        if self.job != "export" or end.run != self.saving.run:
            return
        self.job = None
        self.said.emit(end_of_saving(end))
        self.ended.emit("export")
        self.update()

    def on_fetch_progress(self, progress: Progress) -> None:
        """Show how far a download is."""
        if self.job == "fetch" and progress.run == self.fetch.run:
            self.fetched.emit(progress.done, progress.total)

    def on_fetch_end(self, end: End) -> None:
        """Begin the training that has waited for a download, or say why there is none."""
        if self.job != "fetch" or end.run != self.fetch.run:
            return
        waiting = self._end_fetch()
        if end.error:
            self.say(end.error, "error")
        elif waiting is not None:
            self.train(waiting)

    def _end_fetch(self) -> TrainingSpec | None:
        waiting, self._waiting, self.job = self._waiting, None, None
        self.ended.emit("fetch")
        self.update()
        return waiting

    def on_job_finished(self, result: JobResult) -> None:
        """Tell how the job has ended and get ready for the next."""
        self.job, self._ending, self._told = None, False, result.outcome == "died"
        self.feed.end()
        instead = self.segmenting.end(result) if result.job == "predict" else None
        if result.job == "train" and not (result.outcome == "failed" and self.has_model):
            self._keep_training()
        if result.job in ("save", "load") and result.outcome == "finished" and result.path is not None:
            self._model_path, self.model_name = result.path, result.path.name
        if result.job == "load" and result.outcome == "finished":
            self._take_opened(result)
        if result.outcome in ("finished", "stopped", "died") and result.job in ("train", "load"):
            self.segmenting.models += 1
        usual = end_of_job(result, go_on=self.going.possible, cells=self.segmenting.cells, model=self.engine.model)
        self.said.emit(instead or usual)
        self.ended.emit(result.job)
        self.update()
        if result.outcome in ("finished", "stopped") and result.job in ("train", "load"):
            self.live.ask()

    def _keep_training(self) -> None:
        """Take the model of a training over, if it has come as far as saving one."""
        if self._training is not None and self._training[0] == self.checkpoints.current:
            self._model_path, self.model_name = self._training[0], "trained here, not saved yet"
            self.going.keep(*self._training)
            self.checkpoints.tidy()

    def _take_opened(self, result: JobResult) -> None:
        """Let Go on train the opened model further."""
        if result.path is not None and self.engine.model is not None:
            self.going.open(result.path, self.engine.model)
            self.seconds_trained, self.steps_trained = 0.0, 0
            self.opened.emit(self.engine.model)

    def on_died(self, sentence: str) -> None:
        """Say that the engine is gone, unless `on_job_finished` has just said it of a job."""
        if not self._told:
            self.say(f"{sentence} It is started again when it is needed.", "error")
        self._told = False
        self.update()

    def watch(self) -> None:
        """Tell the user when the engine is silent; to be called every few seconds."""
        if self.job not in (None, *NOT_OF_ENGINE) and self.engine.seconds_silent > SILENT and not self._warned:
            self._warned = True
            self.say(f"The engine has been silent for {SILENT:.0f} s. Wait, or press Stop.", "warning")
