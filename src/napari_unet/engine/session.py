"""What the worker does with the orders it gets: one job at a time, and previews."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from napari_unet.arrays.axes import Image
from napari_unet.arrays.taken_values import TakenPart
from napari_unet.engine import messages as m
from napari_unet.engine.channel import Channel, Order, StoppedWhileReadingError, Strokes, leave
from napari_unet.engine.contracts import Jobs, ModelLike, TrainingLike
from napari_unet.engine.lesser import Search, may_fail, one_line
from napari_unet.engine.looks import Looks
from napari_unet.engine.recording import record_of
from napari_unet.engine.remote import RemoteOutput, remote_image
from napari_unet.engine.schedule import PreviewClock, Throttle
from napari_unet.errors import UserError
from napari_unet.events import Event, StepDone
from napari_unet.spec import TrainingSpec
from napari_unet.storage.held import with_true_file

DTYPES = {"probabilities": "|u1", "classes": "|u1", "boundaries": "|u1", "cells": "<i4"}
QUICK = 2.0
"""Seconds in which another look at a plane is begun while nothing else is to do: orders wait for its end."""
Way = Literal["go", "stop", "leave"]


@dataclass(frozen=True)
class View:
    """The plane that the user looks at."""

    image: Image
    t: int
    z: int
    before: bool = False
    """Not as it is predicted now, but as it was when the last training began."""
    model: Path | None = None
    """File of a model, if it is not that of the jobs that is looked through."""

    def same_as(self, other: View | None) -> bool:
        """Tell whether this is the same plane, looked at in the same way."""
        return other is not None and self.image is other.image and replace(self, image=other.image) == other


class Session:
    """The worker's memory: the current model, the view, the job in progress.

    Parameters
    ----------
    channel
        The way to the window.
    jobs
        What to run.
    threads
        CPU threads for jobs whose spec leaves them open.
    """

    def __init__(self, channel: Channel, jobs: Jobs, threads: int) -> None:
        self.channel, self.jobs, self.threads = channel, jobs, threads
        self.model: ModelLike | None = None
        self.before: ModelLike | None = None
        """The network as it was when the last training began."""
        self.view: View | None = None
        self._clock = PreviewClock()
        self._throttle = Throttle()
        self._painted = False
        self._taken: list[TakenPart] = []
        """What the labels of the next training have of predictions that were taken over."""
        self._search = Search(channel)
        self._looks = Looks()
        self._read: tuple[Path, ModelLike] | None = None
        """A model that was read for previews only, and its file; ``model`` is that of the jobs."""
        self._unseen = False
        """The plane in view has not been looked at through all mirror images."""
        self._asked = 0.0
        """When the user began to look at it."""

    def run(self) -> None:
        """Handle orders for ever."""
        self.jobs.warm_up()
        while True:
            while self._unseen and self.channel.inbox.empty:
                self._look_on()
            self.handle(self.channel.inbox.take())

    def handle(self, order: Order) -> None:
        """Handle one order while no job runs."""
        match order:
            case m.Train():
                self._job("train", "training", lambda: self._train(order))
            case m.Predict():
                self._job("predict", "predicting", lambda: self._predict(order))
            case m.Suggest():
                self._job("suggest", "working", lambda: self._suggest(order))
            case m.SaveModel():
                self._job("save", "working", lambda: self._save(order))
            case m.LoadModel():
                self._job("load", "working", lambda: self._load(order))
            case m.PackModel():
                self._job("pack", "working", lambda: self._pack(order))
            case m.SetView() | m.ClearView():
                self._look(order)
            case Strokes() if order.at.taken:
                self._taken.append((order.at.t, order.at.z, order.at.y, order.at.x, order.values))
            case m.Shutdown():
                leave()
            case _:  # Pause, Resume, Stop: the job ended while they were on their way
                pass

    # Jobs

    def _job(self, job: m.Job, state: m.WorkerState, work: Any) -> None:
        """Run a job; whatever it raises becomes its report, and the worker lives on."""
        self.channel.at_work = self.channel.interruptible = True
        self.channel.stopping = False
        self._throttle, self._clock = Throttle(), PreviewClock()
        self._looks.forget()
        self._read = None
        self.channel.send(m.StateReport(state=state))
        try:
            report: m.JobReport = work()
        except StoppedWhileReadingError:
            report = self._report(job, "stopped", message="stopped")
        except UserError as error:
            report = self._report(job, "failed", message=str(error), user=True)
        except Exception as error:  # noqa: BLE001 - the window shows it; the worker must survive
            trace = "".join(traceback.format_exception(error))
            report = self._report(job, "failed", message=one_line(error), traceback=trace)
        self.channel.at_work = self.channel.interruptible = self.channel.stopping = False
        self.channel.send(report)
        if job in ("train", "load"):
            self._looks.forget()
        if self._unseen or job in ("train", "load"):
            self._want_looks()  # from now on: what was asked for during the job is not late

    def _report(self, job: m.Job, outcome: m.Outcome, **more: Any) -> m.JobReport:
        return m.JobReport(job=job, outcome=outcome, model=describe(self.model), **more)

    def _train(self, order: m.Train) -> m.JobReport:
        image = with_true_file(remote_image(self.channel, order.image))
        pair = image, remote_image(self.channel, order.labels)
        spec = self._with_threads(order.spec)
        taken, self._taken = self._taken, []
        training = self.jobs.training([pair], spec, order.autosave, order.resume, order.start, taken)
        self.channel.interruptible = False  # from here on between events, where stopping saves
        file = order.start if order.start is not None else order.autosave if order.resume else None
        # the network may have been made to fit other classes since, and the strokes
        begun = self.jobs.load(file) if file is not None and file.is_file() else training.model()
        step = 0
        way: Way = "go"
        with _closing(iter(training)) as events:
            for event in events:
                self._forward(event)
                step = event.step if isinstance(event, StepDone) else step
                self.before = begun if step else self.before
                way = self._obey(training, step)
                if way != "go":
                    break
                self._search.go_on()
                if step:
                    self._preview_training(training, step)
            if way == "go":
                self._search.go_on(math.inf)
            self._search.forget()
            for event in training.settle() if way != "go" else ():
                self._forward(event)
        if step or way == "go":  # else nothing was learnt, and the model is the one that it was
            self.before = begun
            self._take(training.model())
        return self._report("train", "finished" if way == "go" else "stopped", path=order.autosave)

    def _predict(self, order: m.Predict) -> m.JobReport:
        if order.model is not None:
            self._take(self.jobs.load(order.model))
        model = self._current()
        image = remote_image(self.channel, order.image)
        infos = tuple(output_info(o, model, image) for o in order.outputs)
        outputs = {i.output: RemoteOutput(self.channel.send, i) for i in infos}
        tiling = order.tiling.model_copy(update={"threads": order.tiling.threads or self.threads})
        prediction = self.jobs.prediction(
            model,
            image,
            outputs,
            tiling,
            order.cells,
            order.region,
            order.done,
            order.view,
            lambda: self.channel.stopping,
        )
        record = record_of(model, image, order, tiling)
        self.channel.send(m.OutputsReport(outputs=infos, model=describe(model), record=record))
        way: Way = "go"
        with _closing(prediction) as events:
            for event in events:  # once it is stopped it tells what has just been written, and ends
                self._forward(event)
                way = self._obey(None, 0) if way == "go" else way
        return self._report("predict", "finished" if way == "go" else "stopped")

    def _suggest(self, order: m.Suggest) -> m.JobReport:
        if order.image is None:  # for a training that has ended meanwhile
            return self._report("suggest", "stopped")
        if order.model is not None:
            self._take(self.jobs.load(order.model))
        image = remote_image(self.channel, order.image)
        labels = None if order.labels is None else remote_image(self.channel, order.labels)
        view = order.t, order.z
        for found in self.jobs.suggestion(self.model, image, labels, view, order.shown, order.planes):
            if found is not None:
                self.channel.send(m.SuggestionReport(suggestion=found))
            elif self._obey(None, 0) != "go":
                return self._report("suggest", "stopped")
        return self._report("suggest", "finished")

    def _save(self, order: m.SaveModel) -> m.JobReport:
        self._current().save(order.path)
        return self._report("save", "finished", path=order.path)

    def _load(self, order: m.LoadModel) -> m.JobReport:
        model = self.jobs.load(order.path, order.trust)
        if order.keep is not None:
            model.save(order.keep)
        self._take(model)
        self.before = None
        return self._report("load", "finished", path=order.keep or order.path)

    def _pack(self, order: m.PackModel) -> m.JobReport:
        if order.model is not None:
            self._take(self.jobs.load(order.model))
        self.jobs.pack(self._current(), order.path, order.card, order.weights)
        return self._report("pack", "finished", path=order.path)

    def _take(self, model: ModelLike) -> None:
        """Take the model of a job: planes are looked at with it from now on."""
        self.model, self._read = model, None
        if self.view is not None:
            self.view = replace(self.view, model=None)

    def _current(self) -> ModelLike:
        if self.model is None:
            raise UserError("there is no model yet: train one or load one first")
        return self.model

    def _with_threads(self, spec: TrainingSpec) -> TrainingSpec:
        train = spec.train.model_copy(update={"threads": spec.train.threads or self.threads})
        return spec.model_copy(update={"train": train})

    def _forward(self, event: Event) -> None:
        for passed in self._throttle.pass_on(event, time.monotonic()):
            self.channel.send(m.encode_event(passed))

    def _obey(self, training: TrainingLike | None, step: int) -> Way:
        """Handle the orders that came while a job ran; waits while it is paused."""
        paused: m.WorkerState | None = None
        while paused or not self.channel.inbox.empty:
            if training is not None and self._unseen and self.channel.inbox.empty:
                self._look_on(training, step)
                continue
            order = self.channel.inbox.take()
            match order:
                case m.Stop():
                    self.channel.stopping = True
                    return "stop"
                case m.Shutdown():
                    self.channel.inbox.put(order)  # for the main loop, once the job has been wound up
                    self.channel.stopping = True
                    return "leave"
                case m.Pause() if not paused:
                    paused = "training" if training else "predicting"
                    self.channel.send(m.StateReport(state="paused"))
                case m.Resume() if paused:
                    self.channel.send(m.StateReport(state=paused))
                    paused = None
                case m.Suggest() if training is not None:
                    self._search.begin(training.suggest((order.t, order.z), order.shown))
                    if paused:
                        self._search.go_on(math.inf)
                case Strokes() if training is not None:
                    self._paint(training, order)
                case m.SetView() | m.ClearView():
                    self._look(order)
                case _:  # the window runs one job at a time
                    pass
        if training is not None and self._painted:
            self._painted = False
            for note in training.take_up():
                self._forward(note)
            self._clock.ask()
            self._looks.forget()
        return "go"

    def _paint(self, training: TrainingLike, strokes: Strokes) -> None:
        """Note strokes; the training takes them up before its next step."""
        at = strokes.at
        training.paint(at.t, at.z, at.y, at.x, strokes.values, taken=at.taken)
        self._painted = True

    # Previews

    def _look(self, order: m.SetView | m.ClearView) -> None:
        if isinstance(order, m.ClearView):
            self.view = None
            self._looks.forget()
        elif order.image is not None or self.view is not None:
            image = self.view.image if self.view else None
            if order.image is not None:
                image = remote_image(self.channel, order.image)
            assert image is not None
            t, _, z, _, _ = image.shape
            at = min(max(order.t, 0), t - 1), min(max(order.z, 0), z - 1)
            view = View(image, *at, order.before, order.model)
            if not view.same_as(self.view):
                self.view = view
        self._clock.ask()
        self._want_looks()

    def _want_looks(self) -> None:
        self._unseen, self._asked = self.view is not None, time.monotonic()

    def _preview_training(self, training: TrainingLike, step: int) -> None:
        """Predict the plane in view now and then; as it was before the training, as long as that is incomplete."""
        started, view = time.monotonic(), self.view
        if view is None or (view.before and not self._unseen) or not self._clock.due(started):
            return
        self._look_at(view, training, step)
        self._clock.done(started, time.monotonic())

    def _look_on(self, training: TrainingLike | None = None, step: int = 0) -> None:
        """Predict the plane in view while nothing else is to do: once more, as long as that is quick."""
        assert self.view is not None
        self._look_at(self.view, training, step)
        self._unseen = self._unseen and time.monotonic() - self._asked < QUICK

    def _model_of(self, view: View) -> ModelLike | None:
        """Give the model that a plane is predicted with while nothing is trained, if there is one."""
        if view.before:
            if self.before is None:
                raise UserError("what was predicted before the last training is not known any more")
            return self.before
        if view.model is None:
            return self.model
        if self._read is None or self._read[0] != view.model:
            self._read = view.model, self.jobs.load(view.model)
        return self._read[1]

    def _look_at(self, view: View, training: TrainingLike | None, step: int) -> None:
        """Predict a plane through another mirror image, and send the mean of the looks."""
        self._unseen = False  # what fails is not tried again until it is asked for
        with may_fail(self.channel, "preview of this plane"):
            predictor: TrainingLike | ModelLike
            file = None if training is not None or view.before else view.model
            if training is not None and not view.before:
                predictor = training
            elif (model := self._model_of(view)) is not None:
                predictor, step = model, int(model.describe().get("steps", 0))
            else:
                return
            look = partial(predictor.preview, view.image, view.t, view.z)
            found = self._looks.at(view, look, predictor.mirrors)
            self._unseen = not self._looks.complete
            report = m.PreviewReport(
                t=view.t, z=view.z, classes=predictor.classes, step=step, before=view.before, model=file
            )
            self.channel.send(report, found)


def describe(model: ModelLike | None) -> m.ModelInfo | None:
    """Tell what the window should know of a model."""
    if model is None:
        return None
    return m.ModelInfo(classes=model.classes, net=model.spec.net, description=model.describe())


def output_info(output: Any, model: ModelLike, image: Image) -> m.OutputInfo:
    """Shape and type of an output."""
    lead = (len(model.classes),) if output == "probabilities" else ()
    return m.OutputInfo(output=output, shape=(*lead, *image.result_shape), dtype=DTYPES[output])


@contextmanager
def _closing(events: Iterator[Event]) -> Iterator[Iterator[Event]]:
    """Close a generator of events at the end, which is how jobs are told that they were stopped."""
    try:
        yield events
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
