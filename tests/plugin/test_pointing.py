"""Clicks and rectangles on the canvas, as napari reports them; the tool that was used before comes back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Shapes

from napari_unet.plugin.pointing import Pointing
from napari_unet.plugin.selection import Selection


class Desk:
    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.theirs = list(self.viewer.mouse_drag_callbacks)
        self.viewer.add_image(np.zeros((3, 40, 50)), scale=(2, 0.5, 0.5), translate=(0, 3, 4))
        self.selection = Selection(self.viewer)
        self.labels = self.viewer.add_labels(np.zeros((3, 40, 50), np.uint8), scale=(2, 0.5, 0.5))
        self.labels.mode = "paint"
        self.clicks: list[Any] = []
        self.boxes: list[Any] = []
        self.pointing = Pointing(self.viewer, self.selection, self.clicks.append, self.boxes.append)

    @property
    def ours(self) -> list[Any]:
        """Callbacks of the mouse, without napari's own."""
        return [c for c in self.viewer.mouse_drag_callbacks if c not in self.theirs]

    def press(self, start: tuple[int, int], *moves: tuple[int, int], button: int = 1) -> None:
        """Press the mouse, move it, let go: what napari passes to the viewer's callbacks."""
        event = SimpleNamespace(type="mouse_press", pos=start, position=(2.0, *start), button=button)
        for callback in self.ours:
            steps = callback(self.viewer, event)
            next(steps)
            for event.pos in moves:
                event.type = "mouse_move"
                next(steps)
            event.type = "mouse_release"
            with pytest.raises(StopIteration):
                next(steps)

    def draw(self, corner: tuple[float, float], other: tuple[float, float]) -> None:
        """Draw a rectangle with corners in pixels of the image."""
        layer = self.viewer.layers.selection.active
        assert isinstance(layer, Shapes)
        (a, b), (c, d) = corner, other
        layer.add(np.array([[a, b], [a, d], [c, d], [c, b]]), shape_type="rectangle")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_clicks_but_not_drags_are_passed_on_and_nothing_is_painted(desk: Desk) -> None:
    desk.pointing.point_at_cells(desk.labels)
    assert desk.labels.mode == "pan_zoom"
    desk.press((10, 12))
    desk.press((10, 12), (11, 13), (12, 12))
    desk.press((10, 12), (40, 90))
    desk.press((10, 12), button=2)
    assert desk.clicks == [(2.0, 10, 12), (2.0, 10, 12)]
    desk.pointing.end()
    assert desk.labels.mode == "paint"
    desk.press((10, 12))
    assert len(desk.clicks) == 2


def escape(desk: Desk) -> None:
    layer = desk.viewer.layers.selection.active
    assert layer is not None
    (pressed,) = [do for key, do in layer.keymap.items() if str(key) == "Escape"]
    pressed(layer)


@pytest.mark.parametrize(
    ("disturb", "mode"),
    [
        (escape, "paint"),
        (lambda d: setattr(d.labels, "mode", "erase"), "erase"),
        (lambda d: setattr(d.viewer.layers.selection, "active", d.viewer.layers[0]), "paint"),
        (lambda d: d.viewer.layers.remove(d.labels), "paint"),
        (lambda d: d.pointing.end(), "paint"),
    ],
)
def test_other_wishes_end_it(desk: Desk, disturb: Any, mode: str) -> None:
    told: list[str] = []
    desk.pointing.changed.connect(told.append)
    desk.pointing.point_at_cells(desk.labels)
    disturb(desk)
    assert told == ["cells", ""]
    assert desk.labels.mode == mode
    assert not desk.ours
    assert "Escape" not in {str(k) for k in desk.labels.keymap}


def test_a_rectangle_becomes_rows_and_columns_and_leaves_no_trace(desk: Desk) -> None:
    geometry = desk.selection.geometry
    assert geometry is not None
    before = list(desk.viewer.layers)
    desk.pointing.drag_region(geometry)
    assert len(desk.viewer.layers) == len(before) + 1
    desk.draw((4.6, 30.2), (12.1, -5))
    assert desk.boxes == [(slice(5, 13), slice(0, 31))]
    assert list(desk.viewer.layers) == before
    assert desk.viewer.layers.selection.active is desk.labels
    assert desk.labels.mode == "paint"
    desk.pointing.drag_region(geometry)
    desk.draw((100, 100), (120, 110))  # beside the image
    assert desk.boxes[1:] == [None]
    assert list(desk.viewer.layers) == before


@pytest.mark.parametrize(
    "disturb",
    [
        escape,
        lambda d: setattr(d.viewer.layers.selection, "active", d.viewer.layers[0]),
        lambda d: d.viewer.layers.remove(d.viewer.layers[-1]),
        lambda d: setattr(d.viewer.layers[-1], "mode", "pan_zoom"),
        lambda d: d.pointing.point_at_cells(d.labels),
    ],
)
def test_a_rectangle_that_is_not_wanted_any_more(desk: Desk, disturb: Any) -> None:
    assert desk.selection.geometry is not None
    desk.pointing.drag_region(desk.selection.geometry)
    disturb(desk)
    assert not [x for x in desk.viewer.layers if isinstance(x, Shapes)]
    assert isinstance(desk.viewer.layers[1], Labels)
    assert not desk.boxes
    desk.pointing.end()
    assert desk.labels.mode == "paint"
