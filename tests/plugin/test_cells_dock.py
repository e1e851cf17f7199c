"""The second dock in a real window, beside the first."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np

from driving import rest
from napari_unet.plugin.cells.dock import CellsDock
from napari_unet.plugin.decide import Message


def test_both_docks_share_the_height_of_the_screen(make_napari_viewer: Callable[..., napari.Viewer]) -> None:
    viewer = make_napari_viewer(show=True)
    first, unet = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    second, cells = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
    rest(100)
    assert viewer.window._qt_window.tabifiedDockWidgets(second) == [first]
    unet.shut_down()
    cells.shut_down()


def test_the_first_dock_opens_the_second_and_brings_it_to_the_front(
    make_napari_viewer: Callable[..., napari.Viewer],
) -> None:
    viewer = make_napari_viewer(show=True)
    first, unet = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    unet.segment.cells_button.click()
    rest(100)
    first.raise_()
    rest(50)
    unet.segment.cells_button.click()
    rest(50)
    _, cells = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
    assert isinstance(cells, CellsDock)
    assert not cells.visibleRegion().isEmpty()
    unet.shut_down()
    cells.shut_down()


def test_a_message_is_about_the_chosen_cells(make_napari_viewer: Callable[..., napari.Viewer]) -> None:
    viewer = make_napari_viewer(show=True)
    for name in ("one", "two"):
        viewer.add_labels(np.ones((8, 8), int), name=name)
    dock = CellsDock(viewer)
    viewer.window.add_dock_widget(dock, name="cells")
    dock.choice.choose_cells("one")
    dock.status.show_message(Message("Deleted cell 1."))
    dock.choice.choose_image("")
    assert dock.status.message.text == "Deleted cell 1."
    dock.choice.choose_cells("two")
    assert dock.status.message.text == ""
    dock.shut_down()
