"""Which cells are worked on, and over which image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from psygnal import Signal

from napari_unet.errors import UserError
from napari_unet.plugin.annotation import is_ours
from napari_unet.plugin.results import is_result

DIFFERENCE, OUTLINES = "difference", "outlines"
"""What Labels layers are to us that are made of cells, and hold none."""


class CellsChoice:
    """The chosen layer of cells and the chosen image; follows layers as they come and go.

    New results are chosen at once, other layers when the user says so.

    Parameters
    ----------
    viewer
        Whose layers.
    """

    changed = Signal()
    """Another layer is chosen, or there are others to choose from."""

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.cells: Labels | None = None
        self.image: Image | None = None
        self._callbacks: list[tuple[Any, Callable[..., None]]] = []
        events = viewer.layers.events
        for event, callback in (
            (events.inserted, self._inserted),
            (events.removed, self._look),
            (events.reordered, self._look),
        ):
            event.connect(callback)
            self._callbacks.append((event, callback))
        active = viewer.layers.selection.active
        results = [x for x in self.all_cells if is_result(x, "cells")]
        if active in self.all_cells:
            self.cells = active
        elif results:
            self.cells = results[-1]
        self._look()

    def close(self) -> None:
        """Stop following the viewer."""
        for event, callback in self._callbacks:
            event.disconnect(callback)
        self._callbacks.clear()

    @property
    def all_cells(self) -> list[Labels]:
        """Labels layers to choose from, topmost last."""
        ours = ("preview", "annotation", DIFFERENCE, OUTLINES)
        labels = [x for x in self.viewer.layers if isinstance(x, Labels)]
        return [x for x in labels if not any(is_ours(x, part) for part in ours) and not is_result(x, "boundaries")]

    @property
    def images(self) -> list[Image]:
        """Images to choose from, topmost last."""
        ours = ("result", "unsure", "preview")
        images = [x for x in self.viewer.layers if isinstance(x, Image)]
        return [x for x in images if not any(is_ours(x, part) for part in ours)]

    def choose_cells(self, name: str) -> None:
        """Choose the cells by the name of their layer."""
        self.cells = next((x for x in self.all_cells if x.name == name), None)
        self.changed.emit()

    def choose_image(self, name: str) -> None:
        """Choose the image by the name of its layer."""
        self.image = next((x for x in self.images if x.name == name), None)
        self.changed.emit()

    def require(self) -> Labels:
        """Return the chosen cells.

        Raises
        ------
        UserError
            If there are none.
        """
        if self.cells is None:
            raise UserError("there are no cells yet: press Segment in the U-Net dock, or open a Labels layer")
        return self.cells

    def _inserted(self, event: Any) -> None:
        if is_result(event.value, "cells"):
            self.cells = event.value
        self._look()

    def _look(self) -> None:
        """Keep what is still there; else choose the topmost."""
        cells, images = self.all_cells, self.images
        if self.cells not in cells:
            self.cells = cells[-1] if cells else None
        if self.image not in images:
            self.image = images[-1] if images else None
        self.changed.emit()
