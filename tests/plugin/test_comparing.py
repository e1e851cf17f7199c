"""Before and after: what is shown, what it is called, and when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet.engine.client import Preview
from napari_unet.events import LEARNT_AGAIN, Note, StepDone
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.comparing import NOW
from napari_unet.plugin.controller import FLAT, Controller
from napari_unet.plugin.decide import Message
from napari_unet.plugin.notices import LEARNING
from napari_unet.plugin.preview import NAME, NAME_BEFORE
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.results import Store
from napari_unet.spec import TrainingSpec
from plugin_tools import CLASSES, MODEL, FakeEngine, a_block, a_preview, an_output, result


class Desk:
    """A training at work on a small stack."""

    def __init__(self, folder: Path) -> None:
        self.viewer = ViewerModel()
        self.viewer.add_image(np.zeros((3, 20, 30), np.uint8))
        self.engine = FakeEngine()
        self.controller = Controller(self.viewer, self.engine, Checkpoints(folder), Store())  # type: ignore[arg-type]
        self.said: list[Message] = []
        self.controller.work.said.connect(self.said.append)
        layer = self.controller.painter.new_layer()
        assert layer is not None
        self.strokes = layer
        layer.data[0, 1, :9], layer.data[0, 3, :9] = 1, 2

    def train(self) -> None:
        self.controller.trainer.train(TrainingSpec())
        self.controller.on_event(StepDone(1, 1.0, 0.1, 1.0, 9.0))
        self.now()

    def now(self) -> None:
        t, z = self.controller.live.plane
        self.controller.on_preview(a_preview((20, 30), t, z))

    def before(self) -> None:
        """The answer of the worker: all boundary."""
        t, z = self.controller.live.plane
        plane = a_preview((20, 30), boundary=255).probabilities
        self.controller.on_preview(Preview(t, z, plane, CLASSES, 0, before=True))

    @property
    def preview(self) -> Any:
        return self.controller.live.layer.layer


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.train()
    return made


def test_there_and_back(desk: Desk) -> None:
    steps = desk.engine.count("train")
    assert desk.preview.name == NAME
    assert (desk.preview.data == 1).all()
    desk.controller.comparison.toggle()
    assert desk.engine.last("set_view")["before"] is True
    assert not desk.preview.data.any()  # nothing wrong is shown under this name meanwhile
    assert desk.preview.name == NAME_BEFORE
    assert not desk.strokes.visible
    assert "before the last training" in desk.said[-1].text
    desk.now()  # was on its way
    assert not desk.preview.data.any()
    desk.before()
    assert (desk.preview.data == 2).all()
    desk.controller.taking.take_cell((0, 5, 5))
    assert "go back" in desk.said[-1].text
    desk.viewer.dims.set_current_step(0, 0)
    asked = desk.engine.last("set_view")
    assert asked["args"] == (0, 0, desk.controller.selection.image)
    assert asked["before"] is True
    desk.controller.comparison.toggle()
    assert desk.engine.last("set_view")["before"] is False
    desk.before()
    assert not desk.preview.data.any()
    desk.now()
    assert (desk.preview.data == 1).all()
    assert desk.preview.name == NAME
    assert desk.strokes.visible
    assert desk.engine.count("train") == steps
    assert desk.controller.job == "train"


def test_the_colours_are_those_of_the_annotation_and_the_slider_is_followed(desk: Desk) -> None:
    for value, item in enumerate(CLASSES, start=1):
        np.testing.assert_array_equal(
            desk.preview.colormap.map(value), desk.strokes.colormap.map(value), item.name
        )
    desk.controller.live.layer.set_opacity(0.7)
    assert desk.preview.opacity == 0.7
    for z in (2, 1):
        desk.viewer.dims.set_current_step(0, z)
        assert desk.engine.last("set_view")["args"][:2] == (0, z)
        assert not desk.preview.data.any()  # that of another slice is never shown
        desk.now()
        assert (desk.preview.data == 1).all()
    desk.controller.live.switch(False)
    assert not desk.preview.visible


def test_without_a_training_there_is_no_before(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    told: list[bool] = []
    desk.controller.live.compared.connect(told.append)
    desk.controller.comparison.toggle()
    assert told == [False]  # so that the button comes up again
    assert desk.said[-1].kind == "warning"
    assert not desk.controller.live.before


def test_a_preview_that_was_off_is_off_again(desk: Desk) -> None:
    desk.controller.live.switch(False)
    desk.controller.comparison.toggle()
    assert desk.controller.live.on
    desk.controller.comparison.toggle()
    assert not desk.controller.live.on
    desk.controller.comparison.toggle()
    desk.controller.live.switch(False)  # by W
    assert not desk.controller.live.before
    assert desk.strokes.visible


def test_the_map_of_how_unsure_the_network_is_is_that_of_now(desk: Desk) -> None:
    desk.controller.live.switch_unsure(True)
    desk.controller.taking.take_cell((0, 5, 5))
    assert "'Unsure' off" in desk.said[-1].text
    desk.controller.comparison.toggle()
    assert not desk.controller.live.unsure_on
    desk.before()
    assert (desk.preview.data == 2).all()
    desk.controller.live.switch_unsure(True)
    assert not desk.controller.live.before
    desk.controller.live.switch_unsure(False)
    desk.now()
    assert (desk.preview.data == 1).all()


def test_results_give_way_and_come_back(desk: Desk) -> None:
    desk.engine.model = MODEL
    desk.controller.on_job_finished(result("train"))
    desk.controller.segment(SegmentRequest("slice", ("cells",)))
    desk.controller.on_outputs((an_output("cells", (3, 20, 30), "int32"),))
    desk.controller.on_block(a_block("cells", (0, slice(0, 20), slice(0, 30)), np.ones((20, 30), np.int32)))
    desk.controller.on_job_finished(result("predict"))
    desk.controller.comparison.toggle()
    assert not desk.viewer.layers["cells"].visible
    assert desk.preview.visible
    desk.controller.comparison.toggle()
    assert desk.viewer.layers["cells"].visible
    assert not desk.preview.visible


@pytest.mark.parametrize("end", ["train", "segment", "load", "died"])
def test_what_begins_anew_shows_now(desk: Desk, end: str) -> None:
    desk.engine.model = MODEL
    desk.controller.on_job_finished(result("train"))
    desk.controller.comparison.toggle()
    desk.before()
    assert desk.controller.live.before
    if end == "train":
        desk.controller.trainer.train(TrainingSpec())
    elif end == "segment":
        desk.controller.segment(SegmentRequest("slice", ("cells",)))
    elif end == "load":
        desk.controller.on_job_finished(result("load", path=Path("m")))
    else:
        desk.controller.on_died("The engine has ended.")
    assert not desk.controller.live.before
    assert desk.strokes.visible
    assert desk.engine.last("set_view").get("before", False) is False
    assert desk.controller.comparison.possible is (end in ("train", "segment"))


def test_the_brush_rests_and_is_given_back_as_it_was(desk: Desk) -> None:
    desk.strokes.mode, desk.strokes.brush_size, desk.strokes.selected_label = "erase", 7, 2
    desk.controller.comparison.toggle()
    assert "Strokes and results are hidden, and the brush rests" in desk.said[-1].text
    assert (desk.strokes.visible, str(desk.strokes.mode)) == (False, "pan_zoom")
    desk.controller.comparison.toggle()
    assert "strokes, results and brush are back" in desk.said[-1].text
    assert (desk.strokes.visible, str(desk.strokes.mode)) == (True, "erase")
    assert (desk.strokes.brush_size, desk.strokes.selected_label) == (7, 2)
    assert desk.viewer.layers.selection.active is desk.strokes


def test_it_is_told_when_before_is_left_by_another_way(desk: Desk) -> None:
    desk.train()
    desk.controller.comparison.toggle()
    desk.before()
    assert "from before" in desk.said[-1].text
    desk.controller.live.switch_unsure(True)
    assert desk.said[-1].text == NOW
    said = len(desk.said)
    desk.controller.live.switch_unsure(False)
    assert len(desk.said) == said


def test_the_view_in_3d_has_no_preview_and_that_is_told_once(desk: Desk) -> None:
    desk.train()
    desk.viewer.dims.ndisplay = 3
    assert [m.text for m in desk.said].count(FLAT) == 1
    desk.viewer.dims.set_current_step(0, 2)
    assert [m.text for m in desk.said].count(FLAT) == 1
    desk.viewer.dims.ndisplay = 2
    desk.now()
    assert desk.preview.visible


def test_another_annotation_is_not_learnt_while_a_training_runs_and_that_is_told(desk: Desk) -> None:
    desk.train()
    other = desk.controller.painter.new_layer()
    assert other is not None
    assert desk.said[-1].kind == "warning"
    assert desk.said[-1].text.startswith(f"The training learns from '{desk.strokes.name}'. What is painted in")
    desk.controller.selection.choose_labels(desk.strokes)
    assert desk.said[-1].text == LEARNING
    desk.controller.on_event(Note("what was painted last is not learnt: no", warning=True))
    desk.controller.on_event(Note(LEARNT_AGAIN))
    assert desk.said[-1] == Message(LEARNING)
