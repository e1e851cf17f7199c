"""Predictions become annotation, as one step that can be undone, and never over what is painted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Labels
from scipy import ndimage

from napari_unet.arrays.targets import cell_target
from napari_unet.engine.client import Preview
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.decide import Message
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.results import Store
from napari_unet.spec import BACKGROUND, BOUNDARY, CELL, TargetSpec
from napari_unet.storage.samples import load_sample
from plugin_tools import MODEL, FakeEngine, a_block, an_output

CLASSES = (CELL, BOUNDARY, BACKGROUND)
CELLS = TargetSpec(style="cells")
EVERYWHERE = slice(0, 360), slice(0, 360)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.asarray(load_sample("nuclei-5").labels)


def says(truth: np.ndarray, t: int = 0, z: int = 0, *, certain: bool = True) -> Preview:
    """What a perfect network predicts: cells, their rims, background."""
    kinds = cell_target(truth, TargetSpec(style="cells", rim=2), "background")
    sure = 255 if certain else 130
    planes = np.stack([np.where(kinds == k, sure, (255 - sure) // 2) for k in range(3)]).astype(np.uint8)
    return Preview(t, z, planes, CLASSES, step=1)


class Desk:
    """A window's logic with a nucleus image, or a stack of it, and its perfect preview."""

    def __init__(
        self, folder: Path, truth: np.ndarray, lead: tuple[int, ...] = (), axes: str = "YX", **place: Any
    ):
        self.viewer, self.truth = ViewerModel(), truth
        image = np.broadcast_to(load_sample("nuclei-5").image, (*lead, 360, 360))
        self.image = self.viewer.add_image(image, name="nuclei", **place)
        self.engine = FakeEngine()
        self.controller = Controller(self.viewer, self.engine, Checkpoints(folder), Store())  # type: ignore[arg-type]
        self.controller.selection.set_axes(axes)
        self.controller.painter.set_target(TargetSpec())
        self.said: list[Message] = []
        self.controller.work.said.connect(self.said.append)

    def preview(self, **more: Any) -> None:
        self.controller.on_preview(says(self.truth, *self.controller.live.plane, **more))

    def annotate(self, target: TargetSpec | None = None) -> Labels:
        if target is not None:
            self.controller.painter.set_target(target)
        layer = self.controller.painter.new_layer()
        assert layer is not None
        return layer

    def at(self, value: int, kind: int = 1) -> tuple[float, ...]:
        """Place in the world of a pixel of a cell (or of its rim: 2) in the plane in view."""
        kinds = says(self.truth).probabilities.argmax(axis=0) + 1
        places = np.argwhere((self.truth == value) & (kinds == kind))
        y, x = places[len(places) // 2]
        plane = dict(zip("TZ", self.controller.live.plane, strict=True))
        axes = self.controller.selection.axes.removesuffix("S")
        return tuple(self.image.data_to_world([{**plane, "C": 0, "Y": y, "X": x}[a] for a in axes]))

    @property
    def last(self) -> Message:
        return self.said[-1]


@pytest.fixture
def desk(tmp_path: Path, truth: np.ndarray) -> Desk:
    return Desk(tmp_path, truth)


def large(truth: np.ndarray, rank: int = 0) -> int:
    """Number of one of the largest nuclei, of those in one piece."""
    cores = np.where(says(truth).probabilities[0] == 255, truth, 0)
    order = np.argsort(np.bincount(truth.ravel())[1:])[::-1] + 1
    return int([v for v in order if ndimage.label(cores == v)[1] == 1][rank])


def test_a_cell_is_taken_with_its_boundary_and_one_undo_takes_it_back(desk: Desk, truth: np.ndarray) -> None:
    layer, value = desk.annotate(), large(truth)
    desk.preview()
    edited: list[int] = []
    desk.controller.painter.edited.connect(lambda: edited.append(1))
    desk.controller.taking.take_cell(desk.at(value))
    kinds = says(truth).probabilities.argmax(axis=0) + 1
    np.testing.assert_array_equal(layer.data == 1, (truth == value) & (kinds == 1))
    assert (kinds[layer.data == 2] == 2).all()
    assert (layer.data[(truth == value) & (kinds == 2)] == 2).all()
    cell, boundary = (int((layer.data == v).sum()) for v in (1, 2))
    assert desk.last == Message(
        f"Took the cell: cell {cell:,} · boundary {boundary:,} pixels. Ctrl+Z takes it back.", "good"
    )
    assert edited  # so that it is counted, and sent to the training
    taken = layer.data.copy()
    layer.undo()
    assert not layer.data.any()
    layer.redo()
    np.testing.assert_array_equal(layer.data, taken)
    desk.controller.taking.take_cell(desk.at(value))
    assert "Nothing is new" in desk.last.text
    layer.undo()
    assert not layer.data.any()


@pytest.mark.parametrize("style", ["classes", "cells"])
@settings(max_examples=15)
@given(seed=st.integers(0, 1000), region=st.booleans())
@example(seed=527, region=False)
def test_what_is_painted_stays_and_undo_restores_exactly(
    tmp_path_factory: pytest.TempPathFactory, truth: np.ndarray, style: Any, seed: int, region: bool
) -> None:
    desk = Desk(tmp_path_factory.mktemp("m"), truth)
    rng = np.random.default_rng(seed)
    layer = desk.annotate(TargetSpec(style=style, background_value=9 if style == "cells" else None))
    at = desk.at(large(truth, int(rng.integers(20))))
    painted = rng.integers(1, 4, truth.shape) * (rng.random(truth.shape) < 0.1)
    y, x = np.round(desk.image.world_to_data(at)).astype(int)
    painted[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = (
        0  # or boundaries may cut the very place off that is pointed at
    )
    layer.data[:] = np.where(painted == 3, 9, painted) if style == "cells" else painted
    before = layer.data.copy()
    desk.preview()
    if region:
        y, x = rng.integers(0, 200, 2)
        desk.controller.taking.take_region((slice(y, y + 150), slice(x, x + 150)))
    else:
        desk.controller.taking.take_cell(at)
    assert desk.last.kind == "good", desk.last
    np.testing.assert_array_equal(layer.data[before != 0], before[before != 0])
    assert (layer.data != before).any()
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


def test_cells_get_the_next_free_number_up_to_their_rim(desk: Desk, truth: np.ndarray) -> None:
    layer = desk.annotate(TargetSpec(style="cells", background_value=2, rim=2))
    desk.preview()
    first, second, third = (large(truth, r) for r in (0, 1, 2))
    for value, number in ((first, 1), (second, 3)):  # 2 is the background
        desk.controller.taking.take_cell(desk.at(value))
        taken = layer.data == number
        assert taken[truth == value].mean() > 0.97
        assert (truth[taken] == value).mean() > 0.97
    layer.data[truth == third] = np.where(np.arange((truth == third).sum()) % 3, 7, 0)
    desk.controller.taking.take_cell(desk.at(third))  # begun by hand as 7
    assert (layer.data[truth == third] == 7).mean() > 0.97
    assert "cell 7" in desk.last.text


def test_a_cell_over_two_painted_ones_is_not_taken(desk: Desk, truth: np.ndarray) -> None:
    layer, value = desk.annotate(CELLS), large(truth)
    rows = np.argwhere(truth == value)[:, 0]
    upper = np.indices(truth.shape)[0] < np.median(rows)
    layer.data[(truth == value) & (np.random.default_rng(0).random(truth.shape) < 0.2)] = 4
    layer.data[(layer.data == 4) & upper] = 5
    before = layer.data.copy()
    desk.preview()
    desk.controller.taking.take_cell(desk.at(value))
    assert "Several painted cells" in desk.last.text
    np.testing.assert_array_equal(layer.data, before)


def test_a_region_takes_every_class_that_is_sure(desk: Desk, truth: np.ndarray) -> None:
    layer = desk.annotate()
    desk.preview()
    box = slice(100, 180), slice(50, 200)
    desk.controller.taking.take_region(box)
    expected = np.zeros_like(layer.data)
    expected[box] = says(truth).probabilities.argmax(axis=0)[box] + 1
    np.testing.assert_array_equal(layer.data, expected)
    layer.undo()
    desk.preview(certain=False)
    probabilities = says(truth).probabilities.copy()
    probabilities[:2, 100:140] = 128  # cell or boundary?
    desk.controller.on_preview(Preview(0, 0, probabilities, CLASSES, 1))
    desk.controller.taking.take_region(box)
    expected[:140] = np.where(expected[:140] == 3, 3, 0)
    np.testing.assert_array_equal(layer.data, expected)


def test_a_region_of_whole_cells(desk: Desk, truth: np.ndarray) -> None:
    layer = desk.annotate(TargetSpec(style="cells", background_value=500, rim=2))
    desk.preview()
    box = slice(60, 300), slice(60, 300)
    desk.controller.taking.take_region(box)
    numbers = np.unique(layer.data)
    assert numbers[-1] == 500
    np.testing.assert_array_equal(numbers[1:-1], np.arange(1, len(numbers) - 1))
    cut = np.setdiff1d(np.unique(truth[box]), np.unique(truth[59:301, 59:301][1:-1, 1:-1]))
    assert not np.isin(truth[(layer.data > 0) & (layer.data < 500)], cut).any()
    assert not layer.data[:60].any()
    assert (truth[layer.data == 500] == 0).all()
    assert f"{len(numbers) - 2} whole cells" in desk.last.text


def segment(desk: Desk, *, boundaries: bool) -> None:
    """Let the engine report the true cells, and perhaps their boundaries, of the slice in view."""
    desk.engine.model = MODEL
    outputs: tuple[Any, ...] = ("boundaries", "cells") if boundaries else ("cells",)
    desk.controller.segment(SegmentRequest("slice", outputs))
    desk.controller.on_outputs(tuple(an_output(o, desk.truth.shape) for o in outputs))
    at = (slice(0, 360), slice(0, 360))
    desk.controller.on_block(a_block("cells", at, desk.truth.astype(np.int32)))
    if boundaries:
        rim = cell_target(desk.truth, TargetSpec(style="cells", rim=2), "ignore") == 1
        desk.controller.on_block(a_block("boundaries", at, rim.astype(np.uint8)))


@pytest.mark.parametrize("boundaries", [True, False])
def test_a_cell_of_the_segmentation_on_top_is_taken(desk: Desk, truth: np.ndarray, boundaries: bool) -> None:
    layer, value = desk.annotate(), large(truth)
    segment(desk, boundaries=boundaries)
    desk.controller.taking.take_cell(desk.at(value, kind=2))  # on its rim, where the preview would say boundary
    rim = cell_target(truth, TargetSpec(style="cells", rim=2 if boundaries else 1), "ignore")
    np.testing.assert_array_equal(layer.data == 1, (truth == value) & (rim == 0))
    assert (layer.data[(truth == value) & (rim == 1)] == 2).all()
    layer.undo()
    desk.controller.painter.set_target(CELLS)
    desk.controller.taking.take_cell(desk.at(value))
    np.testing.assert_array_equal(layer.data == 1, truth == value)


def zarr_labels(desk: Desk) -> Labels:
    geometry = desk.controller.selection.geometry
    assert geometry is not None
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=geometry.shape, dtype="u1", chunks=(1, 90, 90))
    place = {k: geometry.properties[k] for k in ("scale", "translate")}
    layer = desk.viewer.add_labels(array, **place)
    desk.controller.painter.choose(layer)
    return layer


@pytest.mark.parametrize(
    ("lead", "axes", "make"),
    [
        ((3,), "ZYX", Desk.annotate),
        ((3,), "ZYX", zarr_labels),
        ((2, 3), "ZTYX", Desk.annotate),
        ((3, 2), "TCYX", Desk.annotate),
    ],
)
def test_stacks_axes_places_and_stores(
    tmp_path: Path, truth: np.ndarray, lead: tuple[int, ...], axes: str, make: Callable[[Desk], Labels]
) -> None:
    n = len(lead) + 2
    desk = Desk(tmp_path, truth, lead, axes, scale=(3,) * (n - 2) + (0.5, 0.25), translate=(1,) * (n - 2) + (2, 3))
    layer, value = make(desk), large(truth)
    desk.viewer.dims.set_current_step(0, 1)
    desk.viewer.dims.set_current_step(n - 3, 1)
    desk.preview()
    desk.controller.taking.take_cell(desk.at(value))
    assert desk.last.kind == "good", desk.last
    data = np.asarray(layer.data)
    kinds = says(truth).probabilities.argmax(axis=0) + 1
    plane = data[1, 1] if len(lead) == 2 else data[1]
    np.testing.assert_array_equal(plane == 1, (truth == value) & (kinds == 1))
    elsewhere = data.copy()
    elsewhere[(1, 1)[: len(lead)] if "C" not in axes else (1,)] = 0
    assert not elsewhere.any()
    if "C" in axes:  # all channels show the same
        np.testing.assert_array_equal(data[1, 0], data[1, 1])
    layer.undo()
    assert not np.asarray(layer.data).any()
    layer.redo()
    np.testing.assert_array_equal(np.asarray(layer.data), data)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: None, "Nothing is predicted of this slice"),
        (lambda d: d.controller.live.switch(False), "switch the preview on"),
        (lambda d: (d.preview(), setattr(d.viewer.dims, "ndisplay", 3)), "2D view"),
        (lambda d: (d.preview(), setattr(d.viewer.dims, "order", (1, 0, 2))), "along Y and X"),
        (lambda d: (d.preview(), d.viewer.dims.set_current_step(0, 2)), "Nothing is predicted of this slice"),
        (
            lambda d: (d.preview(), d.controller.painter.choose(d.viewer.add_labels(np.ones((9, 9), np.uint8)))),
            r"shape \(9, 9\)",
        ),
        (lambda d: d.viewer.layers.remove(d.image), "Open an image"),
    ],
)
def test_there_is_nothing_to_take_and_it_is_said(
    tmp_path: Path, truth: np.ndarray, spoil: Any, words: str
) -> None:
    desk = Desk(tmp_path, truth, (3,), "ZYX")
    desk.annotate()
    place = desk.at(large(truth))
    spoil(desk)
    for take in (lambda: desk.controller.taking.take_cell(place), desk.controller.taking.point_at_cells):
        take()
        assert desk.last.kind in ("warning", "error")
        assert re.search(words, desk.last.text), desk.last.text
        assert desk.controller.taking.pointing.mode == ""


def test_numbers_that_the_layer_has_no_room_for(desk: Desk, truth: np.ndarray) -> None:
    labels = np.where(truth == large(truth, 1), 255, 0).astype(np.uint8)
    desk.controller.painter.set_target(CELLS)
    desk.controller.painter.choose(desk.viewer.add_labels(labels))
    desk.preview()
    desk.controller.taking.take_cell(desk.at(large(truth)))
    assert "room for values up to 255" in desk.last.text
    assert set(np.unique(labels)) == {0, 255}


def test_clicks_go_on_after_the_first_cell(desk: Desk, truth: np.ndarray) -> None:
    layer = desk.annotate()
    desk.preview()
    desk.controller.taking.point_at_cells()
    for rank in range(3):
        desk.controller.taking.take_cell(desk.at(large(truth, rank)))
        assert desk.last.kind == "good"
        assert desk.controller.taking.pointing.mode == "cells"
    layer.visible = False
    desk.controller.taking.take_cell(desk.at(large(truth, 4)))
    assert layer.visible


def test_an_annotation_that_cannot_be_written(desk: Desk, truth: np.ndarray) -> None:
    desk.controller.painter.choose(desk.viewer.add_labels(da.zeros(truth.shape, dtype=np.uint8)))
    desk.preview()
    desk.controller.taking.take_cell(desk.at(large(truth)))
    assert "is a dask array" in desk.last.text


def test_places_without_a_cell_and_a_missing_annotation(desk: Desk, truth: np.ndarray) -> None:
    desk.preview()
    desk.controller.taking.take_cell(tuple(float(i) for i in np.argwhere(truth == 0)[500]))
    assert "no cell is predicted here" in desk.last.text.lower()
    desk.controller.taking.take_cell((-5.0, 3.0))
    assert "beside the image" in desk.last.text
    desk.controller.taking.take_cell()
    assert "point at a predicted cell" in desk.last.text.lower()
    desk.controller.taking.take_region(None)
    assert "rectangle" in desk.last.text
    assert desk.controller.selection.labels_layer is None
    desk.viewer.mouse_over_canvas = True
    desk.viewer.cursor.position = desk.at(large(truth))
    desk.controller.taking.take_cell()
    layer = desk.controller.selection.labels_layer
    assert layer is not None  # was made for it
    assert layer.data.any()
    assert desk.viewer.layers.selection.active is layer


def test_a_boundary_painted_through_a_clump_parts_it(desk: Desk, truth: np.ndarray) -> None:
    layer, value = desk.annotate(), large(truth)
    desk.preview()
    core = (truth == value) & (says(truth).probabilities[0] == 255)
    columns = np.flatnonzero(core.any(axis=0))
    middle = int(columns.mean())
    layer.data[:, middle] = 2
    left = np.argwhere(core & (np.arange(360) < middle))
    y, x = left[len(left) // 2]
    desk.controller.taking.take_cell((float(y), float(x)))
    taken = layer.data == 1
    assert taken[y, x]
    assert not taken[:, middle:].any()
    parts = ndimage.label(core & (np.arange(360) != middle))[0]
    np.testing.assert_array_equal(taken, parts == parts[y, x])
    assert (layer.data[:, middle] == 2).all()
