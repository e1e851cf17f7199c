"""What happens under Train: beginning a training, downloads that it waits for, strokes that it takes up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from psygnal import Signal

from napari_unet.arrays.axes import Image
from napari_unet.arrays.colours import check_channels
from napari_unet.arrays.targets import derive_classes
from napari_unet.engine.client import Engine, ModelInfo
from napari_unet.errors import UserError
from napari_unet.events import Finished, StepDone
from napari_unet.plugin.automatic import Automatic
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.feed import StrokeFeed
from napari_unet.plugin.fetch import End, Fetch, Progress, missing_weights
from napari_unet.plugin.going import GoingOn
from napari_unet.plugin.layers import labels_of
from napari_unet.plugin.live import LivePreview
from napari_unet.plugin.notices import LEARNING
from napari_unet.plugin.painter import Painter
from napari_unet.plugin.segmenting import Segmenting
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.work import Work
from napari_unet.spec import TargetSpec, TrainingSpec
from napari_unet.storage.facts import read_facts
from napari_unet.storage.keep import STATE
from napari_unet.storage.weights import Weights


class Trainer:
    """Begins trainings and follows them.

    Parameters
    ----------
    viewer, selection, painter
        What is looked at, which layers are chosen, and what is painted.
    engine
        Trains.
    work
        What is at work.
    live, segmenting
        The preview, and results that make room for it.
    checkpoints
        Where models are saved while training.
    fetch
        Downloads.
    """

    weights_missing = Signal(Weights)
    """A training was asked for that needs a download first: ask the user, then call `fetch_weights`."""
    fetched = Signal(int, int)
    """Bytes of a download that have come, and all of them."""

    def __init__(
        self,
        viewer: ViewerModel,
        selection: Selection,
        painter: Painter,
        engine: Engine,
        work: Work,
        live: LivePreview,
        segmenting: Segmenting,
        checkpoints: Checkpoints,
        fetch: Fetch,
    ) -> None:
        self._viewer, self._selection, self._painter = viewer, selection, painter
        self._engine, self._work, self._live, self._segmenting = engine, work, live, segmenting
        self.fetch, self.checkpoints = fetch, checkpoints
        self.going = GoingOn(checkpoints)
        self.feed = StrokeFeed(engine, selection)
        self.automatic = Automatic(selection, work, painter.count)
        self.seconds = 0.0
        """Time that the last training has used."""
        self.steps = 0
        """Steps that the last training has made."""
        self.remembered: dict[str, Any] = {}
        """What the model of a training that was restored says of itself."""
        self.reason = ""
        """Why the training at hand has ended early, in words."""
        self._waiting: TrainingSpec | None = None
        """The training that waits for a download."""
        self._training: tuple[Path, TrainingSpec] | None = None
        """Where the training at hand is saved, and what it was told."""

    # Beginning

    def train(self, spec: TrainingSpec, *, go_on: bool = False) -> None:
        """Begin a training, or go on with the last one or with the model opened since."""
        try:
            image, labels = self._input(spec.target)
            missing = None if go_on else _missing_weights(spec, image)
            if missing is not None:
                self._waiting = spec
                self.weights_missing.emit(missing)
                return
            if go_on and self.going.from_model:
                self._segmenting.check_channels(image)
            start = self.going.start(spec, go_on=go_on)
            self._engine.train(
                image,
                labels,
                spec,
                start.autosave,
                view=self._live.plane,
                resume=start.resume,
                start=start.model,
                taken=self.feed.taken_before(labels) if start.resume else (),
            )
        except UserError as error:
            self._work.say(str(error), "error")
            return
        self._training, self.reason = (start.autosave, spec), ""
        self.feed.begin(labels)
        self._live.bring_back()
        self._segmenting.set_aside(keep=self._selection.labels_layer)
        if not self._live.on:
            self._engine.clear_view()
        self._work.begin("train", go_on=start.resume)
        further = "" if start.model is None else f"Training {start.model.name} further. "
        self._work.say(further + LEARNING)

    def _input(self, target: TargetSpec) -> tuple[Image, Image]:
        image, geometry = self._selection.require()
        layer = self._selection.labels_layer
        if layer is None:
            raise UserError("there is no annotation layer: press 'New annotation layer' and paint some strokes")
        labels = labels_of(layer, image, geometry)
        counts = self._painter.count() or {}
        if self._painter.counted_all:  # else the engine looks through all labels and says what is wrong
            derive_classes(target, counts, "background" if target.dense else "ignore")
        return image, labels

    # Downloads that a training waits for

    def train_with_file(self, path: Path) -> None:
        """Begin the training that waits for a download with a file of the user's own instead."""
        if self._waiting is not None:
            spec, self._waiting = self._waiting, None
            train = spec.train.model_copy(update={"encoder_file": path})
            self.train(spec.model_copy(update={"train": train}))

    def refuse_weights(self) -> None:
        """Forget the training that waits for a download."""
        self._waiting = None
        self._work.say(
            "No training was started: ImageNet's weights are not here. Press Train to be asked again, or let the "
            "encoder start at random under Advanced."
        )

    def fetch_weights(self, wanted: Weights) -> None:
        """Download what `weights_missing` asked for, then begin the training that waits for it."""
        self.fetch.start(wanted)
        self._work.begin("fetch")
        self._work.say(f"Downloading {wanted.name}; the training starts when it is here. Stop ends the download.")

    def stop_fetching(self) -> None:
        """End a download; nothing of it is kept."""
        self.fetch.cancel()
        self._end_fetch()
        self._work.say("The download was stopped; nothing of it is kept, and everything is as it was.")

    def on_fetch_progress(self, progress: Progress) -> None:
        """Show how far a download is."""
        if self._work.job == "fetch" and progress.run == self.fetch.run:
            self.fetched.emit(progress.done, progress.total)

    def on_fetch_end(self, end: End) -> None:
        """Begin the training that has waited for a download, or say why there is none."""
        if self._work.job != "fetch" or end.run != self.fetch.run:
            return
        waiting = self._end_fetch()
        if end.error:
            self._work.say(end.error, "error")
        elif waiting is not None:
            self.train(waiting)

    def _end_fetch(self) -> TrainingSpec | None:
        waiting, self._waiting = self._waiting, None
        self._work.end()
        return waiting

    # By itself

    @property
    def due(self) -> bool:
        """A training should start by itself now."""
        return self.automatic.due(self._painter.target)

    def start_by_itself(self, spec: TrainingSpec, further: TrainingSpec) -> None:
        """Begin a training without being asked: the last one goes on if it was of these layers and settings.

        Parameters
        ----------
        spec, further
            What it is told if it begins anew, and if it goes on.
        """
        go_on = self.going.fits(further) and (self.automatic.same or self.going.from_model)
        try:
            if go_on or missing_weights(spec) is None:  # a download is asked for by hand
                self.train(further if go_on else spec, go_on=go_on)
        except UserError as error:
            self.automatic.held = True
            self._work.say(str(error), "error")

    # While it runs

    def feed_strokes(self) -> None:
        """Bring what was painted since the last time to the training that runs."""
        if self._work.job == "train" and not self._work.ending:
            self.feed.send(self._viewer.dims.point)

    def pause_or_resume(self) -> None:
        """Pause the training, or let it go on."""
        if self._engine.state == "paused":
            self._engine.resume()
            self._work.say(LEARNING)
        else:
            self._engine.pause()
            self._work.say("Paused. What you paint now is learnt after Resume.")

    def follow(self, event: StepDone | Finished) -> None:
        """Note how far the training is, or why it has ended."""
        if isinstance(event, StepDone):
            self.seconds, self.steps = event.seconds, event.step
        elif event.early:
            self.reason = event.reason

    # Its end

    def end(self, outcome: str) -> None:
        """Note how the training has ended, and let go of the annotation."""
        self.automatic.note_end(outcome, unlearnt=self.feed.end(self._viewer.dims.point))

    def keep(self) -> Path | None:
        """Take the model of the training over if it has come as far as saving one; returns where it is."""
        if self._training is None or self._training[0] != self.checkpoints.current:
            return None
        self.going.keep(*self._training)
        self.checkpoints.tidy()
        return self._training[0]

    def restore(self, path: Path) -> bool:
        """Let Go on take up a training that was saved earlier; False if it has left no state to go on from."""
        if not path.with_suffix(STATE).is_file():
            return False
        self.checkpoints.adopt(path)
        spec, self.seconds, self.steps, self.remembered = None, 0.0, 0, {}
        try:
            facts = read_facts(path)
            spec = TrainingSpec.model_validate(facts.get("spec"))
            info = facts.get("info", {})
            self.seconds, self.steps = float(info.get("seconds", 0)), int(info.get("steps", 0))
            self.remembered = {**info, "history": list(facts.get("history", ()))}
        except (UserError, ValueError, TypeError, AttributeError):  # the engine says what is wrong with it
            pass
        self.going.restore(spec)
        return True

    def forget(self) -> None:
        """Leave what there is to go on from, with the project that it is of."""
        self.checkpoints.forget()
        self.going.restore()
        self.seconds, self.steps, self._training = 0.0, 0, None

    def take_opened(self, path: Path, model: ModelInfo) -> None:
        """Let Go on train a model that was opened, if it can learn."""
        if not model.net.trainable:
            self.forget()
            return
        self.going.open(path, model)
        self.seconds, self.steps = 0.0, 0


def _missing_weights(spec: TrainingSpec, image: Image) -> Weights | None:
    """Tell what has to be downloaded, once all else that can be checked here fits."""
    missing = missing_weights(spec)
    if missing is not None:
        check_channels(spec.net.kind, image.size("C"))
    return missing
