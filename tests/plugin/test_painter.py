"""Annotation layers, brushes and counts."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet.plugin import annotation
from napari_unet.plugin.painter import Painter
from napari_unet.plugin.selection import Selection
from napari_unet.spec import TargetSpec


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.add_image(np.random.default_rng(0).random((4, 40, 50)), name="stack", scale=(3, 1, 1))
    return made


@pytest.fixture
def painter(viewer: ViewerModel) -> Painter:
    return Painter(viewer, Selection(viewer))


def test_new_layer_is_ready_to_paint(viewer: ViewerModel, painter: Painter) -> None:
    layer = painter.new_layer()
    assert layer is not None
    assert layer.name == "strokes"
    assert layer.data.shape == (4, 40, 50)
    assert layer.data.dtype == np.uint8
    np.testing.assert_array_equal(layer.scale, (3, 1, 1))
    assert viewer.layers.selection.active is layer
    assert (layer.mode, layer.selected_label) == ("paint", 1)


def test_paint_and_undo_are_counted(painter: Painter) -> None:
    told = []
    painter.painting.connect(told.append)
    edits = []
    painter.edited.connect(lambda: edits.append(1))
    layer = painter.new_layer()
    assert layer is not None
    layer.paint((1, 20, 20), 1)
    layer.selected_label = 2
    layer.paint((2, 10, 10), 2)
    counts = painter.count()
    assert counts is not None
    assert set(counts) == {1, 2}
    assert told[-1].missing.startswith("Ready to train.")
    before = len(edits)
    layer.undo()
    assert len(edits) > before
    assert set(painter.count() or {}) == {1}
    assert "Only cell is painted" in told[-1].missing


def test_large_labels_are_counted_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation, "COUNT_WHOLE", 10)
    layer = Labels(np.zeros((4, 40, 50), np.uint8))
    layer.data[1, :2, :2] = 1
    layer.data[3, :2, :2] = 2
    counter = annotation.StrokeCounter()
    assert counter.count(layer, (1.0, 0.0, 0.0)) == {1: 4}
    assert not counter.complete
    assert counter.count(layer, (3.0, 0.0, 0.0)) == {1: 4, 2: 4}
    plane = Labels(layer.data[1])
    assert counter.count(plane, (0.0, 0.0)) == {1: 4}
    assert counter.complete


def test_nothing_is_called_missing_that_may_be_in_another_slice(viewer: ViewerModel, painter: Painter) -> None:
    told = []
    painter.painting.connect(told.append)
    labels = zarr.zeros((4, 40, 50), dtype="u1")
    painter.choose(viewer.add_labels(labels, scale=(3, 1, 1)))
    assert "Paint a few strokes" in told[-1].missing
    labels[int(viewer.dims.current_step[0]), :2] = 1
    painter.count()
    assert (told[-1].text.split(" · ")[0], told[-1].missing) == ("cell 100", "Ready to train.")
    assert "in the slices seen so far" in told[-1].text


def test_shared_channels_are_counted_once() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((2, 3, 40, 50)), axis_labels=("t", "c", "y", "x"))
    painter = Painter(viewer, Selection(viewer))
    layer = painter.new_layer()
    assert layer is not None
    layer.data[1, 2, :2, :5] = 1
    assert painter.count() == {1: 10}


def test_brush_follows_the_layer(painter: Painter) -> None:
    values = []
    painter.brush_changed.connect(values.append)
    layer = painter.new_layer()
    assert layer is not None
    painter.next_class()
    layer.selected_label = 3
    painter.next_class()
    assert values[-3:] == [2, 3, 1]


def test_next_cell_takes_the_next_free_number(painter: Painter) -> None:
    painter.set_target(TargetSpec(style="cells", background_value=999))
    layer = painter.new_layer()
    assert layer is not None
    assert layer.data.dtype == np.int32
    layer.data[0, :3] = 7
    layer.data[0, 5:7] = 999
    painter.next_cell()
    assert layer.selected_label == 8


def test_labels_with_many_values_are_cells(viewer: ViewerModel, painter: Painter) -> None:
    targets = []
    painter.target_changed.connect(targets.append)
    painter.choose(viewer.add_labels(np.arange(8000, dtype=np.int32).reshape(4, 40, 50)))
    assert targets == [TargetSpec(style="cells")]


def test_the_style_changes_the_colours_of_our_layers_only(viewer: ViewerModel, painter: Painter) -> None:
    layer = painter.new_layer()
    assert layer is not None
    direct = type(layer.colormap)
    painter.set_target(TargetSpec(style="cells"))
    assert type(layer.colormap) is not direct
    other = viewer.add_labels(np.zeros((4, 40, 50), np.uint8))
    painter.choose(other)
    painter.set_target(TargetSpec())
    assert type(other.colormap) is not direct


def test_an_annotation_of_classes_can_hold_cells_as_well(viewer: ViewerModel, painter: Painter) -> None:
    layer = painter.new_layer()
    assert layer is not None
    layer.paint((1, 20, 20), 1)
    painter.set_target(TargetSpec(style="cells", background_value=999))
    painter.take_brush(999)
    assert layer.selected_label == 999
    assert layer.data[1, 20, 20] == 1
    said = []
    painter.said.connect(said.append)
    own = viewer.add_labels(np.ones((4, 40, 50), np.uint8), scale=(3, 1, 1))
    painter.choose(own)
    painter.take_brush(999)
    assert "up to 255 only" in said[-1].text


def test_cells_without_background_are_told_so(painter: Painter) -> None:
    told = []
    painter.painting.connect(told.append)
    painter.set_target(TargetSpec(style="cells", background_value=999))
    layer = painter.new_layer()
    assert layer is not None
    layer.data[1:3, :5], layer.data[1:3, 7:9] = 1, 2
    painter.count()
    assert told[-1].missing.startswith("Ready to train. No background is painted: what lies between cells is")
    layer.data[1, 20:25] = 999
    painter.count()
    assert told[-1].missing == "Ready to train."
    layer.data[1, 20:25] = 0
    painter.set_target(TargetSpec(style="cells", dense=True))
    assert told[-1].missing == "Ready to train."
