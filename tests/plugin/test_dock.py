"""The dock in a real napari window, with an engine that does nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pooch
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QMessageBox,
    QSlider,
    QSpinBox,
    QWidget,
)

from driving import rest
from napari_unet.engine.client import ModelInfo
from napari_unet.events import CheckDone, StepDone
from napari_unet.plugin import dock as module
from napari_unet.plugin import words
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.fetch import missing_weights
from napari_unet.plugin.keymap import UNET_KEYS
from napari_unet.plugin.notices import PAINT, PRESS
from napari_unet.plugin.questions import ask_for_weights
from napari_unet.plugin.sections.base import Section
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
from napari_unet.storage import weights
from plugin_tools import MODEL, FakeEngine, a_preview, result

MakeViewer = Callable[..., napari.Viewer]


@pytest.fixture
def viewer(make_napari_viewer: MakeViewer) -> napari.Viewer:
    made = make_napari_viewer(show=True)
    made.add_image(np.random.default_rng(0).random((4, 60, 80)), name="stack")
    return made


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def dock(viewer: napari.Viewer, engine: FakeEngine, tmp_path: Path) -> Iterator[UNetDock]:
    made = UNetDock(viewer, Controller(viewer, engine, Checkpoints(tmp_path)))  # type: ignore[arg-type]
    viewer.window.add_dock_widget(made, name="U-Net")
    made.train.by_itself.setChecked(False)
    yield made
    made.shut_down()


def test_the_dock_loads_no_torch() -> None:
    code = (
        "import sys, napari_unet.plugin.dock, napari_unet.plugin.samples;"
        "banned = ('torch', 'napari_unet.jobs', 'napari_unet.learn', 'napari_unet.nets');"
        "print([m for m in banned if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_shows_what_was_understood(dock: UNetDock) -> None:
    assert dock.image.choice.currentText() == "stack"
    assert dock.image.axes.text() == "ZYX"
    assert dock.image.understood.text() == "4 slices of 60 x 80 pixels, 1 channel"
    assert "New annotation layer" in dock.annotate.missing.text()


def test_axes_can_be_corrected(dock: UNetDock) -> None:
    dock.image.axes.setText("cyx")
    dock.image.axes.editingFinished.emit()
    assert dock.image.understood.text() == "60 x 80 pixels, 4 channels"
    dock.image.axes.setText("cy")
    dock.image.axes.editingFinished.emit()
    assert "lack" in dock.image.understood.text()
    assert not dock.train.train_button.isEnabled()


def test_painting_is_counted_by_itself(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    dock.annotate.new_button.click()
    layer = viewer.layers["strokes"]
    layer.paint((1, 20, 20), 1)
    qtbot.waitUntil(lambda: "cell 0" not in dock.annotate.counts.text())
    layer.undo()
    qtbot.waitUntil(lambda: "cell 0" in dock.annotate.counts.text())


def test_counts_are_of_the_layers_that_are_chosen_now(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    dock.annotate.new_button.click()
    layer = viewer.layers["strokes"]
    layer.data[0, :5], layer.data[0, 7:9] = 1, 2
    layer.paint((1, 20, 20), 1)
    qtbot.waitUntil(lambda: dock.annotate.missing.text().startswith("Ready to train."))
    viewer.add_image(np.zeros((30, 30)), name="other")
    dock.controller.selection.choose_image(viewer.layers["other"])
    qtbot.waitUntil(lambda: "needs labels of shape (30, 30)" in dock.annotate.missing.text())
    dock.controller.selection.choose_image(viewer.layers["stack"])
    qtbot.waitUntil(lambda: dock.annotate.missing.text().startswith("Ready to train."))
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: "New annotation layer" in dock.annotate.missing.text())
    assert dock.annotate.counts.text() == ""


def test_all_layers_can_be_deleted_while_training(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, qtbot: QtBot
) -> None:
    dock.annotate.new_button.click()
    viewer.layers["strokes"].data[0, :5] = 1
    viewer.layers["strokes"].data[0, 7:9] = 2
    dock.train.train_button.click()
    dock.controller.on_preview(a_preview((60, 80), z=dock.controller.live.plane[1]))
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    assert len(viewer.layers) == 0
    qtbot.waitUntil(lambda: "The training goes on" in dock.status.text.text())
    assert all(f"'{name}'" in dock.status.text.text() for name in ("stack", "strokes"))
    assert dock.preview.box.isChecked()


def test_class_buttons_and_layer_agree(dock: UNetDock, viewer: napari.Viewer) -> None:
    dock.annotate.new_button.click()
    layer = viewer.layers["strokes"]
    dock.annotate._group.button(3).click()
    assert layer.selected_label == 3
    layer.selected_label = 2
    assert dock.annotate._group.checkedId() == 2


def test_refusals_are_shown(dock: UNetDock, engine: FakeEngine) -> None:
    dock.train.train_button.click()
    assert "no annotation layer" in dock.status.text.text()
    assert engine.count("train") == 0


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


def test_going_on_scores_as_often_as_before(dock: UNetDock) -> None:
    """The number of checks is that of the whole time, of which a part is over."""
    dock.train.budget.seconds.setValue(150)
    dock.controller.on_event(StepDone(1000, 0.5, 1.0, 600.0, 0.0))
    first, more = dock.settings.value().train, dock.settings.value(more=True).train
    assert (first.seconds, first.checks) == (150, 10)
    assert (more.seconds, more.checks) == (750, 50)


def choose_recipe(dock: UNetDock, name: str) -> None:
    dock.advanced.recipe.setCurrentText(name)
    dock.advanced.recipe.activated.emit(dock.advanced.recipe.currentIndex())


def paint(dock: UNetDock, viewer: napari.Viewer) -> None:
    dock.annotate.new_button.click()
    viewer.layers["strokes"].data[0, :5] = 1
    viewer.layers["strokes"].data[0, 7:9] = 2


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


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """VGG16's weights are not on this machine; where they would be."""
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    return weights.places(weights.VGG16)[0]


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


def test_refusing_a_download_leaves_everything_as_it_was(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, no_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(dock, viewer)
    choose_recipe(dock, "vgg16-frozen")
    asked = []
    monkeypatch.setattr(module, "ask_for_weights", lambda _, missing: asked.append(missing) or "no")
    spec = dock.settings.value()
    dock.train.train_button.click()
    assert asked == [weights.VGG16]
    assert dock.status.text.text().startswith("No training was started")
    assert (engine.count("train"), dock.controller.trainer.fetch.run, dock.settings.value()) == (0, 0, spec)
    assert dock.train.train_button.isEnabled()


def test_a_download_goes_on_beside_the_window_and_the_training_follows(
    dock: UNetDock,
    viewer: napari.Viewer,
    engine: FakeEngine,
    no_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    paint(dock, viewer)
    choose_recipe(dock, "vgg16-frozen")
    go_on = threading.Event()

    def slow(wanted: weights.Weights, progress: weights.Progress) -> Path:
        progress(138_000_000, wanted.size)
        go_on.wait(30)
        no_weights.parent.mkdir(parents=True)
        no_weights.touch()
        return no_weights

    monkeypatch.setattr(dock.controller.trainer.fetch, "_download", slow)
    monkeypatch.setattr(module, "ask_for_weights", lambda *_: "download")
    dock.train.train_button.click()
    qtbot.waitUntil(lambda: dock.train.bar.format() == "138 of 553 MB")
    assert dock.train.bar.value() == 249
    assert dock.train.stop_button.isEnabled()
    assert not dock.advanced.isEnabled()
    assert engine.count("train") == 0
    go_on.set()
    qtbot.waitUntil(lambda: engine.count("train") == 1)
    assert engine.last("train")["args"][2] == dock.settings.value()


def test_a_file_in_place_of_a_download(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, no_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(dock, viewer)
    choose_recipe(dock, "vgg16-frozen")
    monkeypatch.setattr(module, "ask_for_weights", lambda *_: "file")
    answers = [None, Path("mine.pth")]
    monkeypatch.setattr(module, "ask_for_weights_file", lambda: answers.pop(0))
    dock.train.train_button.click()  # Cancel
    assert engine.count("train") == 0
    dock.train.train_button.click()
    assert engine.last("train")["args"][2].train.encoder_file == Path("mine.pth")
    assert dock.settings.value().train.encoder_file == Path("mine.pth")


@pytest.mark.parametrize(
    ("press", "answer"), [("Download", "download"), ("From file ...", "file"), ("Cancel", "no"), (None, "no")]
)
def test_the_question_tells_size_source_and_licence(qtbot: QtBot, press: str | None, answer: str) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    seen = []

    def act() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        seen.append(box.text() + box.informativeText())
        if press is None:
            box.reject()
        else:
            next(b for b in box.buttons() if b.text().replace("&", "") == press).click()

    QTimer.singleShot(100, act)
    assert ask_for_weights(parent, weights.VGG16) == answer
    for fact in ("553 MB", weights.VGG16.url, "BSD-3-Clause", "commercial"):
        assert fact in seen[0]


def test_a_training_that_never_began_shows_no_progress(dock: UNetDock, viewer: napari.Viewer) -> None:
    paint(dock, viewer)
    dock.train.train_button.click()
    assert dock.train.bar.format() == "preparing ..."
    dock.controller.on_job_finished(result("train", "failed", "no patch of that size"))
    assert dock.train.bar.format() == ""
    dock.train.train_button.click()
    dock.controller.on_event(StepDone(3, 0.5, 0.25, 10.0, 30.0))
    dock.controller.on_job_finished(result("train", "failed", "out of memory"))
    assert dock.train.bar.format() == "3 steps in 10 s"


def test_going_on_by_steps(dock: UNetDock) -> None:
    dock.train.budget.unit.setCurrentText("steps")
    dock.train.budget.steps.setValue(50)
    dock.controller.on_event(StepDone(1000, 0.5, 1.0, 600.0, 0.0))
    more = dock.settings.value(more=True).train
    assert (more.seconds, more.steps, more.checks) == (None, 1050, 21)


def test_nothing_chosen_to_segment(dock: UNetDock, engine: FakeEngine) -> None:
    engine.model = MODEL
    dock.controller.update()
    for box in dock.segment._boxes.values():
        box.setChecked(False)
    dock.segment.segment_button.click()
    assert "at least one layer" in dock.status.text.text()
    assert engine.count("predict") == 0


def test_keys(dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, qtbot: QtBot) -> None:
    native = viewer.window._qt_viewer.canvas.native
    dock.annotate.new_button.click()
    viewer.layers["strokes"].data[0, :5] = 1
    viewer.layers["strokes"].data[0, 7:9] = 2
    qtbot.keyClick(native, Qt.Key.Key_Q)
    assert viewer.layers["strokes"].selected_label == 2
    qtbot.keyClick(native, Qt.Key.Key_W)
    assert not dock.preview.box.isChecked()
    qtbot.keyClick(native, Qt.Key.Key_T)
    assert engine.count("train") == 1
    qtbot.keyClick(native, Qt.Key.Key_T)
    assert engine.count("stop") == 1
    dock.shut_down()
    qtbot.keyClick(native, Qt.Key.Key_Q)
    assert viewer.layers["strokes"].selected_label == 2


def test_taking_and_comparing_by_key_and_button(
    dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine, qtbot: QtBot
) -> None:
    native = viewer.window._qt_viewer.canvas.native
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    dock.annotate.cells_action.trigger()  # nothing is predicted yet
    assert not dock.annotate.cells_action.isChecked()
    assert not dock.annotate.take_button.isChecked()
    assert "Nothing is predicted" in dock.status.message.text
    dock.controller.on_preview(a_preview((60, 80), *dock.controller.live.plane))
    for made, mode in ((dock.annotate.cells_action, "cells"), (dock.annotate.region_action, "region")):
        made.trigger()
        assert made.isChecked()
        assert dock.annotate.take_button.isChecked()
        assert dock.controller.taking.pointing.mode == mode
    qtbot.keyClick(native, Qt.Key.Key_R)  # again: not any more
    qtbot.waitUntil(lambda: not dock.annotate.take_button.isChecked())
    assert viewer.layers.selection.active is strokes
    assert strokes.mode == "paint"
    qtbot.keyClick(native, Qt.Key.Key_H)
    assert not dock.preview.before.isChecked()
    assert "There is no before" in dock.status.message.text
    dock.preview.before.click()
    assert not dock.preview.before.isChecked()
    dock.controller.on_event(StepDone(1, 1.0, 0.1, 1.0, 9.0))
    qtbot.keyClick(native, Qt.Key.Key_H)
    assert dock.preview.before.isChecked()
    assert engine.last("set_view")["before"] is True
    dock.preview.before.click()
    assert not dock.preview.before.isChecked()
    assert engine.last("set_view")["before"] is False


def test_all_keys_are_told(dock: UNetDock, viewer: napari.Viewer) -> None:
    assert {str(key) for key in dock._keys._bound} == {key.default for key in UNET_KEYS.values()}


def test_every_control_has_a_tooltip_and_takes_the_focus(dock: UNetDock) -> None:
    for part in dock.findChildren(Section):
        part.unfold(True)
    kinds: tuple[Any, ...] = (QAbstractButton, QComboBox, QSlider, QAbstractSpinBox)
    for kind in kinds:
        for control in dock.findChildren(kind):
            if control.objectName().startswith("qt_") or not control.isVisibleTo(dock):
                continue
            if control.parent().metaObject().className().startswith(("QScroll", "QAbstractSpin", "ViewBox")):
                continue
            name = getattr(control, "text", control.accessibleName)()
            assert control.toolTip(), f"{type(control).__name__} '{name}' has no tooltip"
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, f"'{name}' is not reached by Tab"


def test_all_buttons_fit_on_a_small_screen(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    viewer.window._qt_window.resize(1366, 768)
    dock.annotate.new_button.click()
    qtbot.wait(100)
    assert dock.width() <= 400
    bottom = dock.model.save_button.mapTo(dock, dock.model.save_button.rect().bottomRight())
    assert bottom.y() < dock.status.y()
    for made in dock.findChildren(QAbstractButton):
        if made.isVisible():
            assert made.mapTo(dock, made.rect().topRight()).x() <= dock.width()


@pytest.mark.parametrize("through", [False, True])
def test_ranges_of_time_and_depth_fit_beside_each_other(
    dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot, through: bool
) -> None:
    viewer.window._qt_window.resize(1366, 768)
    viewer.add_image(np.zeros((1200, 1300, 8, 8), np.uint8), name="movie")
    dock.controller.selection.choose_image(viewer.layers["movie"])
    scope = dock.segment.scope
    (scope.rectangle_button if through else scope.stack_button).setChecked(True)
    scope.through_box.setChecked(through)
    qtbot.wait(100)
    for made in (*dock.findChildren(QAbstractButton), *dock.segment.findChildren(QSpinBox)):
        if made.isVisible():
            assert made.mapTo(dock, made.rect().topRight()).x() <= dock.width()
    for span in scope.spans.values():
        text = span.last.fontMetrics().horizontalAdvance(span.last.text())
        assert span.last.isVisible()
        assert text <= span.last.lineEdit().width()
    bottom = dock.model.save_button.mapTo(dock, dock.model.save_button.rect().bottomRight())
    assert bottom.y() < dock.status.y()


@pytest.mark.parametrize("recipe", ["unet2015", "vgg16-frozen", "unet", "vnet"])
def test_advanced_fits_and_is_aligned(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot, recipe: str) -> None:
    """All rows unfolded: nothing beyond the dock's edge, no text cut off, widgets below one another."""
    viewer.window._qt_window.resize(1366, 768)
    dock.annotate.target_changed.emit(TargetSpec(style="cells"))
    if recipe in RECIPES:
        choose_recipe(dock, recipe)
    for part in dock.findChildren(Section):
        part.unfold(True)
    qtbot.wait(100)
    kinds: tuple[Any, ...] = (QAbstractButton, QComboBox, QAbstractSpinBox)
    lefts = set()
    for kind in kinds:
        for made in dock.advanced.findChildren(kind):
            if not made.isVisible() or made.parent() is None:
                continue
            assert made.mapTo(dock, made.rect().topRight()).x() < dock.width()
    own = [dock.advanced.train, dock.advanced.machine, dock.advanced.tiling, dock.advanced.target]
    lefts.add(dock.advanced.recipe.mapTo(dock, dock.advanced.recipe.rect().topLeft()).x())
    for form in (*own, dock.advanced.encoder, *dock.advanced.net.forms.values()):
        for editor in form._editors.values():
            if editor.widget.isVisible():
                lefts.add(editor.widget.mapTo(dock, editor.widget.rect().topLeft()).x())
    assert len(lefts) == 1
    for box in dock.advanced.findChildren(QComboBox):
        if box.isVisible():
            text = box.fontMetrics().horizontalAdvance(box.currentText())
            assert text < box.width() - 30, box.currentText()


def test_both_themes(dock: UNetDock, viewer: napari.Viewer) -> None:
    seen = set()
    for theme in ("dark", "light"):
        viewer.theme = theme
        seen.add(dock.train.plot.backgroundBrush().color().name())
    assert len(seen) == 2


def test_renamed_layers_keep_their_place(dock: UNetDock, viewer: napari.Viewer) -> None:
    viewer.layers["stack"].name = "other name"
    assert dock.image.choice.currentText() == "other name"
    dock.controller.on_preview(a_preview((60, 80), z=dock.controller.live.plane[1]))
    viewer.layers["U-Net preview"].name = "mine"
    assert "mine" not in [dock.annotate.choice.itemText(i) for i in range(dock.annotate.choice.count())]


def test_closing_the_dock_ends_the_engine(
    viewer: napari.Viewer, dock: UNetDock, engine: FakeEngine, qtbot: QtBot
) -> None:
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: engine.closed > 0)


def test_closing_while_busy_asks(dock: UNetDock, viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(type(dock._lifetime), "may_close", lambda _: bool(asked.append(1)))
    dock.controller.work.job = "train"

    event = QCloseEvent()
    monkeypatch.setattr(QCloseEvent, "spontaneous", lambda _: True)
    assert dock._lifetime.eventFilter(viewer.window._qt_window, event)
    assert asked == [1]
    assert not event.isAccepted()
    dock.controller.work.job = None
    assert not dock._lifetime.eventFilter(viewer.window._qt_window, QCloseEvent())
    assert asked == [1]


def test_the_manifest_opens_the_dock(make_napari_viewer: MakeViewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Engine", FakeEngine)
    viewer = make_napari_viewer()
    module.open_dock(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(widget, UNetDock)
    widget.shut_down()


def test_what_is_painted_is_counted_though_the_brush_never_rests(dock: UNetDock, viewer: napari.Viewer) -> None:
    dock.annotate.new_button.click()
    rest(400)
    layer, counted = viewer.layers["strokes"], []
    dock.controller.painter.painting.connect(lambda _: counted.append(time.monotonic()))
    began = last = time.monotonic()
    while last - began < 4.5:
        layer.paint((1, 20, 20), 1 + (layer.data[1, 20, 20] == 1))  # another value: something is painted
        rest(80)
        last = time.monotonic()
    moments = [began, *counted]
    assert len(counted) >= 2
    assert len(counted) < 10  # and not at every stroke
    assert max(b - a for a, b in pairwise(moments)) < 2.5


def test_after_stop_no_time_is_left(dock: UNetDock, viewer: napari.Viewer, engine: FakeEngine) -> None:
    paint(dock, viewer)
    dock.train.train_button.click()
    engine.state = "training"
    dock.controller.on_event(StepDone(3, 0.5, 0.25, 10.0, 30.0))
    assert dock.train.bar.format() == "step 3, 30 s left"
    dock.train.stop_button.click()
    assert dock.train.bar.format() == "stopping ..."
    dock.controller.on_event(StepDone(4, 0.5, 0.3, 11.0, 29.0))
    assert dock.train.bar.format() == "stopping ..."
    dock.controller.on_job_finished(result("train", "stopped"))
    assert dock.train.bar.format() == "4 steps in 11 s"
