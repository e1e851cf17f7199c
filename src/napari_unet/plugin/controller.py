"""What happens when a button is pressed and when the engine reports; no Qt here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari.components import ViewerModel
from psygnal import Signal

from napari_unet.arrays.axes import Image
from napari_unet.arrays.squares import Suggestion
from napari_unet.engine.client import Block, Engine, EngineState, JobResult, ModelInfo, OutputInfo, Preview
from napari_unet.errors import UserError
from napari_unet.events import LEARNT_AGAIN, Event, Finished, Note, StepDone
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.comparing import Comparison
from napari_unet.plugin.decide import NOT_OF_ENGINE, Job, Known, Shown, decide
from napari_unet.plugin.fetch import Fetch
from napari_unet.plugin.live import Later, LivePreview, at_once
from napari_unet.plugin.model_at_hand import ModelAtHand
from napari_unet.plugin.notices import LEARNING, Notices
from napari_unet.plugin.packages import Packages
from napari_unet.plugin.painter import Painter
from napari_unet.plugin.project import Keeper
from napari_unet.plugin.recutting import Recutting
from napari_unet.plugin.requests import SegmentRequest, end_of_job, end_of_saving
from napari_unet.plugin.results import Piece
from napari_unet.plugin.saving import SaveEnd, SaveProgress, Saving
from napari_unet.plugin.segmenting import Segmenting
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.store import Store
from napari_unet.plugin.suggesting import Suggesting
from napari_unet.plugin.taking import Taking
from napari_unet.plugin.trainer import Trainer
from napari_unet.plugin.tuning import Tuning
from napari_unet.plugin.work import Work
from napari_unet.storage.bioimageio.archive import is_package
from napari_unet.storage.bioimageio.card import Card

FLAT = "The preview is drawn in the 2D view only: it is there again when you go back."
NO_MODEL = "There is no model yet: train one, or open one."
CANCELLING = "Cancelling, once the engine has finished what it is at, such as a tile ..."
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
    happened = Signal(object)
    """An `Event` of the job at hand."""
    scored = Signal(dict)
    """A training has left a model that says this of itself."""
    restored = Signal(dict)
    """A project has brought a training back, of which this is known."""
    opened = Signal(ModelInfo)
    """A model was opened."""
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
        self.work = Work()
        self.model = ModelAtHand(engine)
        self.saving = Saving()
        self.selection = Selection(viewer)
        self.painter = Painter(viewer, self.selection)
        self.later: Later = at_once
        """Calls an action when napari is done with what it is at, so that layers may be added or removed."""
        self.live = LivePreview(viewer, self.selection, engine, lambda action: self.later(action))
        self.live.file_of_model = lambda: self.model.to_look_with(self.job)
        self.segmenting = Segmenting(viewer, self.selection, engine, store)
        self.recutting = Recutting(viewer, self.segmenting, self.work)
        self.trainer = Trainer(
            viewer,
            self.selection,
            self.painter,
            engine,
            self.work,
            self.live,
            self.segmenting,
            checkpoints or Checkpoints(),
            fetch or Fetch(),
        )
        self.tuning = Tuning(self.segmenting, self.selection, self.painter, self.work)
        self.keeper = Keeper(
            viewer,
            self.selection,
            self.work,
            self.trainer.checkpoints.folder.parent / "unnamed",
            lambda: self.later,
            lambda: self.trainer.going.current,
        )
        self.packages = Packages(self.trainer.checkpoints.folder.parent / "imported")
        self._warned = self._told = False
        self._lacking = ""
        """What is missing in the results that are saved, in words."""
        self._wanted: SegmentRequest | None = None
        """What Segment would do now."""
        self._image: Image | None = None
        self.suggesting = Suggesting(
            viewer,
            self.selection,
            self.live,
            engine,
            self.work,
            lambda: self.model.to_read,
            lambda: self.trainer.automatic.same,
        )
        self.taking = Taking(viewer, self.selection, self.painter, self.live, lambda action: self.later(action))
        self.taking.took.connect(lambda *taken: self.trainer.feed.note_taken(*taken))
        self.comparison = Comparison(viewer, self.selection, self.live)
        self.work.changed.connect(self.update)
        self.work.began.connect(self._forget_warning)
        self.selection.changed.connect(self._selection_changed)
        self.segmenting.changed.connect(self.update)
        self.recutting.changed.connect(self.update)
        self.tuning.changed.connect(self.update)
        for part in (self.painter, self.taking, self.comparison):
            part.said.connect(self.work.said.emit)
        self.painter.edits.made.connect(self.keeper.edited)
        self.keeper.left.connect(self._leave)
        self.keeper.restored.connect(self.restore)
        self.keeper.adopted.connect(lambda: self.trainer.automatic.take_over())
        self.keeper.moved.connect(self.trainer.checkpoints.move)
        self.notices = Notices(
            self.selection,
            lambda: self.job,
            lambda: self.model.there,
            lambda: self.trainer.automatic.on,
            self.work.said.emit,
            lambda action: self.later(action),
            lambda names: self.segmenting.tell_deletion(names, self._wanted, running=self.job == "predict"),
            lambda: self.trainer.feed.layer,
        )
        self.live.went.connect(lambda: self.work.say_aside(FLAT))
        self.segmenting.edited.connect(self._result_edited)
        self.segmenting.deleted.connect(self.notices.result_deleted)

    def close(self) -> None:
        """End the engine and let go of the viewer."""
        self.keeper.flush()
        self.trainer.fetch.cancel()
        self.saving.cancel()
        self.engine.close()
        self.painter.close()
        self.taking.close()
        self.keeper.close()
        self.live.close()
        self.suggesting.clear()
        self.recutting.close()
        self.tuning.close()
        self.segmenting.close()
        self.selection.close()

    # What is known and shown

    @property
    def job(self) -> Job | None:
        """What is at work, if anything."""
        return self.work.job

    def update(self) -> None:
        """Show what is known now."""
        known = Known(
            image=self.selection.image is not None,
            labels=self.selection.labels_layer is not None,
            engine=self.engine.state,
            job=self.job,
            ending=self.work.ending,
            model=self.model.there,
            checkpoint=self.trainer.going.possible,
            unfinished=self.job is None and self.segmenting.can_go_on(self._wanted),
            results=bool(self.pieces()),
            progress=self.segmenting.tally.progress if self.job == "predict" else "",
            recutting=self.tuning.progress or self.recutting.progress,
        )
        self.shown.emit(decide(known))

    def _selection_changed(self) -> None:
        image = self.selection.image
        if image is None and self._image is not None:
            self.live.leave()
        elif image is not None and (self._image is None or image.data is not self._image.data):
            self.live.ask()
        self._image = image
        self.update()

    def _result_edited(self) -> None:
        text = self.segmenting.tell_edit(self._wanted) if self.job is None else ""
        if text:
            self.work.say(text)

    # What the user asks for

    def pieces(self, *, selected: bool = False) -> list[Piece]:
        """List the results of the last segmentation, or only the one that is selected in the layer list."""
        results, active = self.segmenting.results, self.viewer.layers.selection.active
        if results is None or (selected and active is None):
            return []
        return results.pieces(active if selected else None)

    def save_results(self, pieces: Sequence[Piece], paths: Sequence[Path]) -> None:
        """Write results to files."""
        self._lacking = self.segmenting.lacking
        self.saving.start(self.segmenting.describe(pieces, paths))
        self.work.begin("export")

    def want(self, request: SegmentRequest) -> None:
        """Take note of what Segment would do now: it may go on with what was cancelled."""
        self._wanted = request
        self.update()

    def segment(self, request: SegmentRequest) -> None:
        """Predict a part of the image, or all of it, into layers."""
        self.live.show_before(False)
        if self.model.lost:
            self.work.say(NO_MODEL, "error")
            return
        try:
            going_on = self.segmenting.begin(request, self.model.to_read)
        except UserError as error:
            self.work.say(str(error), "error")
            return
        self.work.begin("predict", go_on=going_on)
        self.work.say(f"{self.segmenting.account} You can look at other slices meanwhile.")

    def stop(self) -> None:
        """Stop the job; what is done is kept, but of a download nothing."""
        if self.job == "fetch":
            self.trainer.stop_fetching()
        elif self.job == "export":
            self.saving.cancel()
            self.work.stopping()
        elif self.job is not None and not self.work.ending:
            self.engine.stop()
            self.work.stopping()

    def cancel(self) -> None:
        """End the segmentation or the saving, or else the tuning, and leave cells as far as they are made anew."""
        if self.job == "predict" and not self.work.ending:
            self.work.say(CANCELLING)
        if self.job in ("predict", "export"):
            self.stop()
        else:
            self.tuning.cancel()
            self.recutting.cancel()

    def save_model(self, path: Path) -> None:
        """Save the model; the name gets the ending ``.safetensors`` if it lacks it."""
        path = path if path.suffix == ".safetensors" else path.with_name(path.name + ".safetensors")
        try:
            if self.model.to_read is not None:
                self.model.copy(path)
                self.work.say("The model is saved.", "good")
                self.update()
                return
            self.engine.save_model(path)
        except UserError as error:
            self.work.say(str(error), "error")
            return
        self.work.begin("save")

    def open_model(self, path: Path, trust: Sequence[str] = ()) -> None:
        """Open a model file, or a package of BioImage.IO, of which trusted code may run."""
        try:
            if is_package(path):
                self.engine.load_model(path, keep=self.packages.file_for(path), trust=trust)
            else:
                self.engine.load_model(path)
        except UserError as error:
            self.work.say(str(error), "error")
            return
        self.work.begin("load")

    @property
    def can_pack(self) -> bool:
        """The model is one of ours, as far as is known."""
        return self.engine.model is None or self.engine.model.net.trainable or self.model.to_read is not None

    def pack_model(self, path: Path, card: Card, weights: Sequence[str]) -> None:
        """Write the model as a package."""
        try:
            self.engine.pack_model(path, card, weights=weights, model=self.model.to_read)
        except UserError as error:
            self.work.say(str(error), "error")
            return
        self.work.begin("pack")

    def _leave(self) -> None:
        """Forget the training: another project has its own, or none."""
        self.comparison.forget()
        self.trainer.forget()
        self.model.leave()
        self.segmenting.models += 1
        self.live.blank()
        self.update()

    def restore(self, path: Path) -> None:
        """Take over the model of a project, and the training that it comes from if its state is there."""
        if not self.trainer.restore(path):
            self.open_model(path)
            return
        self.model.take(path, f"trained in {path.parent.parent.name}")
        self.restored.emit(self.trainer.remembered)
        self.segmenting.models += 1
        self.live.ask()
        self.update()

    def _forget_warning(self) -> None:
        self._warned = False

    # What the engine reports

    def on_state_changed(self, state: EngineState) -> None:
        """Show what the engine does now."""
        self.update()

    def on_event(self, event: Event) -> None:
        """Pass progress on."""
        if isinstance(event, StepDone) or (isinstance(event, Finished) and self.job == "train"):
            self.trainer.follow(event)
            self.comparison.possible = True
            self.model.note_step()
        if self.job == "predict":
            self.segmenting.follow(event)
            self.update()
        if isinstance(event, Note) and event.warning:
            self.work.say(event.text, "warning")
        elif isinstance(event, Note) and self.job == "predict" and not self.work.ending:
            self.work.say(self.segmenting.account)
        elif isinstance(event, Note) and event.text == LEARNT_AGAIN:
            self.work.say(LEARNING)
        self.happened.emit(event)

    def on_preview(self, preview: Preview) -> None:
        """Show a predicted plane."""
        if self.model.shows(preview):
            self.live.on_preview(preview)

    def on_suggestion(self, suggestion: Suggestion) -> None:
        """Go to where annotation is worth most."""
        self.model.note_read()
        self.suggesting.on_suggestion(suggestion)

    def on_outputs(self, outputs: tuple[OutputInfo, ...]) -> None:
        """Make the layers of the prediction that begins."""
        self.model.note_read()
        if self.segmenting.allocate(outputs, keep=self.selection.labels_layer):
            self.live.set_aside()
            self.recutting.follow_results()
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
        self.work.said.emit(end_of_saving(end, self._lacking))
        self.work.end()

    def on_job_finished(self, result: JobResult) -> None:
        """Tell how the job has ended and get ready for the next."""
        self.work.clear()
        self._told = result.outcome == "died"
        instead = self.segmenting.end(result) if result.job == "predict" else None
        if (result.job, result.outcome) == ("load", "failed"):
            self.packages.look(result.message)
        train = result.job == "train" and not (result.outcome == "failed" and self.model.there)
        kept = self.trainer.keep() if train else None
        learnt = self.model.end(result, kept)
        if result.job == "train":
            self.trainer.end(result.outcome)
        if (result.job, result.outcome) == ("load", "finished"):
            self._take_opened(result)
        if result.outcome in ("finished", "stopped", "died") and result.job in ("train", "load"):
            self.segmenting.models += 1
        usual = end_of_job(
            result,
            go_on=self.trainer.going.possible,
            ready=self.selection.image is not None and self.selection.labels_layer is not None,
            rest=self.segmenting.rest,
            model=self.engine.model,
            reason=self.trainer.reason,
            by_itself=self.trainer.automatic.on,
            stepped=learnt,
        )
        if (result.job, result.outcome) != ("suggest", "finished"):  # what was found is told already
            self.work.said.emit(instead or usual)
        self.work.tell_end(result.job)
        left = kept is not None and learnt and result.outcome in ("finished", "stopped")
        if left and self.engine.model is not None:
            self.scored.emit(self.engine.model.description)
        if result.job == "predict":
            self.recutting.catch_up()
        if (result.job, result.outcome) == ("load", "finished"):
            self.live.ask()
        elif result.job in ("train", "load"):
            self.live.renew()

    def _take_opened(self, result: JobResult) -> None:
        """Take over the model that was opened."""
        self.comparison.forget()
        if result.path is not None and self.engine.model is not None:
            self.trainer.take_opened(result.path, self.engine.model)
            self.opened.emit(self.engine.model)

    def on_died(self, sentence: str) -> None:
        """Say that the engine is gone, unless `on_job_finished` has just said it of a job."""
        if not self._told:
            self.work.say(f"{sentence} It is started again when it is needed.", "error")
        self._told = False
        self.comparison.forget()
        self.update()

    def watch(self) -> None:
        """Tell the user when the engine is silent; to be called every few seconds."""
        if self.job not in (None, *NOT_OF_ENGINE) and self.engine.seconds_silent > SILENT and not self._warned:
            self._warned = True
            self.work.say(f"The engine has been silent for {SILENT:.0f} s. Wait, or press Stop.", "warning")
