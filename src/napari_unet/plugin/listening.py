"""Listening to the canvas in place of the user's tool: to clicks, or to a shape that is drawn."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Shapes
from psygnal import Signal

from napari_unet.plugin.keys import Keys
from napari_unet.plugin.live import Later, at_once

STILL = 4
"""Pixels of the screen that the mouse may move during a click."""


class Listener:
    """Lets the user click, one time after the other, or draw one shape.

    Escape ends it, and so does anything that shows that the user wants something else: a brush, another layer.

    Parameters
    ----------
    viewer
        Where the user points.
    later
        Calls an action when napari is done with what it is at.
    """

    changed = Signal(str)
    """What is listened for now; empty: nothing."""

    def __init__(self, viewer: ViewerModel, later: Later = at_once) -> None:
        self._viewer, self._later = viewer, later
        self.mode = ""
        self._layer: Layer | None = None
        """The layer that listens, active while it does."""
        self._tool = ""
        """Its tool meanwhile."""
        self._keys: Keys | None = None
        self._before: tuple[Layer | None, str] = None, ""
        """The layer that was active, and its tool."""
        self._clicked: Callable[[Sequence[float]], None] | None = None
        self._drawn: Callable[[Shapes], Callable[[], None]] | None = None

    def clicks(self, mode: str, layer: Labels, clicked: Callable[[Sequence[float]], None]) -> None:
        """Listen to clicks from now on, in place of strokes in a layer.

        Parameters
        ----------
        mode
            What for.
        layer
            Whose tool rests.
        clicked
            Called with the place in the world of every click.
        """
        self.end()
        self._clicked = clicked
        self._listen(mode, layer, layer, "pan_zoom", ("Escape",))
        self._viewer.mouse_drag_callbacks.append(self._click)

    def draws(
        self,
        mode: str,
        layer: Shapes,
        tool: str,
        keys: Sequence[str],
        drawn: Callable[[Shapes], Callable[[], None]],
    ) -> None:
        """Let the user draw a shape.

        Parameters
        ----------
        mode
            What for.
        layer
            Drawn in; it is added now, and removed at the end.
        tool
            Of this layer.
        keys
            End it; the layer would take them for something else.
        drawn
            Called with the layer when the shape is complete; gives what is to be done when the layer is gone.
        """
        self.end()
        before = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        self._drawn = drawn
        self._listen(mode, layer, before, tool, keys)
        layer.events.data.connect(self._complete)

    def end(self) -> None:
        """Give the tool back that the user had before."""
        layer, keys, (before, tool) = self._layer, self._keys, self._before
        if layer is None or keys is None:
            return
        self.mode, self._layer, self._keys, self._before = "", None, None, (None, "")
        self._viewer.layers.selection.events.active.disconnect(self._disturbed)
        layer.events.mode.disconnect(self._disturbed)
        keys.close()
        if self._drawn is None:
            self._viewer.mouse_drag_callbacks.remove(self._click)
            if layer.mode == "pan_zoom":
                layer.mode = tool
        else:
            layer.events.data.disconnect(self._complete)
            active = self._viewer.layers.selection.active
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
            if active in (None, layer) and before in self._viewer.layers:
                self._viewer.layers.selection.active = before
        self._clicked = self._drawn = None
        self.changed.emit("")

    def _listen(self, mode: str, layer: Layer, before: Layer | None, tool: str, keys: Sequence[str]) -> None:
        self._viewer.layers.selection.active = layer
        self.mode, self._layer, self._tool, self._before = mode, layer, tool, (before, str(layer.mode))
        self._viewer.layers.selection.events.active.connect(self._disturbed)
        self._keys = Keys(layer, dict.fromkeys(keys, self._escape))
        self.changed.emit(mode)
        layer.mode = tool
        layer.events.mode.connect(self._disturbed)

    def _escape(self) -> None:
        self._later(self.end)

    def _disturbed(self) -> None:
        """End it if the user has taken another layer or tool, once napari is done with that."""
        self._later(self._end_if_disturbed)

    def _end_if_disturbed(self) -> None:
        layer = self._layer
        if layer is not None and (
            layer is not self._viewer.layers.selection.active or str(layer.mode) != self._tool
        ):
            self.end()

    def _click(self, _viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        """Take a press and release at one place for a click; a drag moves the view, as ever."""
        pressed, position = np.asarray(event.pos), tuple(event.position)
        left = event.button == 1
        yield
        while event.type == "mouse_move":
            yield
        still = np.abs(np.asarray(event.pos) - pressed).max() <= STILL
        if left and still and self._clicked is not None:
            self._clicked(position)

    def _complete(self, event: Any) -> None:
        """Take the shape once it is complete."""
        layer, drawn = self._layer, self._drawn
        complete = str(getattr(event, "action", "")) == "added"
        if complete and drawn is not None and isinstance(layer, Shapes) and layer.nshapes:
            then = drawn(layer)
            self._later(lambda: self._finish(then))

    def _finish(self, then: Callable[[], None]) -> None:
        self.end()
        then()
