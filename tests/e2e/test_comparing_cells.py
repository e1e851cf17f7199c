"""The dock for cells in the real window: compared with the truth by mouse, gone through, outlined, saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import tifffile
from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QWidget

from driving import rest
from napari_unet.arrays.comparison import Category, compare
from napari_unet.plugin.cells.dock import CellsDock

pytestmark = pytest.mark.e2e


def click(widget: QWidget) -> None:
    """Press a widget with the mouse."""
    assert widget.isVisible()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
    rest(20)


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        rest(20)


@pytest.fixture
def window(make_napari_viewer: Callable[..., napari.Viewer]) -> Iterator[Callable[[str], Any]]:
    """Opens a sample, with cells that differ from its truth in a known way, and the dock."""
    docks: list[CellsDock] = []

    def open_it(sample: str) -> tuple[napari.Viewer, CellsDock, np.ndarray, np.ndarray]:
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1500, 950)
        viewer.open_sample("napari-unet-live", sample)
        truth = viewer.layers[f"{sample} truth"]
        cells = spoil(np.asarray(truth.data).astype(np.int32))
        viewer.add_labels(cells, name="mine", scale=truth.scale, units=truth.units, axis_labels=truth.axis_labels)
        _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
        assert isinstance(dock, CellsDock)
        docks.append(dock)
        rest(200)
        return viewer, dock, cells, np.asarray(truth.data)

    yield open_it
    for dock in docks:
        dock.shut_down()


def spoil(cells: np.ndarray) -> np.ndarray:
    """Lose a cell, and cut another."""
    values, sizes = np.unique(cells[cells > 0], return_counts=True)
    lost, cut = values[np.argsort(sizes)[::-1][:2]]
    columns = np.nonzero(cells == cut)[-1]
    cells[(cells == cut) & (np.indices(cells.shape)[-1] > np.quantile(columns, 0.6))] = 900
    cells[cells == lost] = 0
    return cells


def seen(viewer: napari.Viewer) -> np.ndarray:
    """What the canvas shows."""
    rest(300)
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def vermilion(colours: np.ndarray) -> np.ndarray:
    """Whether colours are that of what was missed, over any grey."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    shares = np.array([0xD5 - 0x5E, 0x5E]) * 0x8C / 255  # over grey, only the differences between colours stay
    return (np.abs(red - green - shares[0]) < 25) & (np.abs(green - blue - shares[1]) < 25)


def test_a_comparison_is_seen_gone_through_and_copied(window: Callable[[str], Any]) -> None:
    viewer, dock, cells, truth = window("nuclei-5")
    assert dock.compare.truth.currentText() == "nuclei-5 truth"
    assert not dock.compare.whole.isVisible()
    click(dock.compare.compare_button)
    wait_for(lambda: dock.comparing.found)
    expected = compare(cells, truth)
    legend = {c: key.text() for c, key in dock.compare.legend.keys.items()}
    assert legend == {c: f"{expected.counts[c.name.lower()]} {c.name.lower()}" for c in legend}
    assert dock.compare.scores.values["AP50"].text() == f"<b>{expected.score.ap50:.3f}</b>"
    assert "of 25 true cells are found" in dock.status.text.text()
    np.testing.assert_array_equal(viewer.layers["differences"].data, expected.picture)

    picture = seen(viewer)
    assert vermilion(picture).mean() > 0.002  # seen where nothing was found, the image beneath

    largest = expected.differences[0]
    click(dock.compare.next_button)
    y0, x0, y1, x1 = largest.box
    camera = getattr(viewer, "scene", viewer).camera
    scale = viewer.layers["mine"].scale
    assert camera.center[1:] == pytest.approx(((y0 + y1 - 1) / 2 * scale[0], (x0 + x1 - 1) / 2 * scale[1]))
    assert f"1 of {len(expected.differences)}" in dock.status.text.text()
    middle = seen(viewer)
    height, width = middle.shape[:2]
    assert vermilion(middle[height // 2, width // 2])

    click(dock.compare.legend.keys[Category.SPLIT])
    assert "split" in dock.status.text.text()
    click(dock.compare.copy_button)
    lines = dict(line.split("\t") for line in QGuiApplication.clipboard().text().splitlines())
    assert lines["true cells"] == "25"
    assert lines["missed"] == str(expected.counts["missed"])
    assert lines["AP at IoU 0.50"] == f"{expected.score.ap50:.3f}"


def test_a_stack_is_compared_whole_and_shown_in_its_slices(window: Callable[[str], Any]) -> None:
    viewer, dock, cells, truth = window("nuclei-3d")
    click(dock.compare.compare_button)
    wait_for(lambda: dock.comparing.found)
    at = int(viewer.dims.current_step[0])
    assert dock.comparing.found.counts == compare(cells[at], truth[at]).counts
    dock.compare.whole.setChecked(True)
    first = dock.comparing.found
    click(dock.compare.compare_button)
    wait_for(lambda: dock.comparing.found is not first)
    expected = compare(cells, truth)
    assert dock.comparing.found.counts == expected.counts
    assert dock.compare.summary.text().startswith("The whole stack: ")
    for place in expected.differences[:2]:
        click(dock.compare.next_button)
        assert viewer.dims.current_step[0] == place.index[0]
    assert len([x for x in viewer.layers if x.name.startswith("differences")]) == 1


def test_contours_outlines_and_files_by_mouse(
    window: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, dock, cells, _ = window("nuclei-3d")
    viewer.dims.set_current_step(0, 14)
    click(dock.write.contour_button)
    wait_for(lambda: "contours, slice 14" in viewer.layers)
    contours = viewer.layers["contours, slice 14"]
    assert isinstance(contours, Shapes)
    assert set(contours.features["cell"]) == set(np.unique(cells[14])[1:])
    viewer.layers["mine"].visible = False
    here = seen(viewer)
    viewer.dims.set_current_step(0, 3)
    contours.visible = False
    without = seen(viewer)
    contours.visible = True
    assert np.array_equal(seen(viewer), without)  # they show in their slice only
    viewer.dims.set_current_step(0, 14)
    contours.visible = False
    assert (np.abs(seen(viewer) - here).sum(axis=2) > 60).mean() > 0.002

    click(dock.write.outline_button)
    wait_for(lambda: "outlines" in viewer.layers)
    assert 0 < np.asarray(viewer.layers["outlines"].data[14]).sum() < (cells[14] > 0).sum()

    chosen = str(tmp_path / "a"), "Masks for Cellpose (*_cp_masks.tif)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: chosen)
    click(dock.write.save_button)
    wait_for(lambda: (tmp_path / "a_cp_masks.tif").exists() and not dock.write.progress.isVisible())
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a_cp_masks.tif"), cells)
