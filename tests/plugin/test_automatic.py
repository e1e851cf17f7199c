"""Trainings start by themselves once there is enough, go on with new strokes, and not after a Stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_unet.plugin import annotation
from napari_unet.plugin.sections.train import more_of
from napari_unet.spec import TargetSpec, TrainingSpec, TrainSpec, UNetSpec, VGG16UNetSpec
from plugin_tools import MODEL, Desk, result

SPEC = TrainingSpec()
FURTHER = SPEC.model_copy(update={"train": more_of(SPEC.train, 60, 100)})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.controller.painter.new_layer()
    return made


def stroke(desk: Desk, value: int, row: int, length: int = 40) -> None:
    layer = desk.controller.selection.labels_layer
    assert layer is not None
    places = np.zeros(length, int), np.full(length, row), np.arange(length)
    layer.data_setitem(places, value)


def rest(desk: Desk, spec: TrainingSpec = SPEC, further: TrainingSpec = FURTHER) -> bool:
    """What the window does when the brush has rested; tells whether a training began."""
    before = desk.engine.count("train")
    trainer = desk.controller.trainer
    if trainer.due:
        trainer.start_by_itself(spec, further)
    return desk.engine.count("train") > before


def end(desk: Desk, outcome: str = "finished") -> None:
    """A training that has saved its model."""
    path = desk.save_checkpoint()
    desk.engine.model = MODEL
    desk.controller.on_job_finished(result("train", outcome, path=path))


def test_two_classes_and_more_than_a_touch_start_it(desk: Desk) -> None:
    painted = []
    desk.controller.painter.edits.stroke.connect(lambda: painted.append(True))
    stroke(desk, 1, 3)
    assert not rest(desk)
    stroke(desk, 2, 5, length=10)
    assert not rest(desk)
    stroke(desk, 2, 5)
    assert len(painted) >= 3
    assert rest(desk)
    assert not desk.engine.last("train")["resume"]
    stroke(desk, 1, 9)
    assert not rest(desk), "one is running"


def test_new_strokes_let_it_go_on(desk: Desk) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)
    end(desk)
    desk.controller.selection.labels_layer.refresh()
    assert not rest(desk), "nothing new is painted"
    stroke(desk, 1, 9)
    assert rest(desk)
    assert desk.engine.last("train")["resume"]
    assert desk.engine.last("train")["args"][2] == FURTHER


def test_other_layers_or_another_network_begin_anew(desk: Desk) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)
    end(desk)
    narrow = SPEC.model_copy(update={"net": UNetSpec(base=4)})
    stroke(desk, 1, 9)
    assert rest(desk, narrow, narrow)
    assert not desk.engine.last("train")["resume"]
    end(desk)
    desk.controller.painter.new_layer()
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)
    assert not desk.engine.last("train")["resume"]


@pytest.mark.parametrize("outcome", ["stopped", "failed", "died"])
def test_after_a_stop_or_a_failure_it_waits_for_a_press(desk: Desk, outcome: str) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)
    end(desk, outcome)
    stroke(desk, 1, 9)
    assert not rest(desk)
    desk.controller.trainer.train(SPEC)
    end(desk)
    stroke(desk, 1, 11)
    assert rest(desk)


def test_after_a_stop_another_annotation_waits_as_well_but_not_another_image(desk: Desk) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)
    end(desk, "stopped")
    desk.controller.painter.new_layer()
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert not rest(desk)
    desk.viewer.add_image(np.zeros((3, 20, 60), np.uint8), name="another")
    desk.controller.selection.choose_image(desk.viewer.layers["another"])
    desk.controller.painter.new_layer()
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)


def test_it_can_be_switched_off_and_waits_for_whole_cells(desk: Desk) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    desk.controller.trainer.automatic.on = False
    assert not rest(desk)
    desk.controller.trainer.automatic.on = True
    desk.controller.painter.set_target(TargetSpec(style="cells", background_value=2))
    assert not rest(desk), "one cell, and background"
    stroke(desk, 3, 7)
    assert rest(desk)


def test_what_does_not_fit_is_never_started(desk: Desk) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 7, 5)
    assert not rest(desk), "7 is no class"
    desk.controller.selection.choose_image(None)
    stroke(desk, 2, 5)
    assert not rest(desk)


def test_layers_that_are_chosen_start_nothing_until_they_are_painted_on(desk: Desk) -> None:
    truth = np.zeros((4, 40, 50), np.uint8)
    truth[:, :10], truth[:, 12:14] = 1, 2
    layer = desk.viewer.add_labels(truth)
    desk.controller.painter.choose(layer)
    assert not rest(desk)
    desk.viewer.dims.set_current_step(0, 3)
    layer.refresh()
    assert not rest(desk)
    stroke(desk, 1, 20)
    assert rest(desk)


def test_moving_a_slider_is_no_stroke(desk: Desk) -> None:
    strokes = []
    desk.controller.painter.edits.stroke.connect(lambda: strokes.append(1))
    desk.viewer.dims.set_current_step(0, 2)
    desk.controller.selection.labels_layer.refresh()
    assert strokes == []
    desk.controller.selection.labels_layer.paint((2, 20, 20), 1)
    assert strokes


def test_strokes_that_came_too_late_for_a_training_start_the_next(desk: Desk) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)
    stroke(desk, 1, 9)  # not fed yet
    end(desk)
    assert rest(desk)
    assert desk.engine.last("train")["resume"]


def test_annotation_that_is_only_counted_where_it_is_seen_starts_it_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotation, "COUNT_WHOLE", 10)
    desk.viewer.dims.set_current_step(0, 0)
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    assert rest(desk)


def test_what_cannot_be_started_is_said_once(desk: Desk) -> None:
    stroke(desk, 1, 3)
    stroke(desk, 2, 5)
    narrow = SPEC.model_copy(
        update={"net": VGG16UNetSpec(base=8), "train": TrainSpec(encoder_weights="imagenet", seconds=5)}
    )
    assert not rest(desk, narrow, narrow)
    assert desk.messages[-1].kind == "error"
    stroke(desk, 1, 7)
    assert not rest(desk)
