"""Cells compared with the truth, in the window's logic: what is chosen, computed, shown, gone through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from driving import rest
from napari_unet.arrays.comparison import Category, compare
from napari_unet.arrays.outlines import STEP, Outline
from napari_unet.arrays.steps import Tell
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells import comparing
from napari_unet.plugin.cells.background import Background, Outcome
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.comparing import Comparing
from napari_unet.plugin.cells.scores import as_text, lines_of
from napari_unet.plugin.decide import Message
from napari_unet.plugin.results import OUTPUT
from napari_unet.storage.samples import load_sample


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        rest(10)


class Desk:
    """A stack of nuclei, its truth, and cells with a nucleus less and two in one."""

    def __init__(self) -> None:
        sample = load_sample("nuclei-3d")
        self.viewer = ViewerModel()
        self.truth = sample.labels
        properties = {"scale": sample.spacing, "units": ("um", "um", "um"), "axis_labels": ("z", "y", "x")}
        self.viewer.add_image(sample.image, name="nuclei", **properties)
        self.viewer.add_labels(self.truth, name="truth", metadata={MARK: "truth"}, **properties)
        values, sizes = np.unique(self.truth[self.truth > 0], return_counts=True)
        self.largest = int(values[sizes.argmax()])
        self.cells = np.where(self.truth == self.largest, 0, self.truth.astype(np.int32))
        self.layer = self.viewer.add_labels(self.cells, name="cells", **properties)
        self.background = Background()
        self.choice = CellsChoice(self.viewer)
        self.comparing = Comparing(self.viewer, self.choice, self.background)
        self.said: list[Message] = []
        self.comparing.said.connect(self.said.append)

    def compare(self, *, whole: bool) -> None:
        self.comparing.start(whole=whole)
        wait_for(lambda: not self.background.busy)


@pytest.fixture
def desk(qapp: QApplication) -> Iterator[Desk]:
    made = Desk()
    yield made
    made.background.close()
    made.choice.close()


def test_a_stack_is_compared_as_volumes_and_shown_over_the_image(desk: Desk) -> None:
    assert desk.comparing.truth is desk.viewer.layers["truth"]
    desk.compare(whole=True)
    expected = compare(desk.cells, desk.truth)
    found = desk.comparing.found
    assert found is not None
    assert found.score == expected.score
    assert (found.v_rand, found.v_info) == (expected.v_rand, expected.v_info)
    assert all("in 3D, gaps filled in 3D" in line.sentence for line in lines_of(found) if line.name[:2] == "V_")
    layer = desk.viewer.layers["differences"]
    np.testing.assert_array_equal(np.asarray(layer.data), expected.picture)
    assert tuple(layer.scale) == tuple(desk.layer.scale)
    assert not desk.layer.visible
    assert desk.said[-1].kind == "good"
    n = len(np.unique(desk.truth)) - 1
    assert f"The whole stack: {n - 1} of {n} true cells are found" in desk.said[-1].text
    assert desk.choice.cells is desk.layer  # the picture is not offered as cells
    assert layer not in desk.comparing.truths


def test_a_slice_is_compared_alone_and_lies_in_its_place(desk: Desk) -> None:
    desk.viewer.dims.set_point(0, 15 * desk.layer.scale[0])
    desk.compare(whole=False)
    expected = compare(desk.cells[15], desk.truth[15])
    picture = np.asarray(desk.viewer.layers["differences"].data)
    np.testing.assert_array_equal(picture[15], expected.picture)
    assert not np.delete(picture, 15, 0).any()
    assert desk.said[-1].text.startswith("Slice 15: ")
    text = as_text(expected, "Slice 15").splitlines()
    assert text[0] == "compared\tSlice 15"
    assert f"missed\t{expected.counts['missed']}" in text
    assert "V_rand and V_info are\tgaps filled" in text
    assert len(text) == 3 + 5 + 7 + 1 + 10


def test_numbers_that_start_anew_in_every_slice_are_compared_slice_by_slice(desk: Desk) -> None:
    anew = np.stack([np.where(p, (p.astype(np.int32) + 7 * z) % 40 + 1, 0) for z, p in enumerate(desk.truth)])
    desk.layer.data = anew
    desk.compare(whole=True)
    found = desk.comparing.found
    assert found is not None
    assert found.counts["found"] == sum(len(np.unique(p[p > 0])) for p in desk.truth)
    assert found.score.ap == 1
    assert "V_rand and V_info are\tmean over slices, gaps filled in each" in as_text(found, "").splitlines()


def test_outlines_show_over_the_image_which_membrane_is_missing(desk: Desk) -> None:
    desk.compare(whole=True)
    layer = desk.viewer.layers["differences"]
    missed = int(Category.MISSED)
    rim = missed + STEP * Outline.TRUE
    assert (np.asarray(layer.data) == rim).sum() > 50
    shown = {value: layer.get_color(value) for value in (missed, rim, missed + STEP * Outline.PREDICTED)}
    assert tuple(shown[rim]) == (1, 1, 1, 1)
    assert tuple(shown[missed + STEP * Outline.PREDICTED]) == (0, 0, 0, 1)
    assert 0.4 < shown[missed][3] < 0.7  # the image is seen beneath
    words = dict(zip(layer.features["index"], layer.features["kind"], strict=True))
    assert words[missed] == "missed"
    assert words[rim] == "missed, an outline in the truth only"


def test_the_largest_difference_is_gone_to_first_and_every_one_once(desk: Desk) -> None:
    desk.comparing.go_on()
    assert desk.said[-1].text == "Compare the cells with the truth first."
    desk.compare(whole=True)
    found = desk.comparing.found
    assert found is not None
    assert len(found.differences) == sum(n for kind, n in found.counts.items() if kind != "found") == 1
    for at, place in enumerate(found.differences):
        desk.comparing.go_on()
        words = f"missed, true cell {place.cell}, {place.pixels:,} voxels."
        assert desk.said[-1].text == f"{at + 1} of {len(found.differences)}: {words}"
        assert desk.viewer.dims.point[0] == pytest.approx(place.index[0] * desk.layer.scale[0])
        y0, x0, y1, x1 = place.box
        centre = np.array([(y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2]) * desk.layer.scale[1:]
        camera = getattr(desk.viewer, "scene", desk.viewer).camera
        assert camera.center[1:] == pytest.approx(tuple(centre))
    desk.comparing.go_on()
    assert desk.said[-1].text.startswith("All were shown, so from the first again. 1 of ")
    desk.comparing.go_on(Category.SPLIT)
    assert desk.said[-1].text == "Nothing is split."
    desk.comparing.go_on(Category.FOUND)
    assert desk.said[-1].text == "What is found is not different."


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        ("nuclei", "'nuclei' has grey values and is no truth: choose a Labels layer"),
        ("small", "'small' (4, 5): choose a truth of the same pixels"),
        ("", "there is no truth: choose a Labels layer"),
    ],
)
def test_what_is_no_truth_is_said(desk: Desk, truth: str, words: str) -> None:
    desk.viewer.add_labels(np.zeros((4, 5), int), name="small")
    desk.comparing.truth = desk.viewer.layers[truth] if truth else None
    desk.compare(whole=True)
    assert desk.said[-1].kind == "error"
    assert words in desk.said[-1].text
    assert "differences" not in desk.viewer.layers


def test_a_membrane_image_is_a_truth(desk: Desk) -> None:
    inside = np.where(desk.truth > 0, 255, 0).astype(np.uint8)
    desk.viewer.add_image(inside, name="membranes")
    desk.comparing.choose_truth("membranes")
    desk.compare(whole=True)
    found = desk.comparing.found
    assert found is not None
    assert found.counts == compare(desk.cells, inside, kind="membrane").counts


def test_grey_images_are_offered_as_no_truth(desk: Desk) -> None:
    desk.viewer.add_image(np.where(desk.truth > 0, 255, 0).astype(np.uint8), name="membranes")
    desk.viewer.add_image(np.zeros((40, 50, 3), np.uint8), name="colours")
    assert [x.name for x in desk.comparing.truths] == ["truth", "membranes"]


def test_images_outside_of_memory_are_offered_unread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> np.ndarray:
        raise OSError("the disk is gone")

    lazy = da.from_delayed(dask.delayed(fails)(0), (40, 50), np.uint8)
    monkeypatch.setattr(comparing, "full_data", lambda layer: lazy if layer.name == "lazy" else layer.data)
    desk.viewer.add_image(np.zeros((40, 50), np.uint8), name="lazy")
    desk.viewer.add_image(np.zeros((40, 50), np.uint8), name="another")
    assert "lazy" in [x.name for x in desk.comparing.truths]


def test_no_truth_is_chosen_as_cells_unless_the_user_says_so() -> None:
    viewer = ViewerModel()
    cells = np.ones((8, 8), int)
    viewer.add_labels(cells, name="mine")
    viewer.add_labels(cells, name="ground_truth")
    viewer.add_labels(cells, name="nuclei", metadata={MARK: "truth"})
    choice = CellsChoice(viewer)
    assert choice.cells is viewer.layers["mine"]
    viewer.layers.remove("mine")
    assert choice.cells is None
    with pytest.raises(UserError, match="choose 'ground_truth' or 'nuclei' under Cells to work on it"):
        choice.require()
    choice.choose_cells("nuclei")
    assert choice.cells is viewer.layers["nuclei"]
    viewer.add_labels(cells, name="made", metadata={MARK: "result", OUTPUT: "cells"})
    assert choice.cells is viewer.layers["made"]
    choice.close()


def test_cancelled_shows_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_unet.plugin.cells import comparing

    begun, go_on = threading.Event(), threading.Event()

    def slowly(*_: Any, tell: Tell, **__: Any) -> None:
        begun.set()
        go_on.wait(30)
        tell(0.5)

    monkeypatch.setattr(comparing, "compare", slowly)
    desk.comparing.start(whole=True)
    assert begun.wait(30)
    desk.comparing.start(whole=True)
    assert "still at work" in desk.said[-1].text
    desk.background.cancel()
    go_on.set()
    wait_for(lambda: not desk.background.busy)
    assert desk.said[-1].text == "Comparing was cancelled."
    assert "differences" not in desk.viewer.layers


@pytest.mark.parametrize(
    ("failure", "words"),
    [(UserError("no"), "no"), (ValueError("odd"), "ValueError: odd"), (RuntimeError("bad"), "RuntimeError: bad")],
)
def test_what_fails_in_the_thread_is_told(qapp: QApplication, failure: Exception, words: str) -> None:
    background, outcomes = Background(), list[Outcome]()

    def fail(_: Tell) -> None:
        raise failure

    background.start(fail, outcomes.append)
    wait_for(lambda: outcomes)
    assert outcomes == [Outcome(error=words)]
    assert not background.busy


def test_a_closed_dock_is_told_nothing(qapp: QApplication) -> None:
    background, outcomes, go_on = Background(), list[Outcome](), threading.Event()
    background.start(lambda _: go_on.wait(30), outcomes.append)
    background.close()
    go_on.set()
    wait_for(lambda: not background.busy)
    assert outcomes == []
