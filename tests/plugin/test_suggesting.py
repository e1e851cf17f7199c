"""Annotate here next, without a window: what the engine is asked, where the viewer goes, what is outlined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Shapes

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Suggestion
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import is_ours
from napari_unet.plugin.layers import plane_at
from napari_unet.plugin.scope import _rectangles, draw_rectangle
from napari_unet.plugin.suggesting import FILLED, camera_of, canvas_size, why
from plugin_tools import Desk, result

LIKE_THIS = "of the image looks like this and is not annotated"


def found(z: int = 2, y: int = 10, x: int = 20, *, again: bool = False) -> Suggestion:
    return Suggestion(Region((0, 1), (z, z + 1), (y, y + 16), (x, x + 16)), 0.3, 0.9, 0.3, 3, 4, again)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, scale=(4, 0.5, 0.5), translate=(10, 3, 5))


def outlines(desk: Desk) -> list[Shapes]:
    return [x for x in desk.viewer.layers if is_ours(x, "suggestion")]


def finish(desk: Desk) -> None:
    desk.controller.on_job_finished(result("suggest"))


def test_the_engine_is_asked_about_the_image_in_view_and_what_is_painted(desk):
    desk.paint()
    desk.viewer.dims.set_point(0, 10 + 4 * 3)
    desk.controller.suggesting.ask()
    asked = desk.engine.last("suggest")
    image, labels = asked["args"]
    assert image.data is desk.image.data
    np.testing.assert_array_equal(labels.data, desk.controller.selection.labels_layer.data)
    assert (asked["view"], asked["shown"], asked["planes"]) == ((0, 3), (), ((0, 0), (0, 1), (0, 2), (0, 3)))
    assert desk.controller.job == "suggest"
    assert not desk.states[-1].suggest


def test_without_annotation_the_engine_is_asked_as_well(desk):
    desk.controller.suggesting.ask()
    assert desk.engine.last("suggest")["args"][1] is None


def test_the_viewer_goes_to_the_place_and_outlines_it(desk):
    desk.paint()
    layer = desk.controller.selection.labels_layer
    mode = layer.mode
    desk.controller.suggesting.ask()
    desk.controller.on_suggestion(found())
    finish(desk)
    viewer, image = desk.viewer, desk.controller.selection.image
    assert plane_at(desk.image, image, viewer.dims.point) == (0, 2)
    middle = desk.image.data_to_world((2, 17.5, 27.5))
    np.testing.assert_allclose(camera_of(viewer).center[-2:], middle[-2:])
    height, width = canvas_size(viewer)
    assert 16 * 0.5 * camera_of(viewer).zoom == pytest.approx(FILLED * min(height, width), rel=0.1)
    (outline,) = outlines(desk)
    corners = outline.data[0]
    assert set(corners[:, 0]) == {2}
    assert (corners[:, 1].min(), corners[:, 1].max()) == (9.5, 25.5)
    assert (corners[:, 2].min(), corners[:, 2].max()) == (19.5, 35.5)
    np.testing.assert_allclose(outline.scale, desk.image.scale)
    np.testing.assert_allclose(outline.translate, desk.image.translate)
    assert viewer.layers.selection.active is layer
    assert layer.mode == mode == "paint"
    assert desk.controller.job is None
    said = desk.messages[-1].text
    assert said == f"Slice 2: the network is unsure here, and much {LIKE_THIS}; 3 of 4 slices looked at."


@pytest.mark.parametrize(
    ("unsure", "unlike", "stands_for", "words"),
    [  # of simulated sequences
        (0.67, 1.0, 0.61, f"The network is very unsure here, and much {LIKE_THIS}."),
        (0.45, 0.14, 0.136, f"The network is unsure here, and some {LIKE_THIS}."),
        (0.16, 1.0, 0.445, f"Much {LIKE_THIS}."),
        (0.88, 1.0, 0.013, "The network is very unsure here, and nothing like this is annotated."),
        (0.66, 0.04, 0.027, "The network is very unsure here."),
        (0.02, 0.11, 0.008, "No place needs much more annotation, and this one is worth most."),
    ],
)
def test_only_what_speaks_for_a_place_is_told(unsure, unlike, stands_for, words):
    place = Suggestion(found().region, unsure, unlike, stands_for, 1, 1)
    assert why(place, Image(np.zeros((64, 64)), "YX")) == words


def test_a_place_is_not_asked_for_again_until_the_annotation_there_has_changed(desk):
    desk.paint()
    suggesting = desk.controller.suggesting

    def shown() -> tuple[Region, ...]:
        suggesting.ask()
        finish(desk)
        return desk.engine.last("suggest")["shown"]

    assert shown() == ()
    suggesting.on_suggestion(found(z=2))
    suggesting.on_suggestion(found(z=0))
    assert len(outlines(desk)) == 1
    assert set(shown()) == {found(z=2).region, found(z=0).region}
    desk.controller.selection.labels_layer.data[2, 12, 22] = 2
    assert shown() == (found(z=0).region,)
    suggesting.on_suggestion(found(z=1, again=True))
    assert shown() == (found(z=1).region,)


def test_another_image_has_no_suggestions_behind_it(desk):
    suggesting = desk.controller.suggesting
    suggesting.ask()
    suggesting.on_suggestion(found())
    finish(desk)
    other = desk.viewer.add_image(np.zeros((4, 40, 50), np.uint8), name="other")
    desk.controller.selection.choose_image(other)
    suggesting.on_suggestion(found(z=0))  # of the image before
    assert plane_at(other, desk.controller.selection.image, desk.viewer.dims.point)[1] != 0
    suggesting.ask()
    assert desk.engine.last("suggest")["shown"] == ()


def test_escape_takes_the_outline_away_and_gives_the_key_back(desk):
    desk.paint()
    suggesting = desk.controller.suggesting
    layer = desk.controller.selection.labels_layer
    before = dict(layer.keymap), dict(desk.viewer.keymap)
    suggesting.ask()
    suggesting.on_suggestion(found())
    for owner in (layer, desk.viewer):
        assert len(owner.keymap) == 1
    next(iter(layer.keymap.values()))(layer)
    assert not outlines(desk)
    assert (dict(layer.keymap), dict(desk.viewer.keymap)) == before
    suggesting.clear()  # twice does no harm


def test_an_outline_that_the_user_deletes_is_forgotten(desk):
    suggesting = desk.controller.suggesting
    suggesting.ask()
    suggesting.on_suggestion(found())
    desk.viewer.layers.remove(outlines(desk)[0])
    assert suggesting.outline is None
    suggesting.on_suggestion(found(z=1))
    assert len(outlines(desk)) == 1
    desk.controller.close()
    assert not outlines(desk)


def test_the_outline_is_no_rectangle_to_segment(desk):
    suggesting = desk.controller.suggesting
    suggesting.ask()
    suggesting.on_suggestion(found())
    finish(desk)
    assert not list(_rectangles(desk.viewer))
    layer = draw_rectangle(desk.viewer, desk.controller.selection.geometry)
    layer.add_rectangles([[1, 1], [9, 9]])
    assert len(list(_rectangles(desk.viewer))) == 1


def test_while_something_else_runs_nothing_is_asked(desk):
    desk.controller.work.begin("predict")
    desk.controller.suggesting.ask()
    assert desk.engine.count("suggest") == 0
    assert desk.messages[-1].kind == "warning"


def test_a_failure_is_told(desk, monkeypatch):
    desk.controller.suggesting.ask()
    desk.controller.on_job_finished(result("suggest", "failed", "it has 3 channels"))
    assert desk.messages[-1].text == "it has 3 channels"
    assert desk.controller.job is None

    def refuse(*args: object, **more: object) -> None:
        raise UserError("no numbers")

    monkeypatch.setattr(desk.engine, "suggest", refuse, raising=False)
    desk.controller.suggesting.ask()
    assert (desk.messages[-1].text, desk.controller.job) == ("no numbers", None)


def test_turned_axes_are_turned_back_so_that_the_square_is_seen(desk):
    desk.viewer.dims.order = (1, 0, 2)
    desk.controller.suggesting.ask()
    desk.controller.on_suggestion(found())
    viewer = desk.viewer
    assert viewer.dims.displayed == (1, 2)
    assert plane_at(desk.image, desk.controller.selection.image, viewer.dims.point) == (0, 2)
    middle = desk.image.data_to_world((2, 17.5, 27.5))
    np.testing.assert_allclose(camera_of(viewer).center[-2:], middle[-2:])
