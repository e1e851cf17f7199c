"""Cancelled segmentations that are gone on with, and those that are not."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet.arrays.region import Region
from napari_unet.engine.client import ModelInfo
from napari_unet.events import BlockDone, CellsDone, Note, TileDone
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.decide import Message, Shown
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.results import Store, Wanted
from napari_unet.plugin.saving import SaveEnd
from napari_unet.spec import BOUNDARY, CELL, CellSpec, NetSpec, TilingSpec, UNet3DSpec, UNetSpec
from plugin_tools import MODEL, FakeEngine, a_block, an_output, result

STACK = SegmentRequest("stack", ("cells",))
SHAPE = (4, 40, 50)


class Desk:
    """A controller with a model and a small stack; results are on disk."""

    def __init__(self, folder: Path) -> None:
        self.viewer, self.engine = ViewerModel(), FakeEngine()
        self.engine.model = MODEL
        self.engine.state = "predicting"
        self.image = self.viewer.add_image(np.zeros(SHAPE, np.uint8), name="stack", scale=(2, 1, 1))
        self.controller = Controller(self.viewer, self.engine, Checkpoints(folder), Store(1, 1))  # type: ignore[arg-type]
        self.messages: list[Message] = []
        self.states: list[Shown] = []
        self.controller.work.said.connect(self.messages.append)
        self.controller.shown.connect(self.states.append)

    def press(self, request: SegmentRequest = STACK) -> tuple[Region, ...]:
        """Press Segment; returns the blocks that the engine is told to leave out."""
        self.controller.want(request)
        self.controller.segment(request)
        self.controller.on_outputs((an_output("cells", SHAPE, "int32"),))
        return tuple(self.engine.last("predict")["done"])

    def compute(self, *planes: int, value: int = 7) -> None:
        for done, z in enumerate(planes, start=1):
            at = (z, slice(0, 40), slice(0, 50))
            self.controller.on_event(TileDone(done, 4, 1.0, 1.0, (0, z)))
            self.controller.on_block(a_block("cells", at, np.full((40, 50), value, np.int32)))
            self.controller.on_event(CellsDone(done, 4, 10))
            self.controller.on_event(BlockDone(z, done, 4, ((0, 1), (z, z + 1), (0, 40), (0, 50))))

    def end(self, outcome: str = "stopped") -> None:
        self.controller.on_job_finished(result("predict", outcome))

    @property
    def said(self) -> str:
        return self.messages[-1].text

    @property
    def button(self) -> str:
        return self.states[-1].segment_text

    def planes(self, name: str = "cells") -> list[int]:
        return [int(np.asarray(p).max()) for p in self.viewer.layers[name].data]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("outcome", ["stopped", "died", "failed"])
def test_going_on_makes_what_is_missing_in_the_same_layers(desk: Desk, outcome: str) -> None:
    assert desk.press() == ()
    desk.compute(0, 2)
    assert desk.button == "Segment"
    desk.end(outcome)
    assert desk.button == "Go on"
    done = desk.press()
    assert [r.z for r in done] == [(0, 1), (2, 3)]
    assert desk.messages[-1].text.startswith("Going on with 4 slices of 40 x 50 pixels.")
    desk.compute(1, 3, value=8)
    desk.end("finished")
    assert desk.planes() == [7, 8, 7, 8]
    assert "40 cells" in desk.messages[-1].text
    assert desk.button == "Segment"
    assert [x.name for x in desk.viewer.layers] == ["stack", "cells"]
    assert desk.press() == ()


def test_cells_of_blocks_that_were_not_finished_are_counted_once(desk: Desk) -> None:
    desk.press()
    desk.compute(0)
    desk.controller.on_event(CellsDone(2, 4, 10))
    desk.end()
    desk.press()
    desk.compute(1, 2, 3)
    desk.end("finished")
    assert "40 cells" in desk.messages[-1].text


def _train(desk: Desk) -> None:
    desk.controller.work.job = "train"
    desk.controller.on_job_finished(result("train"))


@pytest.mark.parametrize(
    "change",
    [
        _train,
        lambda d: d.controller.want(SegmentRequest("stack", ("cells",), CellSpec(beta=0.3))),
        lambda d: d.controller.want(SegmentRequest("stack", ("cells",), tiling=TilingSpec(tile=64))),
        lambda d: d.controller.want(SegmentRequest("stack", ("cells", "boundaries"))),
        lambda d: d.controller.want(SegmentRequest("stack", ("cells",), z=(0, 2))),
        lambda d: d.controller.want(SegmentRequest("slice", ("cells",))),
        lambda d: d.viewer.layers["cells"].paint((1, 5, 5), 3),
        lambda d: d.viewer.layers["cells"].fill((1, 5, 5), 3),
        lambda d: setattr(d.viewer.layers["cells"], "data", np.zeros(SHAPE, int)),
        lambda d: d.viewer.layers.remove("cells"),
        lambda d: d.controller.selection.choose_image(d.viewer.add_image(np.zeros(SHAPE), scale=(2, 1, 1))),
        lambda d: d.controller.selection.set_axes("TYX"),
    ],
    ids=[
        "model",
        "cells",
        "tile",
        "outputs",
        "range",
        "slice",
        "brush",
        "fill",
        "data",
        "removed",
        "image",
        "axes",
    ],
)
def test_whatever_has_changed_starts_anew(desk: Desk, change: Callable[[Desk], None]) -> None:
    desk.press()
    desk.compute(0)
    desk.end()
    assert desk.button == "Go on"
    change(desk)
    assert desk.button == "Segment"
    request = desk.controller._wanted
    assert request is not None
    assert desk.press(request) == ()


def test_a_move_to_another_slice_is_another_slice(desk: Desk) -> None:
    request = SegmentRequest("slice", ("cells",))
    desk.press(request)
    desk.end()
    assert desk.button == "Go on"
    desk.viewer.dims.set_current_step(0, 0)
    assert desk.button == "Segment"
    desk.viewer.dims.set_current_step(0, 2)
    desk.viewer.dims.set_current_step(0, 1)
    assert desk.button == "Go on"


def test_the_slice_in_view_is_made_first(desk: Desk) -> None:
    desk.viewer.dims.set_current_step(0, 3)
    desk.press()
    assert desk.engine.last("predict")["view"] == (0, 3)
    desk.compute(3)
    desk.end()
    desk.viewer.dims.set_current_step(0, 1)
    assert [r.z for r in desk.press()] == [(3, 4)]
    assert desk.engine.last("predict")["view"] == (0, 1)


def test_refused_before_there_are_layers_is_no_beginning(desk: Desk) -> None:
    desk.press()
    desk.compute(0, 1, 2, 3)
    desk.end("finished")
    other = SegmentRequest("stack", ("cells",), tiling=TilingSpec(tile=70))
    desk.controller.want(other)
    desk.controller.segment(other)
    desk.end("failed")
    assert desk.button == "Segment"


def test_a_full_disk_is_told_and_what_was_written_before_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.press()
    desk.compute(0)
    results = desk.controller.segmenting.results
    assert results is not None

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results, "write", full)
    desk.compute(1, 2)
    assert desk.engine.count("stop") == 1
    desk.end()
    assert desk.messages[-1].kind == "error"
    assert "disk is full" in desk.messages[-1].text
    assert "Go on" in desk.messages[-1].text
    monkeypatch.undo()
    assert [r.z for r in desk.press()] == [(0, 1)]


def test_results_that_do_not_fit_are_refused_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    desk.press()
    assert desk.engine.count("stop") == 1
    desk.end()
    assert "10 bytes free" in desk.messages[-1].text


def test_where_it_is_and_what_was_noted(desk: Desk) -> None:
    desk.press(SegmentRequest("stack", ("cells",), tiling=TilingSpec(halo="auto")))
    assert desk.messages[-1].text.startswith("Segmenting 4 slices of 40 x 50 pixels.")
    desk.controller.on_event(Note("no GPU found: computing on the CPU"))
    desk.controller.on_event(Note("a halo of 16 does"))
    assert desk.messages[-1].text.endswith("No GPU found: computing on the CPU. A halo of 16 does.")
    desk.controller.on_event(Note("out of memory: going on with smaller tiles", warning=True))
    assert desk.messages[-1] == Message("out of memory: going on with smaller tiles", "warning")
    desk.compute(0, 1)
    assert desk.states[-1].activity == "Segmenting z 1: tile 2 of 4, 10 cells so far"
    desk.compute(2, 3)
    desk.end("finished")
    assert desk.messages[-1] == Message(
        "Segmented: 40 cells in 4 slices, each on its own. A halo of 16 does.", "good"
    )


def test_a_model_that_is_read_again_after_the_engine_died_gives_the_classes(desk: Desk) -> None:
    desk.engine.model = None
    desk.controller.model.path = Path("mine.safetensors")
    desk.controller.segment(STACK)
    assert desk.engine.last("predict")["model"] == Path("mine.safetensors")
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=UNetSpec())  # comes with the outputs
    desk.controller.on_outputs((an_output("cells", SHAPE, "int32"),))
    assert "cells" in desk.viewer.layers


def test_a_rectangle_beside_the_last_one_joins_it_and_one_across_it_does_not(desk: Desk) -> None:
    def rectangle(*corners: list[int]) -> None:
        desk.viewer.add_shapes([np.array(corners)], shape_type="rectangle")
        desk.press(SegmentRequest("rectangle", ("cells",)))
        desk.end("finished")

    rectangle([0, 0], [10, 10])
    rectangle([20, 20], [30, 30])
    assert [x.name for x in desk.viewer.layers if "cells" in x.name] == ["cells"]
    rectangle([25, 25], [35, 35])
    assert [x.name for x in desk.viewer.layers if "cells" in x.name] == ["cells", "cells [1]"]
    rectangle([20, 20], [39, 39])
    assert "cells [2]" not in desk.viewer.layers


def test_brush_fill_and_undo_on_disk(desk: Desk) -> None:
    desk.press()
    desk.compute(0, 1, 2, 3)
    desk.end("finished")
    layer = desk.viewer.layers["cells"]
    assert type(layer.data).__module__.startswith("zarr")
    layer.brush_size = 3
    layer.paint((1, 5, 5), 9)
    assert layer.data[1, 5, 5] == 9
    layer.fill((2, 5, 5), 4)
    assert (layer.data[2] == 4).all()
    layer.undo()
    assert (layer.data[2] == 7).all()
    layer.undo()
    assert (layer.data[:] == 7).all()
    layer.redo()
    assert layer.data[1, 5, 5] == 9


def cancelled(desk: Desk, *planes: int) -> None:
    """Begin with the stack, and cancel."""
    desk.press()
    desk.compute(*planes)
    desk.end()


def test_a_stroke_begins_anew_and_undo_brings_go_on_back(desk: Desk) -> None:
    cancelled(desk, 0, 2)
    layer = desk.viewer.layers["cells"]
    assert desk.said == "Cancelled: 2 of 4 slices are in the layers; Go on (under Segment) makes the rest."
    layer.paint((0, 5, 5), 3)
    assert desk.button == "Segment"
    assert desk.said == (
        "2 of 4 slices are in the layers; 'cells' was edited, so Segment begins anew, in new layers; "
        "undo (Ctrl+Z) brings Go on back."
    )
    layer.undo()
    assert desk.button == "Go on"
    assert desk.said.startswith("The edit is undone. 2 of 4 slices are in the layers; Go on")
    layer.redo()
    assert desk.button == "Segment"
    layer.undo()
    assert [r.z for r in desk.press()] == [(0, 1), (2, 3)]
    desk.compute(1, 3, value=8)
    layer.redo()  # what the stroke went over may be computed by now
    assert desk.planes() == [7, 8, 7, 8]
    desk.end("finished")
    assert "cells [1]" not in desk.viewer.layers


def test_an_undo_that_does_not_bring_back_what_was_computed_begins_anew(desk: Desk) -> None:
    desk.press()
    desk.compute(0)
    layer = desk.viewer.layers["cells"]
    layer.paint((1, 5, 5), 3)
    desk.compute(1)
    desk.end()
    assert desk.said == (
        "Cancelled: 2 of 4 slices are in the layers; 'cells' was edited, so Segment begins anew, in new layers."
    )
    layer.undo()
    assert not layer.data[1, 5, 5]
    assert desk.button == "Segment"
    assert desk.press() == ()
    assert "cells [1]" in desk.viewer.layers


def test_an_edit_where_something_else_has_changed_says_nothing_of_going_on(desk: Desk) -> None:
    cancelled(desk, 0)
    desk.controller.want(SegmentRequest("stack", ("cells",), z=(0, 2)))
    before = len(desk.messages)
    desk.viewer.layers["cells"].paint((0, 5, 5), 3)
    assert len(desk.messages) == before


def test_cancelled_before_anything_was_finished(desk: Desk) -> None:
    cancelled(desk)
    assert desk.said == "Cancelled: nothing was finished yet; Go on (under Segment) makes the rest."


def test_what_is_saved_of_a_cancelled_segmentation_is_said_to_be_incomplete(desk: Desk, tmp_path: Path) -> None:
    def save() -> Message:
        saving, path = desk.controller.saving, tmp_path / "cells.ome.zarr"
        desk.controller.save_results(desk.controller.pieces(), [path])
        desk.controller.on_save_end(SaveEnd(saving.run, (path,)))
        return desk.messages[-1]

    desk.controller.saving.start = lambda _: None  # type: ignore[method-assign]
    cancelled(desk, 0)
    found = save()
    assert found.kind == "warning"
    assert found.text.endswith("cells.ome.zarr. The segmentation is not complete: 3 of 4 slices are missing.")
    desk.press()
    desk.compute(1, 2, 3)
    desk.end("finished")
    assert save().text.endswith("cells.ome.zarr.")
    other = SegmentRequest("stack", ("cells",), tiling=TilingSpec(tile=70))
    desk.controller.want(other)
    desk.controller.segment(other)
    desk.end()  # before it has made its layers
    assert desk.said == "Cancelled: nothing was begun yet."
    assert save().text.endswith("cells.ome.zarr.")


def test_a_deleted_result_is_not_said_to_be_made(desk: Desk) -> None:
    desk.press(SegmentRequest("stack", ("cells", "boundaries")))
    results = desk.controller.segmenting.results
    assert results is not None
    results.allocate([Wanted("boundaries", "uint8")])
    desk.compute(0)
    desk.viewer.layers.remove("cells")
    assert desk.said == "'cells' was deleted. The segmentation goes on without it; Cancel ends it."
    desk.compute(1, 2, 3)
    desk.end("finished")
    assert desk.said == "Segmented. The results are new layers, but 'cells' was deleted."


def test_all_results_deleted_while_they_are_filled(desk: Desk) -> None:
    desk.press()
    desk.compute(0)
    desk.viewer.layers.remove("cells")
    assert (
        desk.said
        == "'cells' was deleted. The segmentation goes on, but nothing of it will be left; Cancel ends it."
    )
    desk.compute(1, 2, 3)
    desk.end("finished")
    assert desk.messages[-1] == Message("Segmented, but 'cells' was deleted: nothing of it is left.", "warning")


def test_a_result_deleted_after_cancel_begins_anew(desk: Desk) -> None:
    cancelled(desk, 0)
    desk.viewer.layers.remove("cells")
    assert desk.said == "'cells' was deleted: Segment begins anew, in new layers."
    assert desk.button == "Segment"


def test_older_results_may_be_deleted_without_a_word(desk: Desk) -> None:
    cancelled(desk, 0, 1, 2, 3)
    desk.press(SegmentRequest("stack", ("cells",), CellSpec(beta=0.3)))
    assert "cells [1]" in desk.viewer.layers
    before = len(desk.messages)
    desk.viewer.layers.remove("cells")
    assert len(desk.messages) == before


@pytest.mark.parametrize(
    ("shape", "net", "words"),
    [
        ((4, 40, 50), UNetSpec(), "40 cells in 4 slices, each on its own."),
        ((4, 40, 50), UNet3DSpec(), "40 cells."),
        ((2, 2, 40, 50), UNetSpec(), "40 cells in 4 slices, each on its own."),
        ((4, 2, 40, 50), UNet3DSpec(), "40 cells in 4 time points, each on its own."),
    ],
)
def test_where_cells_are_counted_each_on_its_own(
    desk: Desk, shape: tuple[int, ...], net: NetSpec, words: str
) -> None:
    desk.viewer.layers.clear()
    desk.viewer.add_image(np.zeros(shape, np.uint8), name="other")
    desk.controller.selection.set_axes("TZYX"[4 - len(shape) :])
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=net)
    desk.controller.segment(STACK)
    desk.controller.on_outputs((an_output("cells", shape, "int32"),))
    for done in range(4):
        desk.controller.on_event(CellsDone(done + 1, 4, 10))
    desk.end("finished")
    assert desk.said == f"Segmented: {words} The results are new layers."
