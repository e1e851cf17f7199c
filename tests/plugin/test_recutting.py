"""Cells that are made anew of kept probabilities, without the engine."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_unet.arrays.cells import boundary_mask, cells_from_probabilities
from napari_unet.arrays.region import Region
from napari_unet.arrays.tuning import Place, score
from napari_unet.events import BlockDone
from napari_unet.plugin.cells.accepted import accepted_in
from napari_unet.plugin.kept import kept_of
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.store import Store
from napari_unet.spec import CellSpec, TargetSpec
from plugin_tools import CLASSES, a_block, an_output, result
from recut_tools import FEWER, MORE, SHAPE, Desk, replace_of


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.controller.close()


@pytest.mark.parametrize("on_disk", [False, True])
def test_cells_and_boundaries_follow_the_settings_without_a_prediction(tmp_path: Path, on_disk: bool) -> None:
    desk = Desk(tmp_path, store=Store(1, 1) if on_disk else Store())
    desk.segment()
    assert [x.name for x in desk.viewer.layers] == ["stack", "boundaries", "cells"]
    wanted = replace_of(MORE, threshold=0.35)
    desk.make(wanted)
    np.testing.assert_array_equal(desk.cells(), desk.expected(wanted))
    np.testing.assert_array_equal(desk.cells("boundaries"), boundary_mask(desk.probabilities, CLASSES, 0.35))
    assert desk.engine.count("predict") == 1
    number = sum(int(p.max()) for p in desk.expected(wanted))
    old = desk.expected(FEWER)
    changed = sum(len(set(new[new > 0]) - same(old[z], new)) for z, new in enumerate(desk.expected(wanted)))
    assert f"without the network: {number} cells in 4 slices, {changed} of them changed." in desk.said
    assert desk.cells().max() > desk.expected(FEWER).max()
    desk.controller.close()


def same(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> set[int]:
    """Cells of a plane that are pixel by pixel a cell of another one."""
    old = {(before == n).tobytes() for n in np.unique(before[before > 0])}
    return {int(n) for n in np.unique(after[after > 0]) if (after == n).tobytes() in old}


def test_that_no_cell_has_changed_is_said(desk: Desk) -> None:
    desk.segment()
    desk.make(replace_of(FEWER, min_size=5))
    assert "none of them changed." in desk.said
    np.testing.assert_array_equal(desk.cells(), desk.expected(FEWER))


def test_a_segmentation_that_is_begun_meanwhile_has_the_word(desk: Desk) -> None:
    desk.segment()
    desk.viewer.layers["cells"].paint((1, 5, 5), 999)
    desk.make(MORE, wait=False)
    assert "'cells' was edited by hand" in desk.said
    desk.controller.segment(SegmentRequest("slice", ("cells",), MORE))
    assert desk.said.startswith("Segmenting")
    told = len(desk.messages)
    while desk.controller.recutting.progress:
        desk.controller.recutting.on_made(desk.arrived.get(timeout=30))
    np.testing.assert_array_equal(desk.cells("cells [1]"), desk.expected(MORE))
    assert len(desk.messages) == told


def test_the_slice_in_view_comes_first(desk: Desk) -> None:
    desk.segment()
    desk.viewer.dims.set_current_step(0, 2)
    desk.make(MORE, wait=False)
    first = desk.arrived.get(timeout=30)
    assert first.piece.z == (2, 3)
    desk.controller.recutting.on_made(first)
    np.testing.assert_array_equal(desk.cells()[2], desk.expected(MORE)[2])
    assert "3 slices to follow" in desk.said


def test_the_newest_change_wins(desk: Desk) -> None:
    desk.segment()
    desk.make(CellSpec(beta=0.4, min_size=4), wait=False)
    late = desk.arrived.get(timeout=30)
    desk.make(MORE, wait=False)
    desk.controller.recutting.on_made(late)
    np.testing.assert_array_equal(desk.cells(), desk.expected(FEWER))
    desk.make(MORE)
    np.testing.assert_array_equal(desk.cells(), desk.expected(MORE))


def test_going_back_makes_only_what_is_different(desk: Desk) -> None:
    desk.segment()
    desk.make(MORE, wait=False)
    desk.controller.recutting.on_made(desk.arrived.get(timeout=30))
    desk.controller.cancel()
    assert "1 of 4 slices has the new cells" in desk.said
    desk.make(FEWER)
    assert "Made anew" in desk.said
    np.testing.assert_array_equal(desk.cells(), desk.expected(FEWER))
    desk.make(FEWER)
    assert not desk.controller.recutting.progress


def test_cells_edited_by_hand_are_kept_and_the_new_ones_get_a_layer(desk: Desk) -> None:
    desk.segment()
    before = desk.viewer.layers["cells"]
    before.paint((1, 5, 5), 999)
    edited = np.array(before.data)
    desk.make(MORE)
    assert desk.viewer.layers["cells"] is before
    np.testing.assert_array_equal(before.data, edited)
    assert not before.visible
    np.testing.assert_array_equal(desk.cells("cells [1]"), desk.expected(MORE))
    assert "'cells' was edited by hand" in desk.said
    assert "'cells [1]'" in desk.said
    desk.make(FEWER)
    np.testing.assert_array_equal(desk.cells("cells [1]"), desk.expected(FEWER))
    assert "cells [2]" not in desk.viewer.layers


def test_an_edit_meanwhile_ends_it(desk: Desk) -> None:
    desk.segment()
    desk.make(MORE, wait=False)
    desk.controller.recutting.on_made(desk.arrived.get(timeout=30))
    desk.viewer.layers["cells"].paint((0, 5, 5), 999)
    assert not desk.controller.recutting.progress
    assert desk.messages[-1].kind == "warning"
    edited = np.array(desk.cells())
    while not desk.arrived.empty():
        desk.controller.recutting.on_made(desk.arrived.get())
    np.testing.assert_array_equal(desk.cells(), edited)


def test_a_volume_shows_a_first_look_and_gives_it_back_when_cancelled(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.segment(volume=True)
    before = np.array(desk.cells())
    plane = desk.viewer.dims.current_step[0]
    desk.make(MORE, wait=False)
    first = desk.arrived.get(timeout=30)
    assert first.first_look
    desk.controller.recutting.on_made(first)
    np.testing.assert_array_equal(desk.cells()[plane], desk.expected(MORE)[plane])
    desk.controller.cancel()
    np.testing.assert_array_equal(desk.cells(), before)
    desk.make(MORE)
    whole = cells_from_probabilities(desk.probabilities, CLASSES, MORE, spacing=(2, 1, 1))
    np.testing.assert_array_equal(desk.cells(), whole)
    desk.controller.close()


def test_what_was_finished_before_cancel_is_made_anew_and_gone_on_with(desk: Desk) -> None:
    desk.segment(planes=(0, 2))
    desk.make(MORE)
    np.testing.assert_array_equal(desk.cells()[[0, 2]], desk.expected(MORE)[[0, 2]])
    assert not desk.cells()[[1, 3]].any()
    request = SegmentRequest("stack", ("boundaries", "cells"), MORE)
    assert desk.controller.segmenting.can_go_on(request)
    assert not desk.controller.segmenting.can_go_on(replace(request, cells=FEWER))


def test_a_change_during_the_segmentation_is_caught_up_with(desk: Desk) -> None:
    begin = desk.engine.__getattr__("predict")

    def changed_meanwhile(*args: Any, **kwargs: Any) -> None:
        begin(*args, **kwargs)
        desk.controller.work.job = "predict"
        desk.controller.recutting.make(MORE)

    desk.engine.predict = changed_meanwhile  # type: ignore[method-assign]
    desk.segment()
    assert desk.controller.recutting.progress
    desk.make(MORE)
    np.testing.assert_array_equal(desk.cells(), desk.expected(MORE))


def test_probabilities_without_room_are_told_and_the_cells_are_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Store.array

    def only_labels(self: Store, geometry: Any, dtype: Any) -> Any:
        results = desk.controller.segmenting.results
        if results is not None and results.layers:
            raise OSError("no space left")
        return make(self, geometry, dtype)

    monkeypatch.setattr(Store, "array", only_labels)
    request = SegmentRequest("stack", ("cells",), FEWER)
    desk.controller.segment(request)
    desk.controller.on_outputs((an_output("cells", SHAPE, "int32"), an_output("probabilities", (2, *SHAPE))))
    for z in range(4):
        at = (slice(z, z + 1), slice(0, 48), slice(0, 60))
        desk.controller.on_block(a_block("probabilities", (slice(None), *at), desk.probabilities[:, z : z + 1]))
        desk.controller.on_block(a_block("cells", at, desk.expected(FEWER)[z : z + 1]))
        desk.controller.on_event(BlockDone(z, 1, 4, ((0, 1), (z, z + 1), (0, 48), (0, 60))))
    desk.controller.on_job_finished(result("predict"))
    assert "takes the network again: no space left" in desk.said
    np.testing.assert_array_equal(desk.cells(), desk.expected(FEWER))
    desk.make(MORE)
    assert "press Segment" in desk.said
    np.testing.assert_array_equal(desk.cells(), desk.expected(FEWER))


def test_others_find_the_probabilities_by_the_cells(desk: Desk) -> None:
    desk.segment()
    desk.make(MORE)
    kept = kept_of(desk.viewer.layers["cells"])
    assert kept is not None
    assert (kept.axes, kept.flat, kept.cells, kept.classes) == ("ZYX", True, MORE, CLASSES)
    np.testing.assert_array_equal(kept.probabilities[:, 1, 3:9], desk.probabilities[:, 1, 3:9])
    assert kept.filled == tuple(Region((0, 1), (z, z + 1), (0, 48), (0, 60)) for z in range(4))


def test_a_method_that_is_not_there_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.segment()
    before = np.array(desk.cells())
    monkeypatch.setattr("napari_unet.arrays.agglomeration.has_elf", lambda: False)
    desk.make(replace_of(FEWER, method="multicut"))
    assert desk.messages[-1].kind == "error"
    assert "python-elf" in desk.said
    np.testing.assert_array_equal(desk.cells(), before)


def annotate(desk: Desk, cells: CellSpec) -> None:
    """Draw the cells of slice 1 that some settings would make."""
    desk.controller.painter.set_target(TargetSpec(style="cells", background_value=999))
    layer = desk.controller.painter.new_layer()
    assert layer is not None
    layer.data[1] = desk.expected(cells)[1]
    layer.data[1, :2] = 999


def tune(desk: Desk, cells: CellSpec) -> None:
    reports: queue.Queue[Any] = queue.Queue()
    desk.controller.tuning.reported.connect(reports.put)
    desk.controller.tuning.start(cells)
    while desk.controller.tuning.progress:
        desk.controller.tuning.on_report(reports.get(timeout=60))


def test_tuning_finds_settings_that_make_the_annotated_cells(desk: Desk) -> None:
    desk.segment()
    annotate(desk, MORE)
    found: list[tuple[CellSpec, str]] = []
    desk.controller.tuning.found.connect(lambda cells, text: found.append((cells, text)))
    tune(desk, FEWER)
    ((cells, text),) = found
    assert cells.beta > FEWER.beta
    truth = desk.expected(MORE)[1]
    truth[:2] = 0
    known = len(np.unique(truth)) - 1
    assert f"Overlap with {known} cells" in text
    place = Place(desk.probabilities[:, 1:2], truth[None], (2, 1, 1))
    after, before = score([place], CLASSES, cells), score([place], CLASSES, FEWER)
    assert f"{after:.2f} ({before:.2f} with Automatic, 0.20" in text
    assert after > before
    desk.make(cells)
    np.testing.assert_array_equal(desk.cells(), desk.expected(cells))


def test_tuning_without_whole_cells_says_how_to_get_them(desk: Desk) -> None:
    desk.controller.tuning.start(FEWER)
    assert "Press Segment first" in desk.said
    desk.segment()
    desk.controller.tuning.start(FEWER)
    assert "key A" in desk.said
    annotate(desk, MORE)
    desk.viewer.layers["strokes"].data[:] = 0
    tune(desk, FEWER)
    assert "key A" in desk.said
    assert desk.messages[-1].kind == "error"


def test_accepted_cells_tune_as_well_and_tuning_can_be_cancelled(desk: Desk) -> None:
    desk.segment()
    cells = desk.controller.segmenting.results.cells
    cells.data[:] = desk.expected(MORE)
    keys = [(0, z, int(n)) for z in range(len(cells.data)) for n in np.unique(cells.data[z]) if n]
    accepted_in(cells).change(add=keys)
    found: list[CellSpec] = []
    desk.controller.tuning.found.connect(lambda cells, text: found.append(cells))
    desk.controller.tuning.start(FEWER)
    assert desk.controller.tuning.progress == "Tuning the cells: 0%"
    desk.controller.cancel()
    assert "cancelled" in desk.said
    assert not found
    tune(desk, FEWER)
    assert found[0].beta > 0.5


def test_a_training_is_not_waited_for(desk: Desk) -> None:
    desk.segment()
    desk.controller.work.begin("train")
    desk.make(MORE)
    np.testing.assert_array_equal(desk.cells(), desk.expected(MORE))
    assert desk.controller.job == "train"
    assert desk.engine.count("stop") == 0
