"""Measuring cells in the real window, and going from row to cell and back by mouse and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import napari
import numpy as np
import pandas as pd
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

from driving import on_canvas, rest
from napari_unet.plugin.cells import measure
from napari_unet.plugin.cells.dock import CellsDock
from napari_unet.storage.samples import load_sample

pytestmark = pytest.mark.e2e
LONG = 60_000


@pytest.fixture
def dock(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> Iterator[CellsDock]:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1300, 900)
    data = load_sample("nuclei-3d")
    properties = {"scale": data.spacing, "units": ["micrometer"] * 3}
    viewer.add_image(data.image, name="image", **properties)
    viewer.add_labels(data.labels.copy(), name="cells", **properties)
    _, made = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
    assert isinstance(made, CellsDock)
    rest(300)
    press(made.measure.measure_button)
    qtbot.waitUntil(lambda: made.measure.cells.table is not None, timeout=LONG)
    rest(100)
    yield made
    made.shut_down()


def press(widget: object) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]


def click_at(viewer: napari.Viewer, place: QPoint) -> None:
    native = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(native, place)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    rest(50)


def click_row(dock: CellsDock, row: int, column: int = 0) -> None:
    view = dock.measure.view
    index = view.rows.index(row, column)
    view.scrollTo(index)
    place = view.visualRect(index).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    rest(50)


def inside(labels: np.ndarray, label: int, z: int) -> tuple[float, float]:
    """A pixel in the middle of a cell in a slice."""
    rows, columns = np.nonzero(labels[z] == label)
    middle = np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean()))
    return float(rows[middle]), float(columns[middle])


def test_from_row_to_cell_and_back(dock: CellsDock) -> None:
    viewer, table, view = dock._viewer, dock.measure.cells.table, dock.measure.view
    assert table is not None
    layer = viewer.layers["cells"]
    assert f"{len(table)} cells" in dock.status.text.text()
    assert view.rows.rowCount() == len(table)
    captions = [view.rows.headerData(i, Qt.Orientation.Horizontal) for i in range(3)]
    assert captions == ["cell", "volume (µm³)", "voxels"]
    for i, caption in enumerate(captions):
        assert view.horizontalHeader().fontMetrics().horizontalAdvance(caption) < view.columnWidth(i)

    # the largest cell first: a click on the header sorts by number, another one turns that round
    column = list(table.columns).index("volume_um3")
    header = view.horizontalHeader()
    for _ in range(2):
        place = QPoint(header.sectionViewportPosition(column) + 20, 8)
        QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    sizes = [table["volume_um3"][view.rows.row_of_table(row)] for row in range(len(table))]
    assert sizes == sorted(sizes, reverse=True)

    click_row(dock, 0)
    largest = table.loc[table["volume_um3"].idxmax()]
    assert layer.selected_label == largest["label"]
    assert not layer.show_selected_label
    assert "this cell" in viewer.layers
    assert viewer.layers.selection.active is not viewer.layers["this cell"]
    assert viewer.dims.current_step[0] == round(largest["z_px"])
    canvas = viewer.window._qt_viewer.canvas
    middle = on_canvas(viewer, layer, (largest["y_px"], largest["x_px"]))
    assert abs(middle.x() - canvas.size[1] / 2) <= 2
    assert abs(middle.y() - canvas.size[0] / 2) <= 2
    rest(measure.FRAMED + 200)
    assert "this cell" not in viewer.layers
    assert not layer.show_selected_label
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert layer.selected_label == table["label"][view.rows.row_of_table(1)]

    # back: a click on every cell of this slice, whichever layer is active and with the pick tool
    z = viewer.dims.current_step[0]
    before = viewer.dims.current_step
    viewer.reset_view()
    there = [v for v in np.unique(layer.data[z]) if v][:4]
    for tool, label in zip(("pan_zoom", "pick", "pan_zoom", "pick"), there, strict=False):
        layer.mode = tool
        viewer.layers.selection.active = layer if tool == "pick" else viewer.layers["image"]
        click_at(viewer, on_canvas(viewer, layer, inside(layer.data, label, z)))
        assert view.chosen_row is not None
        assert table["label"][view.chosen_row] == label
        assert view.viewport().rect().intersects(view.visualRect(view.currentIndex()))
        assert viewer.dims.current_step == before


def test_a_brush_marks_the_table_and_leaves_the_row(dock: CellsDock) -> None:
    viewer, section = dock._viewer, dock.measure
    layer = viewer.layers["cells"]
    click_row(dock, 2)
    row = section.view.chosen_row
    viewer.reset_view()
    viewer.layers.selection.active = layer
    layer.mode = "paint"
    z = viewer.dims.current_step[0]
    assert section.cells.table is not None
    other = next(v for v in np.unique(layer.data[z]) if v not in (0, layer.selected_label))
    click_at(viewer, on_canvas(viewer, layer, inside(layer.data, other, z)))
    assert section.view.chosen_row == row
    assert "Out of date" in section.about.text()
    viewer.layers.remove(layer)
    assert not section.view.isVisible()
    assert section.view.rows.rowCount() == 0


def test_the_table_is_copied_and_saved(dock: CellsDock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = dock.measure.cells.table
    assert table is not None
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "mine"), ""))
    press(dock.measure.save_button)
    back = pd.read_csv(tmp_path / "mine.csv")
    np.testing.assert_allclose(back["volume_um3"], table["volume_um3"])
    press(dock.measure.copy_button)
    lines = QApplication.clipboard().text().splitlines()
    assert len(lines) == len(table) + 1
    assert lines[0].startswith("label\tvolume_um3")
