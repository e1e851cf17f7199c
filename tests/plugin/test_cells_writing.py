"""Outlines, contours and files of cells, in the window's logic."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QWidget
from skimage.draw import polygon2mask

from driving import rest
from napari_unet.arrays.lines import outline
from napari_unet.plugin import questions
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.write_section import KINDS, name_of
from napari_unet.plugin.cells.writing import Writing
from napari_unet.plugin.decide import Message
from napari_unet.storage.read import open_labels, read_whole
from napari_unet.storage.samples import load_sample

PROPERTIES: dict[str, Any] = {
    "scale": (2.0, 0.5, 0.5),
    "translate": (4.0, 1.0, 2.0),
    "units": ("um", "um", "um"),
    "axis_labels": ("z", "y", "x"),
}


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        rest(10)


class Desk:
    """A stack of cells."""

    def __init__(self, data: Any, **properties: Any) -> None:
        self.viewer = ViewerModel()
        self.layer = self.viewer.add_labels(data, name="cells", **properties)
        self.background = Background()
        self.choice = CellsChoice(self.viewer)
        self.writing = Writing(self.viewer, self.choice, self.background)
        self.said: list[Message] = []
        self.writing.said.connect(self.said.append)

    def wait(self) -> None:
        wait_for(lambda: not self.background.busy)

    def close(self) -> None:
        self.background.close()
        self.choice.close()


@pytest.fixture
def cells() -> np.ndarray:
    return load_sample("nuclei-3d").labels[10:16].astype(np.int32)


@pytest.fixture
def desk(qapp: QApplication, cells: np.ndarray) -> Iterator[Desk]:
    made = Desk(cells, **PROPERTIES)
    yield made
    made.close()


def test_outlines_lie_over_the_cells_and_are_not_taken_for_cells(desk: Desk, cells: np.ndarray) -> None:
    desk.writing.outline()
    desk.wait()
    layer = desk.viewer.layers["outlines"]
    np.testing.assert_array_equal(np.asarray(layer.data), [outline(p) for p in cells])
    assert tuple(layer.scale) == PROPERTIES["scale"]
    assert tuple(layer.translate) == PROPERTIES["translate"]
    assert desk.choice.cells is desk.layer
    assert desk.said[-1].kind == "good"


def test_contours_lie_in_their_slice_and_know_their_cells(desk: Desk, cells: np.ndarray) -> None:
    desk.viewer.dims.set_point(0, 4.0 + 3 * 2.0)
    for _ in range(2):  # the second time takes the place of the first
        desk.writing.contour()
        desk.wait()
    (layer,) = [x for x in desk.viewer.layers if x is not desk.layer]
    assert layer.name == "contours, slice 3"
    assert all((np.asarray(polygon)[:, 0] == 3).all() for polygon in layer.data)
    found = np.zeros_like(cells[3])
    for number, polygon in zip(layer.features["cell"], layer.data, strict=True):
        found[polygon2mask(found.shape, np.asarray(polygon)[:, 1:])] = number
    for i in np.unique(cells[3])[1:]:
        one, other = found == i, cells[3] == i
        assert (one & other).sum() / (one | other).sum() > 0.97
    assert tuple(layer.scale) == PROPERTIES["scale"]
    assert "holes are not drawn" in desk.said[-1].text
    desk.viewer.dims.set_point(0, 4.0)
    desk.writing.contour()
    desk.wait()
    assert {x.name for x in desk.viewer.layers} == {"cells", "contours, slice 3", "contours, slice 0"}


def test_a_slice_without_cells_has_no_contours(qapp: QApplication) -> None:
    desk = Desk(np.zeros((2, 5, 6), np.int32))
    desk.writing.contour()
    desk.wait()
    assert desk.said[-1].text == "Slice 0 holds no cells."
    assert len(desk.viewer.layers) == 1
    desk.close()


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize("chosen", [k for k, (kind, _) in KINDS.items() if kind != "rois"])
def test_every_file_that_is_offered_can_be_saved(
    qapp: QApplication, tmp_path: Path, cells: np.ndarray, chosen: str, on_disk: bool
) -> None:
    data = zarr.create_array(tmp_path / "in.zarr", data=cells, chunks=(1, 85, 128)) if on_disk else cells
    desk = Desk(data, **PROPERTIES)
    path, kind = name_of(tmp_path / "plate 1", chosen)
    desk.writing.save(path, kind)
    desk.wait()
    assert desk.said[-1].text == f"Saved {path}."
    if kind == "geojson":
        numbers = {f["properties"]["cell"] for f in json.loads(path.read_text())["features"]}
        assert numbers == set(np.unique(cells)[1:].tolist())
    else:
        found = open_labels(path)
        expected = np.stack([outline(p) for p in cells]) if kind == "outlines" else cells
        np.testing.assert_array_equal(read_whole(found), expected)
        if kind != "cellpose":
            assert found.spacing == (2.0, 0.5, 0.5)
    desk.close()


def test_cells_along_channels_are_saved_once(qapp: QApplication, tmp_path: Path) -> None:
    plane = load_sample("nuclei-1").labels.astype(np.int32)
    shared = np.broadcast_to(plane, (3, 2, *plane.shape))
    desk = Desk(shared, axis_labels=("t", "c", "y", "x"))
    desk.writing.save(tmp_path / "a.tif", "imagej")
    desk.wait()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.series[0].axes == "TYX"
        np.testing.assert_array_equal(file.asarray(), shared[:, 0])
    desk.close()


def test_what_cannot_be_saved_is_said(desk: Desk, tmp_path: Path) -> None:
    desk.writing.save(tmp_path / "no" / "a.tif", "imagej")
    assert "make it first" in desk.said[-1].text
    desk.layer.data = desk.layer.data.astype(np.int64) * 2**23
    desk.writing.save(tmp_path / "a.tif", "imagej")
    desk.wait()
    assert desk.said[-1].kind == "error"
    assert desk.said[-1].text.startswith("Saving failed: ImageJ cannot tell ids above 16,777,216 apart")
    assert list(tmp_path.iterdir()) == []
    desk.viewer.layers.clear()
    for action in (desk.writing.outline, desk.writing.contour):
        action()
        assert desk.said[-1].text.startswith("there are no cells yet")


def test_a_file_whose_name_was_completed_is_replaced_only_after_asking(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[Path]] = []
    monkeypatch.setattr(questions, "ask_to_replace", lambda _, paths: asked.append(list(paths)))
    there, typed = tmp_path / "cells.zip", tmp_path / "cells"
    parent = QWidget()
    assert questions.may_write(parent, typed, there)
    there.touch()
    assert not questions.may_write(parent, typed, there)
    assert asked == [[there]]
    assert questions.may_write(parent, there, there)  # the dialog has asked
