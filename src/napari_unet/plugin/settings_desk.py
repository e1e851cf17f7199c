"""The forms of all settings as one: read, and filled by recipes, files, models, projects and preferences."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unet.engine.client import ModelInfo
from napari_unet.errors import UserError
from napari_unet.plugin import words
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.decide import Kind, Message
from napari_unet.plugin.notices import hint
from napari_unet.plugin.questions import completed, may_write
from napari_unet.plugin.sections.advanced import AdvancedSection
from napari_unet.plugin.sections.annotate import AnnotateSection
from napari_unet.plugin.sections.train import TrainSection, more_of
from napari_unet.plugin.settings import (
    MACHINE,
    model_spec,
    read_settings,
    recipe_of,
    recipe_spec,
    sentence,
    write_settings,
)
from napari_unet.plugin.status import StatusLine
from napari_unet.spec import TargetSpec, TrainingSpec, TrainSpec
from napari_unet.storage.project import Project

FILES = "Settings (*.json)"


class SettingsDesk:
    """Keeps the forms of the sections Annotate, Train and Advanced in step with each other.

    Parameters
    ----------
    annotate, train, advanced
        Whose forms they are.
    status
        Where sentences about settings are shown.
    controller
        Has the annotation, and tells of models and projects that are opened.
    parent
        Of the dialogs.
    """

    def __init__(
        self,
        annotate: AnnotateSection,
        train: TrainSection,
        advanced: AdvancedSection,
        status: StatusLine,
        controller: Controller,
        parent: QWidget,
    ) -> None:
        self._annotate, self._train, self._advanced = annotate, train, advanced
        self._status, self._controller, self._parent = status, controller, parent
        self._said = ""
        """The last sentence about settings."""
        for edited in (advanced.edited, advanced.target_edited, train.budget.edited):
            edited.connect(self._forget)
        for edited in (advanced.edited, train.budget.edited):
            edited.connect(self.show)
        annotate.target_changed.connect(self.set_target)
        advanced.target_edited.connect(lambda: self.set_target(advanced.target.value()))
        advanced.recipe_chosen.connect(self.use_recipe)
        advanced.open_pressed.connect(self._open)
        advanced.save_pressed.connect(self._save)
        controller.selection.changed.connect(self._show_levels)
        controller.painter.target_changed.connect(self.set_target)
        controller.opened.connect(self._use_model)
        controller.keeper.opened.connect(self._use_project)

    def value(self, *, more: bool = False) -> TrainingSpec:
        """Put the forms together.

        Parameters
        ----------
        more
            The time comes on top of the time that the last training took.

        Raises
        ------
        pydantic.ValidationError
            If the settings do not fit together.
        """
        spec, budget = self._advanced.value(), self._train.budget.value()
        if more:
            budget = more_of(budget, self._controller.trainer.seconds, self._controller.trainer.steps)
        update = {field: getattr(budget, field) for field in ("seconds", "steps", "checks", "patience")}
        if self._train.budget.endless.isChecked():
            update["warmup"] = budget.warmup
        train = TrainSpec.model_validate({**dict(spec.train), **update})
        return spec.model_copy(update={"target": self._controller.painter.target, "train": train})

    def set_target(self, target: TargetSpec) -> None:
        """Take over how the annotation is to be understood."""
        self._controller.painter.set_target(target)
        self._annotate.show_target(target)
        self._advanced.target.setValue(target)
        self.show()

    def use_recipe(self, name: str) -> None:
        """Take over a recipe; what computes stays."""
        spec = recipe_spec(name, self._controller.painter.target)
        machine = self._advanced.machine.value()
        own = {field: getattr(machine, field) for field in MACHINE}
        spec = spec.model_copy(update={"train": spec.train.model_copy(update=own)})
        self.fill(spec)
        time = words.budget(spec.train)
        self.say(f"Recipe '{name}': Train takes {time}; change the time above it.", "info")

    def fill(self, spec: TrainingSpec) -> None:
        """Fill the forms."""
        self._advanced.setValue(spec)
        self._train.budget.setValue(spec.train)
        self.set_target(spec.target)

    def _use_model(self, model: ModelInfo) -> None:
        """Show the settings of a model that was opened, if it can learn; the time stays."""
        if not model.net.trainable:
            return
        spec = model_spec(model, self._controller.painter.target, self._advanced.machine.value())
        self._advanced.setValue(spec)
        self.set_target(spec.target)

    def _use_project(self, project: Project) -> None:
        """Show the settings of a project that was opened."""
        if project.settings is None:
            return
        try:
            self.fill(TrainingSpec.model_validate(project.settings))
        except ValidationError as error:
            self.say(f"The settings of the project are not known here: {sentence(error)}.", "warning")

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._parent, "Open settings", "", FILES)
        if not path:
            return
        try:
            self.fill(read_settings(Path(path)))
        except UserError as error:
            self._controller.work.say(f"{error}.", "error")
        else:
            self.say(f"The settings are those of {Path(path).name}.", "good")

    def _save(self) -> None:
        typed, _ = QFileDialog.getSaveFileName(self._parent, "Save settings", "settings.json", FILES)
        target = completed(typed, ".json")
        if not typed or not may_write(self._parent, Path(typed), target):
            return
        try:
            write_settings(target, self.value())
        except ValidationError as error:
            self.say(f"Change this under Advanced first: {sentence(error)}.", "error")
        except UserError as error:
            self._controller.work.say(f"{error}.", "error")
        else:
            self.say(f"The settings are saved as {target.name}.", "good")

    def say(self, text: str, kind: Kind) -> None:
        """Show a sentence that is true until a setting is changed."""
        self._controller.work.say(text, kind)
        self._said = text

    def _forget(self) -> None:
        """Show what can be done, in place of a sentence about settings that are no longer these, or a refusal."""
        stale = self._status.message.text == self._said or self._status.message.kind == "error"
        if stale and self._controller.job is None:
            self._status.show_message(self.hint())

    def hint(self) -> Message:
        """Tell what can be done now."""
        c = self._controller
        return hint(c.selection, model=c.model.there, by_itself=c.trainer.automatic.on)

    def show(self) -> None:
        """Show which recipe the settings are, and what does not fit together."""
        try:
            spec = self.value()
            recipe, problem = recipe_of(spec), ""
            self._controller.keeper.take_settings(spec)
        except ValidationError as error:
            recipe, problem = None, f"This does not fit together: {sentence(error)}."
        self._advanced.show_recipe(recipe)
        self._advanced.show_problem(problem)
        self._show_levels()

    def _show_levels(self) -> None:
        """Show how a 3D network would follow the voxel size of the image that is chosen."""
        try:
            text = words.levels(self._advanced.net.value(), self._controller.selection.image)
        except (ValidationError, UserError):  # shown elsewhere
            text = ""
        self._advanced.net.show_levels(text)
