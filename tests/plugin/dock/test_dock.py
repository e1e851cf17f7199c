"""The dock in a real napari window: what it shows of image, strokes and training, and how it ends."""

from __future__ import annotations

import subprocess
import sys

import napari
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QScrollArea

from dock_tools import MakeViewer, paint
from napari_unet.events import StepDone
from napari_unet.plugin import dock as module
from napari_unet.plugin.dock import UNetDock
from plugin_tools import MODEL, FakeEngine, a_preview, result


def test_the_dock_loads_no_torch() -> None:
    code = (
        "import sys, napari_unet.plugin.dock, napari_unet.plugin.samples;"
        "banned = ('torch', 'napari_unet.jobs', 'napari_unet.learn', 'napari_unet.nets');"
        "print([m for m in banned if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_manifest_opens_the_dock(make_napari_viewer: MakeViewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Engine", FakeEngine)
    viewer = make_napari_viewer()
    module.open_dock(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(widget, UNetDock)
    widget.shut_down()


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


def test_nothing_chosen_to_segment(dock: UNetDock, engine: FakeEngine) -> None:
    engine.model = MODEL
    dock.controller.update()
    for box in dock.segment._boxes.values():
        box.setChecked(False)
    dock.segment.segment_button.click()
    assert "at least one layer" in dock.status.text.text()
    assert engine.count("predict") == 0


def test_renamed_layers_keep_their_place(dock: UNetDock, viewer: napari.Viewer) -> None:
    viewer.layers["stack"].name = "other name"
    assert dock.image.choice.currentText() == "other name"
    dock.controller.on_preview(a_preview((60, 80), z=dock.controller.live.plane[1]))
    viewer.layers["U-Net preview"].name = "mine"
    assert "mine" not in [dock.annotate.choice.itemText(i) for i in range(dock.annotate.choice.count())]


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


def test_the_dock_is_never_narrower_than_what_it_holds(dock: UNetDock) -> None:
    dock.show()
    area = dock.findChildren(QScrollArea)[0]
    inside = area.widget()
    assert inside is not None
    bar = area.verticalScrollBar()
    assert bar is not None
    before = dock.minimumSizeHint().width()
    assert before >= inside.minimumSizeHint().width() + bar.sizeHint().width()
    dock.train.train_button.setMinimumWidth(500)
    QApplication.processEvents()
    assert dock.minimumSizeHint().width() >= inside.minimumSizeHint().width() + bar.sizeHint().width() > before
    assert dock.sizeHint().width() >= dock.minimumSizeHint().width()
