"""The live preview: follows the slice in view and shows its prediction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from psygnal import Signal

from napari_unet.engine.client import Engine, Preview
from napari_unet.plugin.layers import plane_at
from napari_unet.plugin.preview import PreviewLayer
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.unsure import UnsureLayer

Later = Callable[[Callable[[], None]], None]


def at_once(action: Callable[[], None]) -> None:
    """Call an action; where there is no window, nothing has to wait."""
    action()


class LivePreview:
    """Asks the engine for the plane in view whenever it changes.

    Parameters
    ----------
    viewer, selection, engine
        What is looked at, which image, and who predicts it.
    later
        Calls an action when napari is done with what it is at. napari deletes the selected layers in a loop, and
        stumbles over one that is gone already.
    """

    switched = Signal(bool)
    unsure_switched = Signal(bool)
    """The map of how unsure the network is."""
    compared = Signal(bool)
    """Shows what was predicted before the training from now on, or not any more."""
    went = Signal()
    """The preview is not shown any more, as the view is in 3D."""

    def __init__(
        self,
        viewer: ViewerModel,
        selection: Selection,
        engine: Engine,
        later: Later = at_once,
    ) -> None:
        self._viewer, self._selection, self._engine, self._later = viewer, selection, engine, later
        self._asked: tuple[int, int] | None = None
        self.layer = PreviewLayer(viewer)
        self.layer.eye_moved.connect(self.switch)
        self.unsure = UnsureLayer(viewer)
        self.unsure.gone.connect(lambda: later(self._unsure_gone))
        self.on = True
        self.unsure_on = False
        """The map is shown in place of the preview."""
        self.file_of_model: Callable[[], Path | None] = lambda: None
        """Tells where the model is if the engine does not have it."""
        self.before = False
        """Shows not what is predicted now, but what was when the last training began."""
        self.shown: Preview | None = None
        """What is predicted of the plane in view."""
        self._aside = False
        self._events = (viewer.dims.events.point, viewer.dims.events.ndisplay)
        for event in self._events:
            event.connect(self.follow)
        viewer.layers.events.removed.connect(self._removed)

    def close(self) -> None:
        """Stop following."""
        for event in self._events:
            event.disconnect(self.follow)
        self._viewer.layers.events.removed.disconnect(self._removed)

    @property
    def plane(self) -> tuple[int, int]:
        """(t, z) of the plane in view."""
        layer, image = self._selection.image_layer, self._selection.image
        if layer is None or image is None:
            return 0, 0
        return plane_at(layer, image, self._viewer.dims.point)

    def switch(self, on: bool) -> None:
        """Show or hide the preview; the eye of its layer does the same."""
        self._aside = False
        if on == self.on:
            return
        if not on:
            self.show_before(False)
        before, self.on = self.wanted, on
        self.layer.set_visible(on)
        self._ask_or_rest(before)
        self.switched.emit(on)

    def switch_unsure(self, on: bool) -> None:
        """Show how unsure the network is in place of the preview, or not any more."""
        if on == self.unsure_on:
            return
        if on:
            self.show_before(False)
        before, self.unsure_on = self.wanted, on
        if not on:
            self.unsure.remove()
        if self.shown is not None:
            self.on_preview(self.shown)
        self._ask_or_rest(before)
        self.unsure_switched.emit(on)

    @property
    def wanted(self) -> bool:
        """Predictions of the plane in view are looked at."""
        return self.on or self.unsure_on

    def _ask_or_rest(self, before: bool) -> None:
        """Ask for the plane in view if it was not wanted before, or for nothing any more."""
        if self.wanted and not before:
            self.ask()
        elif not self.wanted:
            self._engine.clear_view()

    def set_aside(self) -> None:
        """Hide the preview where results take its place."""
        if self.on:
            self.switch(False)
            self._aside = True

    def bring_back(self) -> None:
        """Show the preview as it is now, again if it was only set aside."""
        self.show_before(False)
        if self._aside:
            self.switch(True)

    def ask(self) -> None:
        """Ask for the plane in view, even if it was asked for before."""
        self._asked = None
        self.follow()

    def renew(self) -> None:
        """Ask again for the plane in view; what is shown of it stays until the answer is here."""
        if self._asked == self.plane and self._viewer.dims.ndisplay == 2:
            self._order()
        else:
            self.ask()

    def show_before(self, before: bool) -> None:
        """Show what was predicted when the last training began, or what is predicted now."""
        if before != self.before:
            self.before = self.layer.before = before
            self.ask()
            self.compared.emit(before)

    def follow(self) -> None:
        """Ask for the plane in view if it is another one than before."""
        if self._selection.image is None or not self.wanted:
            return
        if self._viewer.dims.ndisplay != 2:
            self._later(self._tidy)
            if self._asked is not None:
                self.went.emit()
            self._asked = None
        elif self.plane != self._asked:
            self.blank()
            self._order()

    def _order(self) -> None:
        """Ask the engine for the plane in view, if there is one that is wanted."""
        if self._selection.image is not None and self.wanted:
            self._asked = self.plane
            self._engine.set_view(
                *self.plane, self._selection.image, before=self.before, model=self.file_of_model()
            )

    def blank(self) -> None:
        """Show nothing of what was predicted."""
        self.shown = None
        self.layer.blank()
        self.unsure.blank()

    def on_preview(self, preview: Preview) -> None:
        """Show a plane that was predicted, unless it is not in view any more."""
        geometry = self._selection.geometry
        seen = self._viewer.dims.ndisplay == 2 and (preview.t, preview.z) == self.plane
        if not seen or preview.before != self.before or geometry is None:
            return
        if preview.probabilities.shape[1:] != geometry.only("YX").shape:
            return  # of an image that is not chosen any more
        self.shown = preview
        if self.unsure_on:
            self.layer.blank()
            self.unsure.show(preview.probabilities, geometry)
        elif self.on:
            self.layer.show(preview.probabilities, preview.classes, geometry)

    def leave(self) -> None:
        """Show nothing: there is no image any more."""
        self._engine.clear_view()
        self._later(self._tidy)

    def _tidy(self) -> None:
        """Take the layer away where it has nothing to lie over."""
        if self._selection.image is None or self._viewer.dims.ndisplay != 2:
            self.layer.remove()
            self.unsure.remove()
            self.shown = None

    def _removed(self, event: Any) -> None:
        if self.layer.forget(event.value):
            self._later(self._deleted)
        if self.unsure.forget(event.value):
            self._later(self._unsure_gone)

    def _unsure_gone(self) -> None:
        """Take the map's deletion, or its closed eye, as switching it off, unless its image has gone with it."""
        if self._selection.image is not None:
            self.switch_unsure(False)

    def _deleted(self) -> None:
        """Take the deletion of the preview as switching it off, unless its image has gone with it."""
        if self._selection.image is not None:
            self.switch(False)
