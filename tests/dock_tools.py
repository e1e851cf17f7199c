"""What a person does in the dock, in short."""

from __future__ import annotations

from collections.abc import Callable

import napari

from napari_unet.plugin.dock import UNetDock

MakeViewer = Callable[..., napari.Viewer]


def choose_recipe(dock: UNetDock, name: str) -> None:
    """Choose a recipe as a person does."""
    dock.advanced.recipe.setCurrentText(name)
    dock.advanced.recipe.activated.emit(dock.advanced.recipe.currentIndex())


def paint(dock: UNetDock, viewer: napari.Viewer) -> None:
    """Paint strokes of two classes, enough to train."""
    dock.annotate.new_button.click()
    viewer.layers["strokes"].data[0, :5] = 1
    viewer.layers["strokes"].data[0, 7:9] = 2
