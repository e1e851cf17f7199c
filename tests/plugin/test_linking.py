"""The section Link of the dock for cells, in a real window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import napari
import numpy as np
import numpy.typing as npt
import pytest
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

import napari_unet as nu
from napari_unet.arrays.linking import found_again
from napari_unet.plugin.cells.dock import CellsDock
from napari_unet.plugin.cells.linking import FEW
from napari_unet.plugin.results import Store, is_result
from napari_unet.storage.samples import load_sample

LONG = 60_000
TRUTH = load_sample("nuclei-3d").labels
SLICES = np.stack([np.where(p > 0, (p.astype(np.int32) * (z + 1)) % 97, 0) for z, p in enumerate(TRUTH)])
"""The nuclei with other numbers in every slice."""


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    return make_napari_viewer(show=True)


@pytest.fixture
def dock(viewer: napari.Viewer) -> Iterator[CellsDock]:
    _, made = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
    assert isinstance(made, CellsDock)
    yield made
    made.shut_down()


def cells(viewer: napari.Viewer, data: npt.NDArray[Any], labels: tuple[str, ...], **properties: Any) -> Labels:
    layer = viewer.add_labels(data, name="cells", axis_labels=labels, **properties)
    assert isinstance(layer, Labels)
    return layer


def press(dock: CellsDock, qtbot: QtBot) -> None:
    qtbot.mouseClick(dock.link.link_button, Qt.MouseButton.LeftButton)


def link(dock: CellsDock, qtbot: QtBot) -> None:
    press(dock, qtbot)
    qtbot.waitUntil(lambda: not dock.link._background.busy, timeout=LONG)


def ways(dock: CellsDock) -> list[str]:
    return [dock.link.way.itemText(i) for i in range(dock.link.way.count())]


@pytest.mark.parametrize("on_disk", [False, True])
def test_slices_become_a_new_layer_of_cells_in_3d(
    dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot, on_disk: bool
) -> None:
    if on_disk:
        dock.link._linking._store = Store(1000, 1000)
    given = SLICES.copy()
    layer = cells(viewer, given, ("z", "y", "x"), scale=(0.58, 0.52, 0.52), translate=(1, 2, 3))
    assert (ways(dock), dock.link.overlap.value()) == (["from slice to slice (z)"], 80)
    link(dock, qtbot)
    assert dock.status.text.text() == (
        "232 cells in 30 slices became 15 cells: see the layer 'cells linked'. 'cells' is as it was, and hidden."
    )
    made = viewer.layers["cells linked"]
    assert is_result(made, "cells")
    assert type(made.data).__module__.startswith("zarr" if on_disk else "numpy")
    np.testing.assert_array_equal(np.asarray(made.data), nu.link(SLICES))
    np.testing.assert_array_equal(given, SLICES)
    assert (tuple(made.scale), tuple(made.translate)) == ((0.58, 0.52, 0.52), (1, 2, 3))
    assert made.axis_labels == layer.axis_labels
    assert (layer.visible, made.visible) == (False, True)
    assert dock.choice.cells is made is viewer.layers.selection.active


def test_the_least_overlap_is_used(dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    cells(viewer, SLICES, ("t", "y", "x"))
    assert (ways(dock), dock.link.overlap.value()) == (["from frame to frame (t)"], 10)
    dock.link.overlap.setValue(60)
    link(dock, qtbot)
    expected = nu.link(SLICES, "t", "TYX", least_overlap=0.6)
    np.testing.assert_array_equal(viewer.layers["cells linked"].data, expected)
    assert f"in 30 time points became {expected.max()} cells" in dock.status.text.text()


def test_what_nobody_told_may_be_slices_or_time(dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    viewer.add_labels(SLICES[12:18], name="cells")
    assert ways(dock) == [
        "choose: slices or frames?",
        "from slice to slice (z)",
        "from frame to frame (t)",
    ]
    press(dock, qtbot)
    assert "Choose first whether the slider '-3' goes from slice to slice or from frame" in dock.status.text.text()
    assert not dock.link._background.busy
    dock.link.way.setCurrentIndex(2)
    qtbot.waitUntil(lambda: "are found again in the next frame" in dock.link.advice.text())
    assert dock.link.overlap.value() == 10
    link(dock, qtbot)
    np.testing.assert_array_equal(viewer.layers["cells linked"].data, nu.link(SLICES[12:18], "t"))


def test_a_series_of_stacks_is_linked_along_both(dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    series = np.stack([SLICES[8:14], SLICES[8:14]])
    cells(viewer, series, ("t", "z", "y", "x"))
    assert ways(dock) == ["from slice to slice (z)", "from frame to frame (t)"]
    dock.link.way.setCurrentIndex(1)
    link(dock, qtbot)
    assert "numbered anew in every slice: link them along z first" in dock.status.text.text()
    assert "cells linked" not in viewer.layers
    dock.link.way.setCurrentIndex(0)
    link(dock, qtbot)
    dock.link.way.setCurrentIndex(1)
    link(dock, qtbot)
    made = viewer.layers["cells linked linked"].data
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], nu.link(SLICES[8:14]))


def test_cells_that_lie_in_all_channels_are_linked_once(
    dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot
) -> None:
    both = np.broadcast_to(SLICES[:6, np.newaxis], (6, 2, *SLICES.shape[1:]))
    cells(viewer, both, ("t", "c", "y", "x"))
    assert ways(dock) == ["from frame to frame (t)"]
    link(dock, qtbot)
    made = viewer.layers["cells linked"].data
    for channel in range(2):
        np.testing.assert_array_equal(made[:, channel], nu.link(SLICES[:6], "t"))


def test_cancelled_there_is_no_new_layer(dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    layer = cells(viewer, np.tile(SLICES, (1, 6, 6)), ("z", "y", "x"))
    press(dock, qtbot)
    assert dock.link.link_button.text() == "Cancel"
    assert dock.link.bar.isVisible()
    link(dock, qtbot)
    assert dock.status.text.text() == "Linking was cancelled; there is no new layer."
    assert list(viewer.layers) == [layer]
    assert layer.visible
    assert (dock.link.link_button.text(), dock.link.bar.isVisible()) == ("Link", False)


def test_a_plane_or_nothing_is_answered_with_a_sentence(
    dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot
) -> None:
    link(dock, qtbot)
    assert "there are no cells yet" in dock.status.text.text()
    cells(viewer, SLICES[3], ("y", "x"))
    assert dock.link.way.currentText() == "(one plane only)"
    link(dock, qtbot)
    assert dock.status.text.text() == (
        "These cells cannot be linked: 'cells' (axes YX) has one slice only: there is nothing to link."
    )


def test_few_cells_that_are_found_again_are_told(dock: CellsDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    far = np.stack([np.roll(SLICES[15], 23 * t, axis=1) for t in range(5)])
    cells(viewer, far, ("t", "y", "x"))
    share = found_again(list(far), "t", 0.5)
    dock.link.overlap.setValue(50)
    assert share < FEW
    qtbot.waitUntil(lambda: f"{share:.0%} are found again in the next frame: too few" in dock.link.advice.text())
    viewer.layers.clear()
    cells(viewer, np.stack([SLICES[15]] * 5), ("z", "y", "x"))
    qtbot.waitUntil(lambda: "100% are found again in the next slice." in dock.link.advice.text())
