"""Strokes that are painted while the network learns change what it shows, in the real window; so does an undo."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from driving import OpenWindow, paint_like_a_person, stroke

pytestmark = pytest.mark.e2e
LONG = 240_000
"""Milliseconds; only reached if something hangs."""


def test_strokes_in_a_running_training_change_the_preview(open_window: OpenWindow, qtbot: QtBot) -> None:
    viewer, dock = open_window("nuclei-5")
    truth = viewer.layers["nuclei-5 truth"].data
    dock.advanced.train.setValue(dock.advanced.train.value().model_copy(update={"patch": (96, 96), "batch": 2}))
    dock.train.budget.endless.setChecked(True)
    dock.train.by_itself.setChecked(False)
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    qtbot.wait(300)
    paint_like_a_person(viewer, strokes, truth, objects=8)
    background = np.argwhere(strokes.data == 3)
    strokes.data = np.where(strokes.data == 3, 0, strokes.data)  # so far, cells and boundaries only
    seen = []
    dock.controller.engine.preview.connect(seen.append)
    dock.train.by_itself.setChecked(True)
    strokes.selected_label = 2
    boundary = np.argwhere(strokes.data == 2)[0]
    stroke(viewer, strokes, [tuple(boundary), tuple(boundary)])
    qtbot.waitUntil(lambda: dock.controller.job == "train", timeout=LONG)  # nobody has pressed Train
    qtbot.waitUntil(lambda: bool(seen), timeout=LONG)
    assert [c.name for c in seen[-1].classes] == ["cell", "boundary"]

    strokes.selected_label = 3  # by mouse, while it learns
    stroke(viewer, strokes, [tuple(background[0]), tuple(background[min(15, len(background) - 1)])])
    painted = strokes.data == 3
    assert painted.any()
    qtbot.waitUntil(lambda: len(seen[-1].classes) == 3, timeout=LONG)

    def share() -> float:
        return float((seen[-1].probabilities[:, painted].argmax(axis=0) == 2).mean())

    qtbot.waitUntil(lambda: share() > 0.5, timeout=LONG)
    assert dock.controller.job == "train"

    loop_known = dock.controller.trainer.feed._now
    assert loop_known is not None
    strokes.undo()
    qtbot.waitUntil(lambda: not (np.asarray(loop_known.known.data) == 3).any(), timeout=LONG)
    dock.train.stop_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    assert [c.name for c in dock.controller.engine.model.classes] == ["cell", "boundary", "background"]
    dock.shut_down()
