"""Trainings: what the engine is given, what is refused before, what is said of the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_unet.engine.client import ModelInfo
from napari_unet.events import StepDone
from napari_unet.plugin import annotation
from napari_unet.plugin.notices import BY_ITSELF, PAINT, PRESS, WELCOME
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.spec import (
    BOUNDARY,
    CELL,
    TargetSpec,
    TrainingSpec,
    UNetSpec,
)
from plugin_tools import MODEL, Desk, result


def test_training_gets_a_snapshot_and_the_plane_in_view(desk: Desk) -> None:
    desk.paint()
    desk.viewer.dims.set_current_step(0, 2)
    desk.controller.trainer.train(TrainingSpec())
    given = desk.engine.last("train")
    image, labels, _, autosave = given["args"]
    assert given["view"] == (0, 2)
    assert image.data is desk.image.data
    assert labels.data is not desk.viewer.layers["strokes"].data
    assert autosave.parent.is_dir()
    assert desk.states[-1].stop
    assert not desk.states[-1].train


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: None, "no annotation layer"),
        (lambda d: d.controller.painter.new_layer(), "paint some strokes"),
        (
            lambda d: (
                d.paint(),
                d.viewer.layers["strokes"].data.__setitem__(d.viewer.layers["strokes"].data == 2, 1),
            ),
            r"only one class is painted \(cell\)",
        ),
        (lambda d: (d.paint(), setattr(d.viewer.layers["strokes"], "scale", (3, 1, 1))), "scale"),
        (lambda d: (d.paint(), d.viewer.layers["strokes"].data.__setitem__(0, 9)), "value 9"),
        (lambda d: d.controller.painter.choose(d.viewer.add_labels(np.ones((40, 50), np.uint8))), r"\(40, 50\)"),
        (lambda d: d.controller.selection.set_axes("YXS"), "colours"),
        (lambda d: d.viewer.layers.remove(d.image), "Open an image"),
    ],
)
def test_bad_input_is_refused_before_any_work(desk: Desk, spoil: object, words: str) -> None:
    spoil(desk)  # type: ignore[operator]
    desk.controller.trainer.train(TrainingSpec())
    assert desk.engine.count("train") == 0
    assert desk.messages[-1].kind == "error"
    import re

    assert re.search(words, desk.said), desk.said
    assert "\n" not in desk.said


@pytest.mark.parametrize("kind", ["dask", "zarr", "large"])
def test_labels_that_are_not_counted_whole_are_left_to_the_engine(
    desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other class lies in a slice that was never in view."""
    labels = np.zeros((4, 40, 50), np.uint8)
    labels[desk.controller.live.plane[1], :5] = 1
    labels[0, :5] = 2
    monkeypatch.setattr(annotation, "COUNT_WHOLE", 10 if kind == "large" else annotation.COUNT_WHOLE)
    lazy = {"dask": da.from_array, "zarr": zarr.array, "large": np.asarray}[kind](labels)
    place = {"scale": desk.image.scale, "translate": desk.image.translate}
    desk.controller.painter.choose(desk.viewer.add_labels(lazy, **place))
    desk.controller.trainer.train(TrainingSpec())
    assert desk.engine.count("train") == 1, desk.said


def test_layers_deleted_while_training_are_told_once(desk: Desk) -> None:
    waiting: list[Callable[[], None]] = []
    desk.controller.later = waiting.append
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.viewer.layers.clear()
    for action in waiting:
        action()
    text = "'strokes' and 'stack' were deleted. The training goes on with its own copy; Stop ends it."
    assert [m.text for m in desk.messages if "deleted" in m.text] == [text]
    assert desk.said == text


def test_sentences_about_another_choice_do_not_stay(desk: Desk) -> None:
    desk.controller.trainer.train(TrainingSpec())
    assert "no annotation layer" in desk.said
    desk.paint()
    assert desk.said == PAINT + BY_ITSELF
    desk.controller.selection.set_axes("YXS")
    assert "colours" in desk.said
    desk.controller.selection.set_axes("ZYX")
    assert desk.said == PAINT + BY_ITSELF
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=UNetSpec(in_channels=2))
    desk.controller.segment(SegmentRequest("slice", ("cells",)))
    assert "needs 2 channels" in desk.said
    desk.controller.selection.choose_image(desk.viewer.add_image(np.zeros((2, 40, 50)), name="other"))
    assert desk.said.startswith("'other' is chosen")
    desk.viewer.layers.clear()
    assert "Open an image" in desk.said


@pytest.mark.parametrize(("outcome", "began"), [("finished", "Trained"), ("stopped", "Stopped after")])
def test_the_end_of_a_training_tells_which_step_is_used(desk: Desk, outcome: str, began: str) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    path = desk.save_checkpoint()
    facts = {"steps": 150, "used_step": 120, "history": [{"step": 120, "held_out": 0.4}]}
    desk.engine.model = MODEL.model_copy(update={"description": facts})
    desk.controller.on_event(StepDone(150, 0.5, 1.0, 30.0, 0.0))
    desk.controller.on_job_finished(result("train", outcome, path=path))
    assert desk.said.startswith(f"{began} 150 steps; the model of step 120 scored best")
    desk.controller.trainer.train(TrainingSpec())
    desk.controller.on_job_finished(result("train", "stopped"))  # while reading: nothing was learnt
    assert desk.said.startswith("Stopped before anything was learnt")


def test_a_folder_that_cannot_be_made_is_told(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    desk.controller.trainer.checkpoints.folder = tmp_path / "file" / "trainings"
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    assert desk.messages[-1].kind == "error"
    assert "cannot make the folder" in desk.said
    assert desk.engine.count("train") == 0


def test_labels_with_many_values_keep_the_other_options(desk: Desk) -> None:
    desk.controller.painter.set_target(TargetSpec(weight_map=True, rim=3))
    told = []
    desk.controller.painter.target_changed.connect(told.append)
    place = {"scale": desk.image.scale, "translate": desk.image.translate}
    desk.controller.painter.choose(desk.viewer.add_labels(np.full((4, 40, 50), 9), **place))
    assert told == [TargetSpec(style="cells", weight_map=True, rim=3)]


def test_stop_and_pause(desk: Desk) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.engine.state = "training"
    desk.controller.trainer.pause_or_resume()
    assert desk.engine.count("pause") == 1
    desk.engine.state = "paused"
    desk.controller.on_state_changed("paused")
    assert desk.states[-1].pause_text == "Resume"
    desk.controller.trainer.pause_or_resume()
    assert desk.engine.count("resume") == 1
    desk.controller.stop()
    desk.controller.stop()
    assert desk.engine.count("stop") == 1
    assert desk.states[-1].stop_text == "Stopping ..."


def test_cells_style_goes_to_the_engine(desk: Desk) -> None:
    target = TargetSpec(style="cells", dense=True)
    desk.controller.painter.set_target(target)
    layer = desk.controller.painter.new_layer()
    assert layer is not None
    layer.data[0, :10, :10] = 4
    desk.controller.trainer.train(TrainingSpec(target=target))
    assert desk.engine.last("train")["args"][2].target == target


def test_the_hint_says_how_a_training_starts(desk: Desk) -> None:
    desk.paint()
    assert desk.said == PAINT + BY_ITSELF
    desk.controller.trainer.automatic.on = False
    desk.controller.selection.set_axes("CYX")
    assert desk.said == PAINT + PRESS
    desk.controller.selection.choose_labels(None)
    assert desk.said == WELCOME + PRESS
