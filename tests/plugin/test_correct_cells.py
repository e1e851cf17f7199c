"""Cells corrected in a viewer without a window: every step is undone and redone in its turn, also on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels, Points, Shapes

from napari_unet.arrays.correcting import protect
from napari_unet.plugin.cells.accepted import accepted_in, accepted_of
from napari_unet.plugin.cells.accepting import as_annotation
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.correcting import Correcting
from napari_unet.plugin.cells.stack import CellStack
from napari_unet.plugin.decide import Message
from napari_unet.plugin.kept import Kept, keep
from napari_unet.plugin.keymap import CELL_KEYS, UNET_KEYS
from napari_unet.spec import BOUNDARY, CELL, CellSpec


class Desk:
    """Cells in a viewer, with the tools to correct them."""

    def __init__(self, data: Any, **properties: Any) -> None:
        self.viewer = ViewerModel()
        self.viewer.add_image(np.zeros(np.shape(data), np.uint8), **properties)
        self.layer: Labels = self.viewer.add_labels(data, **properties)
        self.choice = CellsChoice(self.viewer)
        self.todo: list[Callable[[], None]] = []
        self.correcting = Correcting(self.viewer, self.choice, self.todo.append)
        self.messages: list[Message] = []
        self.correcting.said.connect(self.messages.append)

    def click(self, action: Any, *place: int) -> str:
        self.correcting.click(action, self.layer.data_to_world(place))
        self.later()
        return self.said

    def later(self) -> None:
        """Let the window come to rest."""
        todo, self.todo[:] = list(self.todo), []
        for do in todo:
            do()

    @property
    def said(self) -> str:
        return self.messages[-1].text

    @property
    def now(self) -> tuple[bytes, frozenset[Any]]:
        """Pixels and accepted cells."""
        return np.asarray(self.layer.data[:]).tobytes(), accepted_in(self.layer).keys


def squares() -> np.ndarray:
    """Three cells in a row with lines of 0 between them, and one below."""
    plane = np.zeros((20, 32), np.uint16)
    plane[1:9, 1:9], plane[1:9, 10:20], plane[1:9, 21:30], plane[12:18, 2:30] = 1, 2, 3, 7
    return plane


def volume() -> np.ndarray:
    """A cell through slices 1 to 3 of 5, another one in all."""
    cells = np.zeros((5, 12, 20), np.uint16)
    cells[1:4, 2:9, 2:9] = 4
    cells[:, 2:9, 10:18] = 6
    return cells


def on_disk(folder: Path, data: np.ndarray) -> Any:
    array = zarr.create_array(
        store=folder / "cells.zarr", shape=data.shape, dtype=data.dtype, chunks=(1,) * (data.ndim - 2) + (8, 8)
    )
    array[:] = data
    return array


def test_merging_by_clicks_fills_the_line_and_goes_on() -> None:
    desk = Desk(squares())
    desk.layer.mode = "paint"
    desk.correcting.begin("merge")
    assert desk.layer.mode == "pan_zoom"
    desk.click("merge", 4, 4)
    assert desk.click("merge", 4, 12).startswith("Merged cell 2 into cell 1.")
    assert (desk.layer.data[1:9, 1:20] == 1).all()
    desk.click("merge", 4, 25)
    assert (desk.layer.data[1:9, 1:30] == 1).all()
    np.testing.assert_array_equal(desk.layer.data[9:], squares()[9:])
    assert "do not touch" in desk.click("merge", 14, 10)
    desk.correcting.listener.end()
    assert desk.layer.mode == "paint"
    for _ in range(3):
        desk.layer.undo()
    np.testing.assert_array_equal(desk.layer.data, squares())


def test_one_more_click_is_one_more_part_in_one_and_the_same_step() -> None:
    desk = Desk(squares())
    desk.correcting.begin("split")
    desk.click("split", 14, 5)
    assert desk.click("split", 14, 25).startswith("Split cell 7 into 2.")
    assert set(np.unique(desk.layer.data[12:18, 2:30])) == {7, 8}
    assert [x.data.tolist() for x in desk.viewer.layers if isinstance(x, Points)] == [[[14, 5], [14, 25]]]
    assert desk.click("split", 14, 25).startswith("This is the same place")
    desk.click("split", 14, 15)
    assert set(np.unique(desk.layer.data[12:18, 2:30])) == {7, 8, 9}
    assert len(desk.layer._undo_history) == 1
    np.testing.assert_array_equal(desk.layer.data[:12], squares()[:12])
    desk.layer.undo()
    np.testing.assert_array_equal(desk.layer.data, squares())
    assert desk.click("split", 14, 6).startswith("Now click at another place")  # the step is gone
    desk.click("split", 4, 4)  # another cell is begun with
    assert desk.click("split", 7, 4).startswith("Split cell 1 into 2.")
    assert (desk.layer.data[12:18, 2:30] == 7).all()
    desk.correcting.listener.end()
    assert not [x for x in desk.viewer.layers if isinstance(x, Points)]


def test_a_drawn_line_cuts() -> None:
    desk = Desk(squares(), scale=(0.5, 0.5), translate=(3, 4))
    desk.layer.mode = "paint"
    desk.correcting.begin("line")
    shapes = desk.viewer.layers.selection.active
    assert isinstance(shapes, Shapes)
    shapes.add(np.array([[10.0, 12.0], [15.0, 12.4], [19.0, 13.0]]), shape_type="path")
    desk.later()
    assert desk.said.startswith("Split cell 7 into 2.")
    part = desk.layer.data[12:18, 2:30]
    assert (part[:, :9] == 8).all()
    assert (part[:, 13:] == 7).all()  # the larger part keeps its number
    assert desk.viewer.layers.selection.active is desk.layer
    assert shapes not in desk.viewer.layers
    assert desk.layer.mode == "paint"


def test_edits_and_acceptances_are_undone_and_redone_in_their_order(tmp_path: Path) -> None:
    for data in (squares(), on_disk(tmp_path, squares())):
        desk = Desk(data)
        states = [desk.now]

        def step(action: Any, *places: tuple[int, int], desk: Desk = desk, states: list[Any] = states) -> None:
            for place in places:
                desk.click(action, *place)
            desk.correcting.listener.end()
            desk.correcting._forget()
            states.append(desk.now)

        step("accept", (4, 4))
        step("accept", (4, 12))
        step("merge", (4, 25), (4, 12))  # an accepted one goes
        step("accept", (14, 4))
        step("split", (14, 5), (14, 25))
        desk.layer.paint((10, 15), 30)
        states.append(desk.now)
        step("accept", (4, 4))
        step("delete", (14, 5))
        step("accept", (4, 25))
        assert [len(keys) for _, keys in states] == [0, 1, 2, 1, 2, 1, 1, 0, 0, 1]
        assert len(set(states)) == len(states)
        for _ in range(2):
            for before in reversed(states[:-1]):
                desk.layer.undo()
                assert desk.now == before
            for after in states[1:]:
                desk.layer.redo()
                assert desk.now == after
        for _ in range(3):
            desk.layer.undo()
        desk.click("accept", 10, 15)  # a new step clears what could be redone
        now = desk.now
        desk.layer.redo()
        assert desk.now == now


def test_more_steps_than_napari_remembers() -> None:
    desk = Desk(squares())
    limit = desk.layer._undo_history.maxlen
    assert limit is not None
    desk.click("accept", 4, 4)
    for _ in range(limit // 2 + 1):
        desk.click("accept", 4, 12)
        desk.click("accept", 4, 12)
    for _ in range(limit + 5):
        desk.layer.undo()
    assert accepted_in(desk.layer).keys == {(0, 0, 1)}


def test_a_hidden_layer_is_undone_as_well() -> None:
    desk = Desk(squares())
    desk.click("accept", 4, 4)
    desk.layer.visible = False
    desk.layer.undo()
    assert accepted_in(desk.layer).numbers(0) == set()


@pytest.mark.parametrize("disk", [False, True])
def test_a_cell_of_a_volume_goes_through_its_slices(tmp_path: Path, disk: bool) -> None:
    data = on_disk(tmp_path, volume()) if disk else volume()
    desk = Desk(data, scale=(2, 0.5, 0.5))
    desk.click("delete", 2, 4, 4)
    assert not desk.correcting.stack().flat
    assert not (np.asarray(data[:]) == 4).any()
    desk.layer.undo()
    np.testing.assert_array_equal(data[:], volume())
    desk.click("split", 0, 4, 12)
    desk.click("split", 4, 4, 12)  # seeds in different slices
    parts = np.asarray(data[:])[:, 2:9, 10:18]
    assert set(np.unique(parts)) == {6, 7}
    assert {len(np.unique(p)) for p in parts[[0, 1, 3, 4]]} == {1}
    assert (parts[0] != parts[4]).all()
    desk.layer.undo()
    desk.click("accept", 2, 4, 4)
    assert accepted_in(desk.layer).numbers(0, 3) == {4}
    desk.click("accept", 3, 4, 4)
    assert not accepted_in(desk.layer).keys
    desk.click("merge", 2, 4, 12)
    desk.click("merge", 2, 4, 4)
    after = np.asarray(data[:])
    assert (after[1:4, 2:9, 2:18] == 6).all()  # with the line between them
    np.testing.assert_array_equal(after[[0, 4]], volume()[[0, 4]])


def test_slices_that_are_numbered_anew_are_corrected_one_by_one() -> None:
    first, second = squares(), np.zeros((20, 32), np.uint16)
    second[12:18, 2:9], second[1:9, 20:30] = 1, 2
    desk = Desk(np.stack([first, second, first, second]))
    desk.click("accept", 0, 4, 4)
    assert desk.correcting.stack().flat
    accepted = accepted_in(desk.layer)
    assert (accepted.numbers(0, 0), accepted.numbers(0, 1)) == ({1}, set())
    desk.click("accept", 1, 4, 25)
    desk.click("delete", 1, 14, 4)
    assert not (desk.layer.data[1] == 1).any()
    np.testing.assert_array_equal(desk.layer.data[[0, 2]], np.stack([first, first]))
    desk.click("split", 1, 4, 22)
    desk.click("split", 1, 4, 28)
    assert set(np.unique(desk.layer.data[1])) == {0, 2, 3}  # the highest of this slice, and one more
    desk.correcting._forget()
    desk.click("merge", 0, 4, 12)
    assert "different slices" in desk.click("merge", 1, 4, 25)
    desk.correcting.stack().flat = False
    assert not desk.correcting.stack().flat


def test_time_points_are_volumes_of_their_own() -> None:
    data = np.stack([volume(), volume()])
    desk = Desk(data, axis_labels=("t", "z", "y", "x"))
    desk.click("delete", 1, 2, 4, 4)
    np.testing.assert_array_equal(data[0], volume())
    assert not (data[1] == 4).any()
    desk.click("accept", 0, 2, 4, 4)
    assert accepted_in(desk.layer).keys == {(0, None, 4)}
    desk.click("merge", 0, 2, 4, 4)
    assert "different slices or times" in desk.click("merge", 1, 2, 4, 12)


def test_holes_and_gaps_are_filled() -> None:
    plane = squares()
    plane[3:5, 3:5] = 0
    plane[0:10, 31], plane[9, 20:32], plane[0, 20:30] = 9, 9, 9
    desk = Desk(plane)
    assert desk.click("fill", 2, 2) == "Filled the holes of cell 1: 4 pixels. Ctrl+Z takes it back."
    assert (desk.layer.data[1:9, 1:9] == 1).all()
    assert desk.click("fill", 2, 2) == "Cell 1 has no holes."
    before = desk.layer.data.copy()
    assert desk.click("fill", 4, 30) == "This background is not enclosed by cells: click into a gap between them."
    desk.layer.data[0, 30] = 9
    assert desk.click("fill", 4, 30).startswith("Filled the gap with a new cell 10: 8 pixels.")
    desk.layer.undo()
    desk.layer.data[0, 30] = 0
    np.testing.assert_array_equal(desk.layer.data, before)


def test_a_split_follows_the_kept_boundary_of_its_own_slice() -> None:
    data = np.zeros((2, 20, 40), np.int32)
    data[0, 2:18, 2:38], data[1, 2:18, 2:30] = 1, 1
    probabilities = np.zeros((2, *data.shape), np.uint8)
    probabilities[1, 0, :, 12], probabilities[1, 1, :, 25] = 230, 230
    probabilities[0] = 255 - probabilities[1]
    desk = Desk(data)
    keep(desk.layer, Kept(probabilities, "ZYX", (CELL, BOUNDARY), CellSpec(), True, ()))
    for z, column, number in ((0, 12, 2), (1, 25, 2)):
        desk.click("split", z, 9, 4)
        desk.click("split", z, 9, 29)
        left, right = np.unique(data[z, 2:18, 2:column]), np.unique(data[z, 2:18, column + 1 : 30])
        assert len(left) == len(right) == 1
        assert {int(left[0]), int(right[0])} == {1, number}
        desk.correcting._forget()


def test_all_like_the_accepted_ones() -> None:
    plane = np.zeros((40, 60), np.uint16)
    for value, (y, x, height, width) in enumerate(
        [(2, 2, 8, 8), (2, 14, 9, 9), (2, 28, 8, 9), (2, 42, 3, 12), (20, 2, 16, 16), (20, 30, 2, 30)], start=1
    ):
        plane[y : y + height, x : x + width] = value
    desk = Desk(plane)
    desk.correcting.accept_alike()
    assert desk.said == "Accept some typical cells first: point at each and press K."
    desk.click("accept", 4, 4)
    desk.correcting.accept_alike()
    assert accepted_in(desk.layer).numbers(0) == {1, 2, 3, 4, 6}
    desk.layer.undo()
    desk.click("accept", 4, 16)
    desk.correcting.accept_alike()
    assert desk.said.startswith("Accepted 1 more cell of this slice.")
    assert accepted_in(desk.layer).numbers(0) == {1, 2, 3}
    desk.layer.undo()
    assert accepted_in(desk.layer).numbers(0) == {1, 2}


def test_accepted_cells_become_annotation_and_outlive_new_cells() -> None:
    desk = Desk(squares())
    assert accepted_of(desk.layer) is None
    desk.click("accept", 4, 4)
    desk.click("accept", 14, 12)
    accepted = accepted_of(desk.layer)
    assert accepted is not None
    layer, cells = as_annotation(desk.correcting.stack(), accepted)
    assert cells == 2
    np.testing.assert_array_equal(layer.data, np.select([squares() == 1, squares() == 7], [1, 2], 0))
    new = protect(np.ones((20, 32), np.int32), desk.layer.data, accepted.numbers(0))
    np.testing.assert_array_equal(new, np.where(np.isin(squares(), (1, 7)), squares(), 8))


def test_the_annotation_of_a_volume_has_one_number_per_cell() -> None:
    desk = Desk(np.stack([volume(), volume()]), axis_labels=("t", "z", "y", "x"))
    for place in ((0, 2, 4, 4), (1, 0, 4, 12)):
        desk.click("accept", *place)
    layer, cells = as_annotation(desk.correcting.stack(), accepted_in(desk.layer))
    assert cells == 2
    np.testing.assert_array_equal(layer.data[0], volume() == 4)
    np.testing.assert_array_equal(layer.data[1], 2 * (volume() == 6))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (da.zeros((20, 32), dtype=np.int32, chunks=8), "is a dask array, in which pixels cannot be set"),
        ([np.zeros((64, 64), np.int32), np.zeros((32, 32), np.int32)], "has several resolutions"),
        (np.broadcast_to(np.int32(1), (20, 32)), "can only be read"),
    ],
)
def test_what_cannot_be_corrected_is_said(data: Any, sentence: str) -> None:
    viewer = ViewerModel()
    viewer.add_labels(data)
    correcting = Correcting(viewer, CellsChoice(viewer))
    said: list[Message] = []
    correcting.said.connect(said.append)
    correcting.begin("merge")
    assert sentence in said[-1].text
    assert correcting.listener.mode == ""
    correcting.click("delete", (4, 4))
    assert sentence in said[-1].text


def test_places_without_a_cell_and_full_numbers_are_said() -> None:
    desk = Desk(squares().astype(np.uint8))
    assert desk.click("delete", 0, 0) == "There is no cell here: point at one."
    assert "is beside" in desk.click("accept", 40, 4)
    desk.layer.data[19, 31] = 255
    desk.click("split", 14, 4)
    assert "has room for numbers up to 255" in desk.click("split", 14, 25)
    desk.viewer.dims.ndisplay = 3
    assert "in the 2D view first" in desk.click("delete", 4, 4)
    np.testing.assert_array_equal(desk.layer.data[:19], squares()[:19])


def test_the_highest_number_of_a_volume_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.zeros((30, 12, 40), np.int32)
    data[2, 2:9, 2:38], data[20, 4, 4] = 5, 90
    stack = CellStack(Labels(data))
    stack.flat = False
    read: list[int] = []
    plane = stack.plane
    monkeypatch.setattr(stack, "plane", lambda t, z: (read.append(z), plane(t, z))[1])
    place = stack.place((2, 4, 4))
    assert stack.next_number(place) == 91
    stack.number_taken(place, 91)
    first = len(read)
    assert stack.next_number(place) == 92
    assert len(read) == first + 1
    stack.layer.selected_label = 200  # the user is going to paint with it
    assert stack.next_number(place) == 201


def test_a_large_stack_on_disk_is_read_by_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = on_disk(tmp_path, np.concatenate([volume(), np.zeros((40, 12, 20), np.uint16)]))
    desk = Desk(data)
    stack = desk.correcting.stack()
    read: list[int] = []
    crop = stack.crop
    monkeypatch.setattr(stack, "crop", lambda t, box: (read.append(box[0].stop - box[0].start), crop(t, box))[1])
    desk.click("delete", 2, 4, 4)
    desk.click("fill", 2, 4, 12)
    desk.click("accept", 2, 4, 12)
    assert sum(read) < 40
    assert max(read) <= 6


def test_keys_are_free_of_those_of_napari_and_of_the_other_dock() -> None:
    from napari.utils.shortcuts import default_shortcuts

    ours = {key.default for key in CELL_KEYS.values()}
    labels = {
        str(key) for name, bound in default_shortcuts.items() for key in bound if not is_of_another_layer(name)
    }
    assert not ours & labels
    assert not ours & {key.default for key in UNET_KEYS.values()}


def is_of_another_layer(action: str) -> bool:
    """Whether an action of napari is one of image, points, shapes or other layers, which are not active here."""
    from napari.layers import Image, Shapes, Surface, Tracks, Vectors
    from napari.utils.action_manager import action_manager

    provider = action_manager._actions[action].keymapprovider if action in action_manager._actions else None
    return provider in (Image, Points, Shapes, Surface, Tracks, Vectors)


def test_undo_and_redo_say_what_they_undo_and_redo() -> None:
    desk = Desk(squares())
    desk.click("merge", 4, 4)
    desk.click("merge", 4, 12)
    desk.click("accept", 4, 25)
    desk.click("delete", 14, 10)
    desk.layer.paint((19, 31), 3)
    said = []
    for _ in range(5):
        desk.layer.undo()
        said.append(desk.said.split(". ")[0])
    assert said[:4] == [
        "Undone: what was painted",
        "Undone: deleted cell 7",
        "Undone: accepted cell 3",
        "Undone: merged cell 2 into cell 1",
    ]
    assert said[4] == said[3], "there was nothing more to undo, so nothing was said"
    desk.layer.redo()
    assert desk.said == "Done again: merged cell 2 into cell 1. Ctrl+Z takes it back."
    count = len(desk.messages)
    desk.layer.refresh()  # a slice that comes into view undoes nothing
    assert len(desk.messages) == count
