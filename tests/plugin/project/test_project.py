"""Keeping a project: what is saved when, and what comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from cli_tools import run
from napari_unet.errors import UserError
from napari_unet.plugin import opening
from napari_unet.plugin.opening import read
from napari_unet.plugin.project import AFTER
from napari_unet.spec import TargetSpec, TrainingSpec, TrainSpec
from napari_unet.storage.project import FILE, read_project
from napari_unet.storage.samples import load_sample
from project_tools import Window, made, window_on


def test_a_time_series_comes_back_as_one(image: Path, tmp_path: Path) -> None:
    """Its axes were told by hand: nothing in the file says so."""
    window = Window(tmp_path / "cache")
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, load_sample("nuclei-3d").image)
    window.open(plain)
    window.open(image)
    selection, (series, other) = window.controller.selection, window.viewer.layers
    selection.choose_image(series)
    assert selection.axes == "ZYX"
    selection.set_axes("TYX")
    selection.choose_image(other)
    selection.choose_image(series)
    assert selection.axes == "TYX"  # as it was told
    window.paint((2, 5, 5), value=2)
    window.keeper.keep_in(tmp_path / "mine")
    window.keeper._wait()
    window.controller.close()
    folder = tmp_path / "mine.unet"
    for chosen in ("plain", "cells ü"):
        next_day = Window(tmp_path / "cache")
        next_day.bring(folder)
        selection = next_day.controller.selection
        selection.choose_image(next_day.viewer.layers["plain"])
        assert (selection.axes, selection.image.axes, selection.image.size("T")) == ("TYX", "TYX", 30)
        next_day.paint((3, 5, 5), value=1)
        selection.choose_image(next_day.viewer.layers["cells ü"])
        selection.choose_image(next_day.viewer.layers[chosen])
        next_day.wait()
        next_day.controller.close()
        assert [i.axes for i in read_project(folder).images if i.look.name == "plain"] == ["TYX"]


def test_axes_that_are_told_reach_an_image_that_is_chosen_already(image: Path, tmp_path: Path) -> None:
    window = Window(tmp_path / "cache")
    window.open(image)
    selection, (layer,) = window.controller.selection, window.viewer.layers
    assert (selection.image_layer, selection.axes) == (layer, "ZYX")
    seen: list[str] = []
    selection.changed.connect(lambda: seen.append(selection.axes))
    selection.tell_axes(layer, "TYX")
    assert (selection.axes, selection.image.axes, selection.image.size("T")) == ("TYX", "TYX", 30)
    assert seen == ["TYX"]
    other = window.viewer.add_image(layer.data, name="other")
    selection.tell_axes(other, "TYX")
    assert (selection.image_layer, len(seen)) == (layer, 2)  # once for the layer that came
    window.controller.close()


def test_all_comes_back_the_next_day(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    painted = window.paint((2, 5, 5), (7, 9, 9), value=2)
    window.viewer.dims.set_current_step(0, 7)
    point = window.viewer.dims.point
    spec = TrainingSpec(target=TargetSpec(style="cells"), train=TrainSpec(steps=7))
    window.keeper.take_settings(spec)
    window.keeper.keep_in(tmp_path / "mine")
    window.keeper._wait()
    assert window.keeper.state == "mine.unet: saved just now"
    window.paint((3, 1, 1), value=3)
    window.viewer.layers.clear()  # as a viewer does that is closed
    window.controller.close()
    folder = tmp_path / "mine.unet"

    next_day = Window(tmp_path / "cache")
    next_day.bring(folder)
    selection = next_day.controller.selection
    assert [x.name for x in next_day.viewer.layers] == ["cells ü", "strokes"]
    back, strokes = next_day.viewer.layers
    np.testing.assert_array_equal(back.data, load_sample("nuclei-3d").image)
    np.testing.assert_array_equal(strokes.data, painted)
    assert strokes.data[3, 1, 1] == 3
    assert strokes.data.dtype == painted.dtype
    for layer in (back, strokes):
        assert layer.scale.tolist() == [2, 0.5, 0.5]
        assert layer.translate.tolist() == [4, 1, 0]
        assert [str(u) for u in layer.units] == ["micrometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
    assert (back.colormap.name, back.contrast_limits) == ("magma", [3, 99])
    assert (selection.image_layer, selection.labels_layer) == (back, strokes)
    assert next_day.viewer.dims.point == point
    assert TrainingSpec.model_validate(next_day.opened[0].settings) == spec
    assert "is as it was left" in next_day.said[-1]

    strokes.data_setitem((np.array([9]), np.array([2]), np.array([2])), 5)
    next_day.wait()
    assert read(str(folder))[1][0][9, 2, 2] == 5
    next_day.controller.close()


def test_saving_waits_for_the_brush_and_writes_only_when_something_changed(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    file = tmp_path / "a.unet" / FILE
    before = file.read_bytes()
    for n in range(5):
        window.paint((1, 1, n))
        window.wait(AFTER / 2)
    assert file.read_bytes() == before
    window.wait()
    assert len(read_project(file.parent).annotations[0].blocks) == 1
    after = file.stat().st_mtime_ns
    window.wait(60)
    assert file.stat().st_mtime_ns == after
    assert window.keeper.state == "a.unet: saved 1 min 0 s ago"
    window.controller.close()
    assert read_project(file.parent).closed


def test_sliders_are_no_strokes_and_undo_is_one(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    layer = window.controller.selection.labels_layer
    assert layer is not None
    window.wait()

    def is_edit(action: Callable[[], object]) -> bool:
        before = window.keeper._version
        action()
        return window.keeper._version > before

    dims = window.viewer.dims
    for z in range(5):
        assert not is_edit(lambda z=z: dims.set_current_step(0, z))  # type: ignore[misc]
    assert not is_edit(lambda: dims.set_point(0, dims.point[0] + 0.1))
    assert not is_edit(lambda: setattr(dims, "ndisplay", 3))
    assert not is_edit(lambda: setattr(dims, "ndisplay", 2))
    assert is_edit(layer.undo)
    assert is_edit(layer.redo)
    layer.visible = False
    assert not is_edit(lambda: dims.set_current_step(0, 8))  # napari does not even show it
    layer.undo()
    layer.visible = True
    assert is_edit(lambda: layer.paint((8, 9, 9), 2))
    layer.data[3, 3, 3] = 1
    assert is_edit(layer.refresh)  # of another plugin
    window.controller.close()


def test_a_layer_that_is_closed_is_kept_but_not_opened_again(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    window.viewer.layers.remove("strokes")
    window.wait()
    window.paint((2, 2, 2))
    window.wait(30)
    window.controller.close()
    first, second = read_project(tmp_path / "a.unet").annotations
    assert (first.is_open, second.is_open) == (False, True)
    assert (tmp_path / "a.unet" / first.blocks["1-0-0"].file).is_file()
    back = Window(tmp_path / "cache")
    back.bring(tmp_path / "a.unet")
    assert len(back.viewer.layers) == 2
    assert back.viewer.layers[1].data[2, 2, 2] == 1
    back.controller.close()
    assert len(read_project(tmp_path / "a.unet").annotations) == 2


def test_images_that_have_moved_or_changed(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(image, tmp_path)
    warned: list[str] = []
    monkeypatch.setattr(opening, "show_warning", warned.append)
    moved = tmp_path / "elsewhere"
    shutil.move(image.parent, moved)
    assert len(read(str(moved / "a.unet"), where=lambda *_: None)) == 2  # both together
    other = (moved / image.name).rename(tmp_path / "other.tif")
    with pytest.raises(UserError, match=r"needs the image 'cells ü', which is not there.*cells ü\.tif"):
        read(str(moved / "a.unet"), where=lambda *_: None)
    (data, more, _), _ = read(str(moved / "a.unet"), where=lambda *_: other)
    np.testing.assert_array_equal(data, tifffile.imread(other))
    assert more["metadata"][opening.NOTE]["path"] == str(other)
    assert not warned
    pixels = tifffile.imread(other)
    pixels[0, 0, 0] += 1
    tifffile.imwrite(other, pixels)
    read(str(moved / "a.unet"), where=lambda *_: other)
    assert "its pixels differ" in warned[0]
    tifffile.imwrite(other, pixels[:3], photometric="minisblack")
    with pytest.raises(UserError, match="is not the image"):
        read(str(moved / "a.unet"), where=lambda *_: other)
    assert not folder.exists()


@pytest.mark.parametrize(
    "look",
    [
        {"name": "a", "scale": [0, 0, 0]},
        {"name": "a", "units": ["nonsense", "um", "um"]},
        {"name": "a", "blending": "x"},
    ],
)
def test_looks_that_cannot_be(image: Path, tmp_path: Path, look: dict[str, Any]) -> None:
    file = made(image, tmp_path) / FILE
    facts = json.loads(file.read_text())
    facts["annotations"][0]["look"] = look
    file.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"project\.json is damaged: 'a' cannot be shown"):
        read(str(file.parent))


def test_the_command_line_tells_what_is_in_a_project(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    shown = run("info", str(folder))
    assert json.loads(shown.stdout)["images"][0]["path"] == str(image)
    (folder / FILE).write_text("{")
    assert run("info", str(folder)).exit_code == 1
