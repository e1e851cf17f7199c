"""Notices strokes, and takes no slider for one."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels
from psygnal import Signal

from napari_unet.plugin.selection import Selection


class Edits:
    """Follows the annotation that is chosen.

    napari tells of strokes by ``paint`` and ``labels_update``. Undo, redo and other changes come with nothing but
    ``set_data``, as do slices that come into view.

    Parameters
    ----------
    viewer, selection
        What is looked at, and which layer is the annotation.
    """

    made = Signal()
    """The annotation may have changed."""
    stroke = Signal()
    """A stroke, a fill, or a region that was taken."""
    shown = Signal()
    """The annotation is shown anew: it may have changed, or another slice is in view."""

    def __init__(self, viewer: ViewerModel, selection: Selection) -> None:
        self._viewer, self._selection = viewer, selection
        self._layer: Labels | None = None
        self._seen: tuple[object, ...] = ()
        self._history: tuple[int, int] = 0, 0
        selection.changed.connect(self._follow)
        self._follow()

    def close(self) -> None:
        """Follow nothing any more."""
        self._selection.changed.disconnect(self._follow)
        self._leave()

    def _follow(self) -> None:
        layer = self._selection.labels_layer
        if layer is self._layer:
            return
        self._leave()
        self._layer = layer
        if layer is not None:
            self._seen, self._history = self._view(), history(layer)
            layer.events.paint.connect(self._painted)
            layer.events.labels_update.connect(self._painted)
            layer.events.set_data.connect(self._shown)

    def _leave(self) -> None:
        if self._layer is not None:
            self._layer.events.paint.disconnect(self._painted)
            self._layer.events.labels_update.disconnect(self._painted)
            self._layer.events.set_data.disconnect(self._shown)
            self._layer = None

    def _view(self) -> tuple[object, ...]:
        dims = self._viewer.dims
        return tuple(dims.point), dims.ndisplay, tuple(dims.order)

    def _painted(self) -> None:
        if self._layer is not None:
            self._history = history(self._layer)
        self.made.emit()
        self.stroke.emit()

    def _shown(self) -> None:
        if self._layer is None:
            return
        before, self._seen, self._history = (self._seen, self._history), self._view(), history(self._layer)
        if self._history != before[1] or self._seen == before[0]:
            self.made.emit()
        self.shown.emit()


def history(layer: Labels) -> tuple[int, int]:
    """Tell how many strokes can be undone and redone, as far as napari tells it.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Labels(np.zeros((8, 8), np.uint8))
    >>> layer.paint((4, 4), 1)
    >>> history(layer)
    (1, 0)
    """
    parts: list[Any] = [getattr(layer, name, ()) for name in ("_undo_history", "_redo_history")]
    return len(parts[0]), len(parts[1])
