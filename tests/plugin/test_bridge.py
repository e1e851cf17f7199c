"""From the engine's thread to the window's."""

from __future__ import annotations

import threading
from pathlib import Path

from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_unet.events import Note
from napari_unet.plugin.bridge import Bridge
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from plugin_tools import FakeEngine


def test_reports_arrive_in_order_in_the_thread_of_the_window(qtbot: QtBot, tmp_path: Path) -> None:
    engine = FakeEngine()
    controller = Controller(ViewerModel(), engine, Checkpoints(tmp_path))  # type: ignore[arg-type]
    bridge = Bridge(engine, controller)  # type: ignore[arg-type]
    arrived: list[tuple[str, int]] = []
    controller.happened.connect(lambda e: arrived.append((e.text, threading.get_ident())))

    def report() -> None:
        for n in range(50):
            engine.event.emit(Note(str(n)))

    thread = threading.Thread(target=report)
    thread.start()
    thread.join()
    assert arrived == []  # not in the other thread
    qtbot.waitUntil(lambda: len(arrived) == 50)
    assert arrived == [(str(n), threading.get_ident()) for n in range(50)]
    engine.event.emit(Note("late"))
    bridge.close()
    engine.event.emit(Note("later"))
    qtbot.wait(50)
    assert len(arrived) == 50
