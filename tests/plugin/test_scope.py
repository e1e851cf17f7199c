"""What is segmented: rectangles in pixels of the image, wherever layers lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Shapes

from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.plugin.layers import geometry_of, image_of
from napari_unet.plugin.scope import draw_rectangle, find_region


class Table:
    """An image in a viewer, and what is found on it."""

    def __init__(self, data: Any, axes: str, **properties: Any) -> None:
        self.viewer = ViewerModel()
        self.layer = self.viewer.add_image(data, name="stack", **properties)
        self.image = image_of(self.layer, axes)
        self.geometry = geometry_of(self.layer, axes)

    def draw(self, top: float, left: float, bottom: float, right: float, **properties: Any) -> Shapes:
        corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
        return self.viewer.add_shapes([corners], shape_type="rectangle", **properties)

    def find(self, scope: Any = "rectangle", **more: Any) -> Region:
        return find_region(self.viewer, self.layer, self.image, scope, **more)


def test_the_slice_in_view_and_ranges_of_the_stack() -> None:
    table = Table(np.zeros((5, 7, 40, 50)), "TZYX", scale=(1, 3, 0.5, 0.5))
    table.viewer.dims.set_current_step(0, 2)
    table.viewer.dims.set_current_step(1, 6)
    assert table.find("slice") == Region((2, 3), (6, 7), (0, 40), (0, 50))
    assert table.find("stack") == Region((0, 5), (0, 7), (0, 40), (0, 50))
    assert table.find("stack", ranges=((1, 2), None)) == Region((1, 2), (0, 7), (0, 40), (0, 50))
    table.draw(10, 20, 15, 24)
    assert table.find() == Region((2, 3), (6, 7), (20, 31), (40, 49))
    assert table.find(through=True, ranges=(None, (0, 3))) == Region((0, 5), (0, 3), (20, 31), (40, 49))


def test_scale_and_translation_of_both_layers_count() -> None:
    table = Table(np.zeros((4, 40, 50)), "ZYX", scale=(3, 0.5, 0.25), translate=(1, 2, 3))
    table.draw(1, 1, 2, 3, scale=(4, 2), translate=(0, 1))  # world: rows 4 to 8, columns 3 to 7
    assert table.find().ranges[2:] == ((4, 13), (0, 17))


def test_pixels_whose_centres_are_inside_and_no_others() -> None:
    table = Table(np.zeros((40, 50)), "YX")
    table.draw(4.6, 5.4, 9.4, 9.6)
    assert table.find().ranges[2:] == ((5, 10), (6, 10))


@pytest.mark.parametrize(
    ("shape", "axes", "rgb"),
    [((5, 2, 40, 50), "TCYX", False), ((40, 50, 3), "YXS", True), ((2, 40, 50), "CYX", False)],
)
def test_channels_and_colours(shape: tuple[int, ...], axes: str, rgb: bool) -> None:
    table = Table(np.zeros(shape, np.uint8), axes, rgb=rgb)
    table.draw(-5, 30, 10, 90)
    assert table.find().ranges[2:] == ((0, 11), (30, 50))


def test_multiscale_counts_in_pixels_of_the_full_resolution() -> None:
    table = Table([np.zeros((4, 400, 500)), np.zeros((4, 200, 250))], "ZYX", multiscale=True, scale=(1, 0.1, 0.1))
    table.draw(1, 2, 3, 4)
    assert table.find().ranges[2:] == ((10, 31), (20, 41))


def test_the_selected_rectangle_counts_or_else_the_last() -> None:
    table = Table(np.zeros((40, 50)), "YX")
    first, last = table.draw(1, 1, 5, 5), table.draw(10, 10, 20, 20)
    table.viewer.layers.selection.active = table.layer
    assert table.find().y == (10, 21)
    table.viewer.layers.selection.active = first
    assert table.find().y == (1, 6)
    first.add_rectangles(np.array([[30, 30], [35, 35]]))
    assert table.find().y == (30, 36)
    first.selected_data = {0}
    assert table.find().y == (1, 6)
    last.add_ellipses(np.array([[0, 0], [3, 3]]))
    table.viewer.layers.selection.active = last
    assert table.find().y == (10, 21)


def test_what_is_missing_is_said() -> None:
    table = Table(np.zeros((40, 50)), "YX")
    with pytest.raises(UserError, match="press 'Draw"):
        table.find()
    table.draw(3, 3, 3.2, 3.2)  # a click
    with pytest.raises(UserError, match="press 'Draw"):
        table.find()
    table.draw(100, 100, 120, 120)
    with pytest.raises(UserError, match="lies beside 'stack'"):
        table.find()


def test_drawing_replaces_what_was_drawn_so_and_nothing_else() -> None:
    table = Table(np.zeros((4, 40, 50)), "ZYX", scale=(3, 0.5, 0.5), translate=(1, 2, 3))
    mine = table.draw(1, 1, 5, 5)
    table.viewer.dims.ndisplay = 3
    draw_rectangle(table.viewer, table.geometry)
    layer = draw_rectangle(table.viewer, table.geometry)
    assert [x for x in table.viewer.layers if isinstance(x, Shapes)] == [mine, layer]
    assert (table.viewer.dims.ndisplay, layer.mode) == (2, "add_rectangle")
    assert table.viewer.layers.selection.active is layer
    layer.add_rectangles(np.array([[2, 3], [4, 6]]))
    assert table.find().ranges[2:] == ((2, 5), (3, 7))
