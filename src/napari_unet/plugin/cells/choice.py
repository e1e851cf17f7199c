"""Which cells are worked on, and over which image."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_unet.errors import UserError
from napari_unet.plugin.annotation import is_ours
from napari_unet.plugin.results import OUTPUT, is_result
from napari_unet.plugin.samples import TRUTH

DIFFERENCE, OUTLINES = "difference", "outlines"
"""What Labels layers are to us that are made of cells, and hold none."""

_TRUE = re.compile(r"\b(truth|gt|reference)\b", re.IGNORECASE)


class CellsChoice:
    """The chosen layer of cells and the chosen image; follows layers as they come and go.

    New results are chosen at once, other layers when the user says so, or where there is nothing else. What looks
    like a truth is chosen by the user only: nobody is to correct it by mistake.

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
        if active in self._likely:
            self.cells = active
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
        cells = [x for x in labels if x.metadata.get(OUTPUT, "cells") == "cells"]
        return [x for x in cells if not any(is_ours(x, part) for part in ours)]

    @property
    def _likely(self) -> list[Labels]:
        """Layers to take without being told, the likeliest last."""
        cells = [x for x in self.all_cells if not looks_true(x)]
        return sorted(cells, key=lambda x: is_result(x, "cells"))

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
            others = [f"'{x.name}'" for x in self.all_cells]
            choose = f"choose {' or '.join(others)} under Cells to work on it" if others else "open a Labels layer"
            raise UserError(f"there are no cells yet: press Segment in the U-Net dock, or {choose}")
        return self.cells

    def _inserted(self, event: Any) -> None:
        if is_result(event.value, "cells"):
            self.cells = event.value
        self._look()

    def _look(self) -> None:
        """Keep what is still there; else choose the topmost, of cells the likeliest."""
        images, likely = self.images, self._likely
        if self.cells not in self.all_cells:
            self.cells = likely[-1] if likely else None
        if self.image not in images:
            self.image = images[-1] if images else None
        self.changed.emit()


def looks_true(layer: Layer) -> bool:
    """Tell whether a layer seems to hold what other cells are compared with, by what it is to us and its name.

    Examples
    --------
    >>> import numpy as np
    >>> names = ("nuclei-1 truth", "GT", "ground_truth 2", "truthful", "cells")
    >>> [looks_true(Labels(np.zeros((2, 2), int), name=name)) for name in names]
    [True, True, True, False, False]
    """
    return is_ours(layer, TRUTH) or bool(_TRUE.search(str(layer.name).replace("_", " ")))
