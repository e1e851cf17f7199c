"""Shows on the dock what the controller tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_unet.events import CheckDone, Event, Finished, StepDone, TileDone
from napari_unet.plugin import words
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.decide import Shown
from napari_unet.plugin.requests import Painting
from napari_unet.plugin.voxel_size import filed_voxel_size

if TYPE_CHECKING:
    from napari_unet.plugin.dock import UNetDock


class Showing:
    """Follows a controller.

    Parameters
    ----------
    dock
        Whose sections show it.
    controller
        What is followed.
    """

    def __init__(self, dock: UNetDock, controller: Controller) -> None:
        self._dock, self._controller = dock, controller
        controller.shown.connect(self.show_buttons)
        controller.happened.connect(self.show_event)
        controller.work.began.connect(self.show_beginning)
        controller.work.ended.connect(self.show_end)
        controller.scored.connect(self.show_scores)
        controller.restored.connect(self.show_restored)
        controller.opened.connect(lambda _: dock.train.clear_progress())  # what is shown was of another training
        controller.recutting.changed.connect(self.show_recutting)
        controller.tuning.changed.connect(self.show_recutting)
        controller.selection.changed.connect(self.show_selection)
        controller.painter.painting.connect(self.show_painting)

    def show_buttons(self, shown: Shown) -> None:
        """Show which buttons work and what they say."""
        dock = self._dock
        dock.image.choice.setEnabled(shown.settings)  # what is at work keeps its image
        dock.image.axes.setEnabled(shown.settings)
        dock.annotate.new_button.setEnabled(shown.annotate)
        dock.annotate.where_button.setEnabled(shown.suggest)
        dock.train.train_button.setEnabled(shown.train)
        dock.train.go_on_button.setEnabled(shown.go_on)
        dock.train.pause_button.setEnabled(shown.pause)
        dock.train.pause_button.setText(shown.pause_text)
        dock.train.stop_button.setEnabled(shown.stop)
        dock.train.stop_button.setText(shown.stop_text)
        if self._stopping:
            dock.train.show_stopping()
        dock.segment.segment_button.setEnabled(shown.segment)
        dock.segment.segment_button.setText(shown.segment_text)
        dock.segment.cancel_button.setEnabled(shown.cancel)
        dock.segment.save_button.setEnabled(shown.save_results)
        dock.model.open_button.setEnabled(shown.open)
        dock.model.save_button.setEnabled(shown.save)
        dock.model.export_button.setEnabled(shown.save)
        dock.advanced.setEnabled(shown.settings)
        dock.train.budget.setEnabled(shown.settings)
        dock.status.show_activity(shown.activity)
        dock.model.show_model(self._controller.model.name, self._controller.model.details)

    @property
    def _stopping(self) -> bool:
        work = self._controller.work
        return work.job == "train" and work.ending

    def show_selection(self) -> None:
        """Show which layers are chosen and what was understood of the image."""
        dock, selection = self._dock, self._controller.selection
        image, labels = selection.image_layer, selection.labels_layer
        if selection.image is not None:
            dock.segment.scope.show_sizes(selection.image.size("T"), selection.image.size("Z"))
        dock.image.show_images([x.name for x in selection.images], image.name if image is not None else None)
        understood = words.describe(selection.image) if selection.image is not None else selection.problem
        dock.image.show_axes(selection.axes, understood)
        size = filed_voxel_size(image, selection.axes)
        dock.image.show_size("" if size is None else str(size))
        names = [x.name for x in selection.annotations]
        dock.annotate.show_labels(names, labels.name if labels is not None else None)

    def show_painting(self, painting: Painting) -> None:
        """Show what is painted."""
        self._dock.annotate.show_painting(painting.text, painting.missing)

    def show_beginning(self, job: str, go_on: bool) -> None:
        """Show that a job has begun."""
        train, segment = self._dock.train, self._dock.segment
        if job == "train" and not go_on:
            train.clear_progress()
        if job == "train":
            train.show_waiting("preparing ...")
        if job == "fetch":
            train.show_waiting("connecting ...")
        if job in ("predict", "export"):
            segment.clear_progress()
            segment.show_busy(True)

    def show_event(self, event: Event) -> None:
        """Show how far a job is."""
        train, segment = self._dock.train, self._dock.segment
        if isinstance(event, StepDone):
            train.plot.add_step(event.step, event.loss)
            train.show_step(event.step, event.progress, event.seconds_left)
            if self._stopping:
                train.show_stopping()
        elif isinstance(event, CheckDone):
            if event.loss is not None:
                train.plot.add_check(event.step, event.loss, other=event.other)
            train.show_scores(event.scores)
        elif isinstance(event, TileDone):
            segment.show_progress(event.done / event.total, event.seconds_left)
        elif isinstance(event, Finished) and self._controller.job == "train":
            train.show_end(event.steps, event.seconds)

    def show_recutting(self) -> None:
        """Show how far cells are made anew, or tuned."""
        segment, tuning = self._dock.segment, self._controller.tuning.part
        part = self._controller.recutting.part if tuning is None else tuning
        segment.form.tune_button.setEnabled(tuning is None)
        if self._controller.job not in ("predict", "export"):
            segment.show_busy(part is not None)
            segment.show_progress(part or 0.0)

    def show_scores(self, description: Mapping[str, Any]) -> None:
        """Show the scores of the model that a training has left, which need not be that of its last step."""
        if (used := words.scores_of(description)) is not None:
            self._dock.train.show_scores(*used)

    def show_restored(self, description: Mapping[str, Any]) -> None:
        """Show how a training went that a project has brought back."""
        train = self._dock.train
        train.clear_progress()
        for entry in description.get("history", ()):
            if entry.get("held_out") is not None:
                train.plot.add_check(entry["step"], entry["held_out"], other=entry.get("other", False))
        if description:
            self.show_scores(description)

    def show_end(self, job: str) -> None:
        """Show that a job has ended."""
        train, segment = self._dock.train, self._dock.segment
        trainer = self._controller.trainer
        if job == "fetch" or (job == "train" and train.waiting):
            train.clear_bar()
        elif job == "train" and trainer.steps:  # one that was stopped tells nothing of its end itself
            train.show_end(trainer.steps, trainer.seconds)
        if job in ("predict", "export"):
            segment.clear_progress()
            segment.show_busy(False)
