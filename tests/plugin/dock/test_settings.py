"""Forms, recipes and opened models: which settings a training gets."""

from __future__ import annotations

from pathlib import Path

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QSpinBox,
)

from dock_tools import choose_recipe, paint
from napari_unet.engine.client import ModelInfo
from napari_unet.events import CheckDone, StepDone
from napari_unet.plugin import words
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.fetch import missing_weights
from napari_unet.plugin.notices import PAINT, PRESS
from napari_unet.plugin.sections.train import checks_of
from napari_unet.spec import (
    DEFAULT_CLASSES,
    RECIPES,
    NormalisationSpec,
    TargetSpec,
    TrainingSpec,
    TrainSpec,
    VGG16UNetSpec,
)
from napari_unet.storage.keep import STATE
from plugin_tools import MODEL, FakeEngine, result


def test_forms_reach_the_engine(dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine) -> None:
    dock.annotate.new_button.click()
    viewer.layers["strokes"].data[0, :5] = 1
    viewer.layers["strokes"].data[0, 7:9] = 2
    dock.train.budget.seconds.setValue(45)
    dock.advanced.net.kind.setCurrentText("unet3d")
    dock.train.train_button.click()
    spec = engine.last("train")["args"][2]
    assert (spec.train.seconds, spec.net.kind, spec.train.val_fraction) == (45, "unet3d", 0.1)
    dock.controller.on_event(StepDone(3, 0.5, 0.25, 10.0, 30.0))
    dock.controller.on_event(CheckDone(3, 0.4, {"cell": 0.5, "boundary": None}, best=True))
    assert dock.train.bar.format() == "step 3, 30 s left"
    assert dock.train.scores.text().splitlines()[0] == "Held out: cell 0.50 · boundary n/a"


def test_the_curve_of_held_out_strokes_begins_anew_where_strokes_have_changed(dock: UNetDock) -> None:
    for step, loss, other in ((10, 0.4, False), (20, 0.3, False), (30, 0.6, True), (40, 0.5, False)):
        dock.controller.on_event(CheckDone(step, loss, {"cell": 0.5, "boundary": 0.5}, other=other))
    steps, losses = dock.train.plot._held_out.getData()
    np.testing.assert_array_equal(steps, [10, 20, 30, 30, 40])
    np.testing.assert_array_equal(losses, [0.4, 0.3, np.nan, 0.6, 0.5])
    line = dock.train.plot._held_out.curve.getPath()
    moves = [i for i in range(line.elementCount()) if line.elementAt(i).isMoveTo()]
    assert len(moves) == 2  # two lines, and none between them


def test_the_scores_after_a_training_are_those_of_the_model_that_is_used(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine
) -> None:
    paint(dock, viewer)
    dock.train.train_button.click()
    history = []
    for step, score in ((20, 0.9), (40, 0.8)):
        dock.controller.on_event(CheckDone(step, 0.4, {"cell": score, "boundary": score}))
        history.append({"step": step, "held_out": 0.4, "scores": {"cell": score, "boundary": score}})
    assert dock.train.scores.text() == "Held out: cell 0.80 · boundary 0.80"
    description = {"steps": 40, "used_step": 20, "history": history}
    engine.model = MODEL.model_copy(update={"description": description})
    engine.last("train")["args"][3].with_suffix(STATE).touch()
    dock.controller.on_event(StepDone(40, 0.5, 1.0, 30.0, 0.0))
    dock.controller.on_job_finished(result("train", "stopped", path=engine.last("train")["args"][3]))
    assert dock.train.scores.text() == "Held out, step 20: cell 0.90 · boundary 0.90"
    assert "the model of step 20 scored best" in dock.status.text.text()
    dock.controller.on_job_finished(result("load", path=engine.last("train")["args"][3]))
    assert dock.train.scores.text() == "Held out: no score yet"


def test_a_training_that_a_project_brings_back_shows_its_scores(dock: UNetDock) -> None:
    dock.controller.on_event(CheckDone(5, 0.9, {"cell": 0.1, "boundary": 0.1}))  # of the project before
    history = [
        {"step": 10, "held_out": None, "scores": {"cell": None, "boundary": None}},
        {"step": 20, "held_out": 0.4, "scores": {"cell": 0.9, "boundary": 0.8}},
        {"step": 30, "held_out": 0.5, "scores": {"cell": 0.7, "boundary": 0.8}, "other": True},
    ]
    dock.controller.restored.emit({"steps": 30, "used_step": 20, "history": history})
    assert dock.train.scores.text() == "Held out, step 20: cell 0.90 · boundary 0.80"
    np.testing.assert_array_equal(dock.train.plot._held_out.getData()[0], [20, 30, 30])
    dock.controller.restored.emit({})
    assert dock.train.scores.text() == "Held out: no score yet"


def test_going_on_scores_as_often_as_before(dock: UNetDock) -> None:
    """The number of checks is that of the whole time, of which a part is over."""
    dock.train.budget.seconds.setValue(150)
    dock.controller.on_event(StepDone(1000, 0.5, 1.0, 600.0, 0.0))
    first, more = dock.settings.value().train, dock.settings.value(more=True).train
    assert (first.seconds, first.checks) == (150, 10)
    assert (more.seconds, more.checks) == (750, 50)


def test_going_on_by_steps(dock: UNetDock) -> None:
    dock.train.budget.unit.setCurrentText("steps")
    dock.train.budget.steps.setValue(50)
    dock.controller.on_event(StepDone(1000, 0.5, 1.0, 600.0, 0.0))
    more = dock.settings.value(more=True).train
    assert (more.seconds, more.steps, more.checks) == (None, 1050, 21)


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_recipe_reaches_the_engine_whole(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, name: str, tmp_path: Path
) -> None:
    paint(dock, viewer)
    choose_recipe(dock, name)
    assert dock.advanced.recipe.currentText() == name
    assert dock.advanced.purpose.text() == RECIPES[name].purpose
    given = RECIPES[name].spec
    expected = given.model_copy(
        update={"train": given.train.model_copy(update={"checks": checks_of(given.train)})}
    )
    assert dock.settings.value() == expected
    if missing_weights(given) is None:
        dock.train.train_button.click()
        assert engine.last("train")["args"][2] == expected


def test_a_recipe_leaves_the_annotation_and_is_left_by_an_edit(dock: UNetDock) -> None:
    target = TargetSpec(style="cells", dense=True)
    dock.annotate.target_changed.emit(target)
    assert dock.advanced.recipe.currentText() == "default"
    choose_recipe(dock, "unet2015")
    assert dock.settings.value().target == target.model_copy(update={"weight_map": True})
    assert dock.annotate.form.value() == dock.controller.painter.target == dock.settings.value().target
    assert dock.train.budget.seconds.text() == "36,000"
    assert "Train takes 10 h 0 min" in dock.status.text.text()
    dock.train.budget.seconds.setValue(60)
    assert dock.advanced.recipe.currentText() == "unet2015"
    batch = dock.advanced.train.editor("batch")
    assert isinstance(batch, QSpinBox)
    batch.setValue(2)
    assert dock.advanced.recipe.currentText() == "(settings of your own)"
    batch.setValue(1)
    assert dock.advanced.recipe.currentText() == "unet2015"
    choose_recipe(dock, "default")
    assert dock.settings.value().target == target


def test_options_of_the_target_reach_painter_and_training(dock: UNetDock) -> None:
    dock.annotate.target_changed.emit(TargetSpec(style="cells"))
    rim = dock.advanced.target.editor("rim")
    assert isinstance(rim, QSpinBox)
    rim.setValue(4)
    assert dock.settings.value().target == TargetSpec(style="cells", rim=4)
    dock.annotate.form.unpainted.setCurrentIndex(1)
    assert dock.controller.painter.target == TargetSpec(style="cells", rim=4, dense=True)
    assert dock.advanced.target.value() == dock.controller.painter.target


def test_grey_values_reach_the_training(dock: UNetDock) -> None:
    box = dock.advanced.normalisation.editor("method")
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(1)
    assert dock.settings.value().normalisation.method == "percentile"


def test_what_does_not_fit_together_is_said_in_a_sentence(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine
) -> None:
    paint(dock, viewer)
    loss = dock.advanced.train.editor("loss")
    assert isinstance(loss, QComboBox)
    loss.setCurrentIndex(2)
    wrong = "the loss 'binary-cross-entropy' needs the activation 'sigmoid', not 'softmax'"
    assert "binary-cross-entropy" in dock.advanced.problem.text()
    assert dock.advanced.problem.isVisibleTo(dock.advanced.problem.parentWidget())
    dock.train.train_button.click()
    assert dock.status.text.text() == f"Change this under Advanced: {wrong}."
    assert engine.count("train") == 0
    activation = dock.advanced.net.forms["unet"].editor("activation")
    assert isinstance(activation, QComboBox)
    activation.setCurrentIndex(1)
    assert not dock.advanced.problem.isVisibleTo(dock.advanced.problem.parentWidget())
    assert dock.status.text.text() == PAINT + PRESS
    dock.train.train_button.click()
    spec = engine.last("train")["args"][2]
    assert (spec.train.loss, spec.net.activation) == ("binary-cross-entropy", "sigmoid")


def test_sentences_about_settings_go_when_these_are_changed(dock: UNetDock, viewer: napari.Viewer) -> None:
    paint(dock, viewer)
    choose_recipe(dock, "isbi2012-keras")
    assert dock.status.text.text() == "Recipe 'isbi2012-keras': Train takes 300 steps; change the time above it."
    dock.train.budget.steps.setValue(20)
    assert dock.status.text.text() == PAINT + PRESS
    dock.controller.work.say("5 cells found.")
    dock.train.budget.steps.setValue(30)
    assert dock.status.text.text() == "5 cells found."


def test_settings_are_saved_and_opened(dock: UNetDock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    choose_recipe(dock, "vnet")
    dock.annotate.target_changed.emit(TargetSpec(style="cells", background_value=9))
    dock.train.budget.seconds.setValue(77)
    spec = dock.settings.value()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    dock.advanced.save_button.click()
    assert TrainingSpec.model_validate_json((tmp_path / "mine.json").read_bytes()) == spec
    choose_recipe(dock, "default")
    dock.annotate.target_changed.emit(TargetSpec())
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "mine.json"), ""))
    dock.advanced.open_button.click()
    assert dock.settings.value() == spec
    assert dock.annotate.form.value() == spec.target
    assert dock.status.text.text() == "The settings are those of mine.json."
    (tmp_path / "mine.json").write_text('{"net": {"kind": "unet", "depth": 99}}')
    dock.advanced.open_button.click()
    assert "mine.json holds no valid settings (net.unet.depth" in dock.status.text.text()
    assert dock.settings.value() == spec
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "a.json"), ""))
    dock.advanced.save_button.click()
    assert "cannot write" in dock.status.text.text()


def test_an_opened_model_shows_its_settings_and_is_trained_further(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, tmp_path: Path
) -> None:
    paint(dock, viewer)
    dock.advanced.machine.setValue(TrainSpec(device="cpu"))
    net = VGG16UNetSpec(base=8, classes=3)
    told = TrainingSpec(
        target=TargetSpec(style="cells", rim=2),
        net=net,
        train=TrainSpec(
            steps=9, encoder_weights="imagenet", encoder_file=Path("gone.pth"), freeze_encoder=True, patch=(64, 64)
        ),
        normalisation=NormalisationSpec(method="percentile"),
    )
    facts = {"training": told.model_dump(mode="json", exclude={"net"})}
    engine.model = ModelInfo(classes=DEFAULT_CLASSES, net=net, description=facts)
    path = tmp_path / "mine.safetensors"
    assert not dock.train.go_on_button.isEnabled()
    dock.controller.open_model(path)
    dock.controller.on_job_finished(result("load", path=path))
    assert dock.advanced.net.kind.currentText() == "vgg16-unet"
    assert dock.advanced.net.forms["vgg16-unet"].editor("base").value() == 8
    assert dock.advanced.encoder.editor("freeze_encoder").isChecked()
    assert dock.train.go_on_button.isEnabled()
    dock.advanced.encoder.editor("freeze_encoder").setChecked(False)
    dock.train.go_on_button.click()
    given = engine.last("train")
    assert given["start"] == path
    spec = given["args"][2]
    assert (spec.net.base, spec.normalisation.method, spec.target.rim) == (8, "percentile", 2)
    assert (spec.target.style, spec.train.freeze_encoder, spec.train.device) == ("classes", False, "cpu")
    assert (spec.train.seconds, spec.train.steps) == (120, None)


def test_the_levels_of_a_3d_network_follow_the_image(dock: UNetDock, viewer: napari.Viewer) -> None:
    levels = dock.advanced.net.levels
    assert levels.isHidden()
    dock.advanced.net.kind.setCurrentText("unet3d")
    assert "taken as cubes" in levels.text()
    viewer.layers["stack"].scale = (3, 1, 1)
    dock.controller.selection.refresh()
    assert not levels.isHidden()
    assert "level 1: voxels of 3 x 1 x 1, kernels 1 x 3 x 3, then pooled 1 x 2 x 2" in levels.text()
    assert "cubes" not in levels.text()
    dock.advanced.net.forms["unet3d"].editor("depth").setValue(1)
    assert len(levels.text().splitlines()) == 2
    dock.advanced.net.kind.setCurrentText("unet")
    assert levels.isHidden()


def test_captions_are_those_of_the_rows(dock: UNetDock) -> None:
    own = [dock.advanced.target, *dock.advanced.net.forms.values()]
    rows = {row.field: row.caption for form in own for row in form._rows}
    assert {**rows, "kind": "Network", "normalisation": "Grey values"} == words.CAPTIONS
