"""ImageNet's weights are asked about, fetched beside the window, or taken from a file."""

from __future__ import annotations

import threading
from pathlib import Path

import napari
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QApplication,
    QMessageBox,
    QWidget,
)

from dock_tools import choose_recipe, paint
from napari_unet.plugin import dock as module
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.questions import ask_for_weights
from napari_unet.storage import weights
from plugin_tools import FakeEngine


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
