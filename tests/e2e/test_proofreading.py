"""Cells are proofread in the real window, by mouse and key: merge, split, undo, redo, delete, accept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Labels, Shapes
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from scipy import ndimage as ndi

from driving import Point, on_canvas, rest, stroke
from napari_unet.plugin.cells.accepted import accepted_in
from napari_unet.plugin.cells.dock import CellsDock

pytestmark = pytest.mark.e2e
PLAIN = Qt.KeyboardModifier.NoModifier
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class Hand:
    """A person at the mouse and the keyboard."""

    def __init__(self, viewer: napari.Viewer, dock: CellsDock, cells: Labels, qtbot: QtBot) -> None:
        self.viewer, self.dock, self.cells, self._qtbot = viewer, dock, cells, qtbot
        self.native = viewer.window._qt_viewer.canvas.native

    @property
    def plane(self) -> np.ndarray[Any, Any]:
        return np.asarray(self.cells.data[tuple(self.viewer.dims.current_step[: self.cells.ndim - 2])])

    def middle(self, number: int) -> Point:
        depth = ndi.distance_transform_edt(self.plane == number)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        return float(y), float(x)

    def hover(self, point: Point) -> None:
        QTest.mouseMove(self.native, on_canvas(self.viewer, self.cells, point))
        rest(50)

    def click(self, point: Point) -> str:
        place = on_canvas(self.viewer, self.cells, point)
        QTest.mouseMove(self.native, place)
        QTest.mouseClick(self.native, Qt.MouseButton.LeftButton, PLAIN, place)
        rest(50)
        return self.said

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = PLAIN) -> str:
        self._qtbot.keyClick(self.native, key, modifier)
        rest(150)
        return self.said

    @property
    def said(self) -> str:
        return self.dock.status.message.text

    def wait_until(self, holds: Callable[[], Any]) -> None:
        self._qtbot.waitUntil(lambda: bool(holds()))

    def wait_for(self, counts: str) -> None:
        """The dock counts a little later."""
        self._qtbot.waitUntil(lambda: self.dock.correct.counts.text() == counts)


@pytest.fixture
def open_cells(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> Iterator[Callable[[str], Hand]]:
    docks: list[CellsDock] = []

    def open_it(sample: str) -> Hand:
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1200, 800)
        viewer.open_sample("napari-unet-live", sample)
        _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
        docks.append(dock)
        rest(100)  # the sample selects its image when it is there
        cells = viewer.layers[f"{sample} truth"]
        assert dock.choice.cells is None, "the truth is not corrected by mistake"
        dock.choice.choose_cells(cells.name)
        cells.visible = True
        viewer.layers.selection.active = cells
        rest(300)
        viewer.reset_view()  # the dock has covered a part of it
        rest(100)
        return Hand(viewer, dock, cells, qtbot)

    yield open_it
    for dock in docks:
        dock.shut_down()


def neighbours(plane: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The two cells that touch most."""
    pairs = np.stack([plane[:, :-1].ravel(), plane[:, 1:].ravel()])
    touching = pairs[:, (pairs != 0).all(axis=0) & (pairs[0] != pairs[1])]
    found, counts = np.unique(touching, axis=1, return_counts=True)
    a, b = found[:, counts.argmax()]
    return int(a), int(b)


def test_cells_of_an_image_are_proofread(open_cells: Callable[[str], Hand]) -> None:
    hand = open_cells("nuclei-6")
    cells, truth = hand.cells, np.array(hand.cells.data)
    cells.mode = "paint"
    first, second = neighbours(truth)
    places = hand.middle(first), hand.middle(second)
    hand.wait_for("0 of 130 cells of the image accepted.")

    hand.press(Qt.Key.Key_J)
    assert hand.dock.correct.buttons["merge"].isChecked()
    hand.click(places[0])
    assert hand.click(places[1]).startswith(f"Merged cell {second} into cell {first}.")
    joined = np.where(truth == second, first, truth)
    np.testing.assert_array_equal(cells.data[truth > 0], joined[truth > 0])
    hand.press(Qt.Key.Key_Escape)
    assert not hand.dock.correct.buttons["merge"].isChecked()
    assert cells.mode == "paint"
    merged = np.array(cells.data)
    hand.wait_for("0 of 129 cells of the image accepted.")

    hand.dock.correct.buttons["split"].click()
    hand.click(places[0])
    assert hand.click(places[1]).startswith(f"Split cell {first} into 2.")
    hand.press(Qt.Key.Key_Escape)
    parts = [cells.data == cells.data[tuple(int(i) for i in p)] for p in places]
    for part, number in zip(parts, (first, second), strict=True):
        was = truth == number
        assert (part & was).sum() / (part | was).sum() > 0.6
    np.testing.assert_array_equal(parts[0] | parts[1], merged == first)
    split = np.array(cells.data)

    hand.press(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(cells.data, merged)
    hand.press(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(cells.data, truth)
    for _ in range(2):
        hand.press(Qt.Key.Key_Z, CTRL | SHIFT)
    np.testing.assert_array_equal(cells.data, split)

    sizes = np.bincount(truth.ravel())
    sizes[[0, first, second]] = 0
    large, other, third = (int(n) for n in sizes.argsort()[::-1][:3])
    for number in (large, other):
        hand.hover(hand.middle(number))
        assert hand.press(Qt.Key.Key_K).startswith(f"Accepted cell {number}.")
    hand.wait_for("2 of 130 cells of the image accepted.")
    outlined = hand.viewer.layers["accepted"]
    np.testing.assert_array_equal(outlined.data != 0, np.isin(cells.data, (large, other)))
    assert hand.viewer.layers.selection.active is cells
    hand.hover(hand.middle(large))
    place = tuple(int(i) for i in hand.middle(large))
    assert hand.press(Qt.Key.Key_D).startswith(f"Deleted cell {large}.")
    assert not (cells.data == large).any()
    hand.wait_for("1 of 129 cells of the image accepted.")
    hand.press(Qt.Key.Key_Z, CTRL)
    assert cells.data[place] == large
    hand.wait_for("2 of 130 cells of the image accepted.")
    hand.press(Qt.Key.Key_Z, CTRL)
    assert accepted_in(cells).numbers(0) == {large}
    hand.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert accepted_in(cells).numbers(0) == {large, other}
    np.testing.assert_array_equal(cells.data, split)

    y, x = hand.middle(third)
    rows = np.nonzero((cells.data == third).any(axis=1))[0]
    hand.press(Qt.Key.Key_C, SHIFT)
    assert isinstance(hand.viewer.layers.selection.active, Shapes)
    stroke(hand.viewer, cells, [(rows[0] - 4.0, x), (y, x), (y + 3, x), (rows[-1] + 4.0, x)])
    rest(100)
    assert hand.said.startswith("Split cell "), hand.said
    assert hand.viewer.layers.selection.active is cells
    assert len(np.unique(cells.data)) == len(np.unique(split)) + 1

    hand.press(Qt.Key.Key_K, SHIFT)
    assert "of this slice" in hand.said
    accepted = accepted_in(cells).numbers(0)
    assert accepted > {large, other}
    hand.dock.correct.annotation_button.click()
    copy = hand.viewer.layers["accepted cells"]
    np.testing.assert_array_equal(copy.data != 0, np.isin(cells.data, list(accepted)))

    before = np.array(cells.data)  # napari's own brush works as ever
    cells.selected_label = 999
    stroke(hand.viewer, cells, [(5.0, 5.0), (5.0, 9.0)])
    assert (cells.data == 999).any()
    hand.press(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(cells.data, before)

    hand.dock.correct.unfold(False)
    hand.hover(hand.middle(other))
    hand.press(Qt.Key.Key_D)
    np.testing.assert_array_equal(cells.data, before)
    hand.dock.shut_down()
    assert "accepted" not in hand.viewer.layers


def test_cells_of_a_volume_are_proofread_through_their_slices(open_cells: Callable[[str], Hand]) -> None:
    hand = open_cells("nuclei-3d")
    cells, truth = hand.cells, np.array(hand.cells.data)
    hand.viewer.dims.set_current_step(0, 15)
    hand.wait_until(hand.dock.through.isChecked)
    first, second = neighbours(truth[15])
    hand.press(Qt.Key.Key_J)
    hand.click(hand.middle(first))
    hand.click(hand.middle(second))
    assert not (cells.data == second).any()
    others = ~np.isin(truth, (0, first, second))
    np.testing.assert_array_equal(cells.data[others], truth[others])
    hand.press(Qt.Key.Key_Escape)
    hand.press(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(cells.data, truth)
    hand.hover(hand.middle(first))
    hand.press(Qt.Key.Key_K)
    hand.wait_until(lambda: "accepted" in hand.viewer.layers)
    hand.viewer.dims.set_current_step(0, 16)
    outlined = truth[16] == first
    hand.wait_until(lambda: np.array_equal(hand.viewer.layers["accepted"].data != 0, outlined))
    hand.viewer.dims.ndisplay = 3
    hand.wait_until(lambda: not hand.viewer.layers["accepted"].data.any())
    assert "2D view first" in hand.press(Qt.Key.Key_J)
    hand.viewer.dims.ndisplay = 2
    hand.dock.shut_down()
