"""The live preview: where it lies, what it follows, when it goes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_unet.spec import (
    TrainingSpec,
)
from plugin_tools import Desk, a_preview, result


def test_preview_shows_the_plane_in_view_only(desk: Desk) -> None:
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    layer = desk.viewer.layers["U-Net preview"]
    assert layer.data.shape == (40, 50)
    assert (layer.data == 1).all()
    np.testing.assert_array_equal(layer.scale, (0.5, 0.5))
    np.testing.assert_array_equal(layer.translate, (2, 3))
    desk.controller.on_preview(a_preview((40, 50), z=3, boundary=255))  # late: the slider is elsewhere
    assert (layer.data == 1).all()


def test_preview_follows_the_sliders(desk: Desk) -> None:
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    desk.viewer.dims.set_current_step(0, 3)
    assert desk.engine.last("set_view")["args"][:2] == (0, 3)
    assert not desk.viewer.layers["U-Net preview"].data.any()
    calls = desk.engine.count("set_view")
    desk.viewer.dims.set_point(0, desk.viewer.dims.point[0] + 0.1)  # still the same slice
    assert desk.engine.count("set_view") == calls


def test_preview_leaves_the_brush_alone(desk: Desk) -> None:
    desk.paint()
    strokes = desk.viewer.layers["strokes"]
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert desk.viewer.layers.selection.active is strokes
    assert list(desk.viewer.layers).index(strokes) > list(desk.viewer.layers).index(
        desk.viewer.layers["U-Net preview"]
    )


def test_deleting_the_preview_layer_switches_it_off(desk: Desk) -> None:
    switched = []
    desk.controller.live.switched.connect(switched.append)
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    desk.viewer.layers.remove("U-Net preview")
    assert switched == [False]
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert "U-Net preview" not in desk.viewer.layers
    desk.controller.live.switch(True)
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert "U-Net preview" in desk.viewer.layers


def test_nothing_is_removed_in_the_midst_of_a_removal(desk: Desk) -> None:
    """napari deletes the selected layers in a loop; one that went by itself ends it half-way."""
    waiting: list[Callable[[], None]] = []
    desk.controller.later = waiting.append
    desk.paint()
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    switched = []
    desk.controller.live.switched.connect(switched.append)
    desk.viewer.layers.remove(desk.image)
    assert "U-Net preview" in desk.viewer.layers
    desk.viewer.layers.remove("U-Net preview")
    for action in waiting:
        action()
    assert switched == []  # it went with its image

    waiting.clear()
    desk.viewer.add_image(desk.image.data, name="again")
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    desk.viewer.dims.ndisplay = 3
    assert "U-Net preview" in desk.viewer.layers
    waiting[-1]()
    assert "U-Net preview" not in desk.viewer.layers


def test_preview_of_another_image_is_dropped(desk: Desk) -> None:
    desk.viewer.add_image(np.zeros((4, 20, 20)), name="other")
    desk.controller.selection.choose_image(desk.viewer.layers["other"])
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert "U-Net preview" not in desk.viewer.layers


def test_the_eye_of_the_preview_is_its_switch(desk: Desk) -> None:
    switched = []
    desk.controller.live.switched.connect(switched.append)
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    layer = desk.viewer.layers["U-Net preview"]
    layer.visible = False
    assert switched == [False]
    asked = desk.engine.count("set_view")
    desk.controller.live.switch(True)
    assert layer.visible
    assert desk.engine.count("set_view") == asked + 1
    desk.paint()
    desk.controller.live.switch(False)
    desk.controller.trainer.train(TrainingSpec())
    assert not layer.visible  # switched off by the user, not by results


@pytest.mark.parametrize("outcome", ["finished", "stopped"])
def test_the_preview_stays_until_that_of_the_best_model_is_there(desk: Desk, outcome: str) -> None:
    """It must not look as if the training had lost what it showed."""
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    asked = desk.engine.count("set_view")
    desk.controller.on_job_finished(result("train", outcome))
    layer = desk.viewer.layers["U-Net preview"]
    assert desk.engine.count("set_view") == asked + 1
    assert (layer.data == 1).all()
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1], boundary=255))
    assert (layer.data == 2).all()


def test_the_preview_of_another_model_is_not_taken_for_that_of_an_opened_one(desk: Desk) -> None:
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    asked = desk.engine.count("set_view")
    desk.controller.on_job_finished(result("load", "finished"))
    assert desk.engine.count("set_view") == asked + 1
    assert not desk.viewer.layers["U-Net preview"].data.any()
