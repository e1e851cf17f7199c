"""The map of how unsure the network is: it takes the preview's place, follows it, and is nothing to work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image

from napari_unet.plugin.annotation import is_ours
from plugin_tools import Desk, a_preview


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, scale=(4, 0.5, 0.5), translate=(10, 3, 5))


def maps(desk: Desk) -> list[Image]:
    return [x for x in desk.viewer.layers if is_ours(x, "unsure")]


def plane(desk: Desk, boundary: int = 55) -> None:
    """Let the engine report a prediction of the plane in view."""
    t, z = desk.controller.live.plane
    desk.controller.on_preview(a_preview((40, 50), t, z, boundary))


def classes(desk: Desk) -> bool:
    """Whether the preview shows classes."""
    layer = desk.controller.live.layer.layer
    return layer is not None and bool(layer.data.any())


def test_it_takes_the_place_of_the_preview_and_gives_it_back(desk):
    desk.paint()
    plane(desk)
    live, strokes = desk.controller.live, desk.controller.selection.labels_layer
    live.switch_unsure(True)
    (layer,) = maps(desk)
    np.testing.assert_array_equal(layer.data, 255 - (200 - 55))
    np.testing.assert_allclose(layer.scale, desk.image.scale[1:])
    np.testing.assert_allclose(layer.translate, desk.image.translate[1:])
    assert not classes(desk)
    assert desk.viewer.layers.selection.active is strokes
    assert desk.viewer.layers.index(layer) < desk.viewer.layers.index(strokes)
    assert desk.engine.count("set_view") == 1  # what it needs was there
    live.switch_unsure(False)
    assert not maps(desk)
    assert classes(desk)


def test_it_follows_the_training_and_the_slider(desk):
    live = desk.controller.live
    live.switch_unsure(True)
    plane(desk)
    (layer,) = maps(desk)
    plane(desk, boundary=128)
    assert maps(desk) == [layer]
    assert (layer.data == 254).all()
    desk.viewer.dims.set_point(0, 10)
    assert not layer.data.any()  # not the map of another slice
    assert desk.engine.last("set_view")["args"][:2] == (0, 0)
    plane(desk, boundary=0)
    assert maps(desk) == [layer]
    assert not layer.data.any()


def test_it_is_shown_while_the_preview_is_off_and_asks_for_what_it_needs(desk):
    live = desk.controller.live
    live.switch(False)
    assert desk.engine.count("clear_view") == 1
    asked = desk.engine.count("set_view")
    live.switch_unsure(True)
    assert desk.engine.count("set_view") == asked + 1
    plane(desk)
    assert maps(desk)
    assert not classes(desk)
    live.switch_unsure(False)
    assert desk.engine.count("clear_view") == 2
    plane(desk)
    assert not maps(desk)
    assert not classes(desk)


def test_switching_the_preview_off_leaves_the_map(desk):
    live = desk.controller.live
    plane(desk)
    live.switch_unsure(True)
    live.switch(False)
    assert desk.engine.count("clear_view") == 0
    plane(desk, boundary=100)
    assert maps(desk)[0].data.max() == 200


@pytest.mark.parametrize("how", ["delete", "hide"])
def test_deleting_or_hiding_it_switches_it_off(desk, how):
    desk.paint()
    live, heard = desk.controller.live, []
    live.unsure_switched.connect(heard.append)
    plane(desk)
    live.switch_unsure(True)
    (layer,) = maps(desk)
    if how == "delete":
        desk.viewer.layers.remove(layer)
    else:
        layer.visible = False
    assert heard == [True, False]
    assert not maps(desk)
    assert classes(desk)


def test_it_is_neither_offered_as_an_image_nor_left_behind(desk):
    plane(desk)
    desk.controller.live.switch_unsure(True)
    assert desk.controller.selection.images == [desk.image]
    desk.viewer.dims.ndisplay = 3
    assert not maps(desk)
    desk.viewer.dims.ndisplay = 2
    plane(desk)
    assert maps(desk)
    desk.viewer.layers.remove(desk.image)
    assert not maps(desk)
