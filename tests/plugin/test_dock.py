"""The dock in a real napari window, with an engine that does nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLabel, QSlider, QSpinBox

from napari_unet.events import CheckDone, StepDone
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.dock import UNetDock
from plugin_tools import MODEL, FakeEngine, a_preview

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
    qtbot.waitUntil(lambda: dock.annotate.missing.text() == "Ready to train.")
    viewer.add_image(np.zeros((30, 30)), name="other")
    dock.controller.selection.choose_image(viewer.layers["other"])
    qtbot.waitUntil(lambda: "needs labels of shape (30, 30)" in dock.annotate.missing.text())
    dock.controller.selection.choose_image(viewer.layers["stack"])
    qtbot.waitUntil(lambda: dock.annotate.missing.text() == "Ready to train.")
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
    assert dock.train.scores.text() == "Held out: cell 0.50 · boundary n/a"


def test_going_on_scores_as_often_as_before(dock: UNetDock) -> None:
    """The number of checks is that of the whole time, of which a part is over."""
    dock.train.budget.seconds.setValue(150)
    dock.controller.on_event(StepDone(1000, 0.5, 1.0, 600.0, 0.0))
    first, more = dock.training_spec().train, dock.training_spec(more=True).train
    assert (first.seconds, first.checks) == (150, 10)
    assert (more.seconds, more.checks) == (750, 50)


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


def test_every_control_has_a_tooltip_and_takes_the_focus(dock: UNetDock) -> None:
    kinds: tuple[Any, ...] = (QAbstractButton, QComboBox, QSlider, QSpinBox)
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


def test_the_window_says_where_trainings_are_kept(dock: UNetDock, tmp_path: Path) -> None:
    tip = dock.model.save_button.toolTip()
    assert str(tmp_path) in tip
    assert "last 5 trainings" in tip


def needed_by(label: QLabel) -> QRect:
    """The room that a label's lines take."""
    width, flags = label.contentsRect().width(), Qt.TextFlag.TextWordWrap
    return label.fontMetrics().boundingRect(0, 0, width, 9999, flags, QLabel.text(label))


@pytest.mark.parametrize("size", [(1280, 800), (1366, 768)])
def test_nothing_is_cut_at_the_side_of_a_small_screen(
    dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot, size: tuple[int, int]
) -> None:
    viewer.window._qt_window.resize(*size)
    form = dock.annotate.form
    form.style_box.setCurrentIndex(1)
    form.background.setValue(999_999)
    path = "/home/me/.cache/napari-unet-live/trainings/training-20261121-084455-123456-12345.resume.safetensors"
    dock.controller.say(f"{path} belongs to a training with another network.", "error")
    dock.model.show_model(path)
    qtbot.wait(100)
    box = form.background
    assert box.fontMetrics().horizontalAdvance(box.text()) < box.lineEdit().width()
    assert form.unpainted.width() >= form.unpainted.sizeHint().width()
    for label in (dock.status.text, dock.model.text):
        assert path in label.text()
        needed, room = needed_by(label), label.contentsRect()
        assert needed.width() <= room.width()
        qtbot.waitUntil(lambda label=label, needed=needed: needed.height() <= label.contentsRect().height())


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
    dock.controller.job = "train"

    event = QCloseEvent()
    monkeypatch.setattr(QCloseEvent, "spontaneous", lambda _: True)
    assert dock._lifetime.eventFilter(viewer.window._qt_window, event)
    assert asked == [1]
    assert not event.isAccepted()
    dock.controller.job = None
    assert not dock._lifetime.eventFilter(viewer.window._qt_window, QCloseEvent())
    assert asked == [1]


def test_the_manifest_opens_the_dock(make_napari_viewer: MakeViewer, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_unet.plugin import dock as module

    monkeypatch.setattr(module, "Engine", FakeEngine)
    viewer = make_napari_viewer()
    module.open_dock(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(widget, UNetDock)
    widget.shut_down()
