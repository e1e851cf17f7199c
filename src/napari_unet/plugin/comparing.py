"""Before and after: the prediction of the plane in view as it was when the last training began."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from napari_unet.plugin.annotation import ASIDE, is_ours
from napari_unet.plugin.decide import Message
from napari_unet.plugin.keymap import KEYMAP
from napari_unet.plugin.live import LivePreview
from napari_unet.plugin.selection import Selection

BEFORE = (
    "This is the prediction from before the last training began. Strokes and results are hidden, and the brush "
    "rests, until you go back to what it has learnt: key {before}."
)
NOW = "This is the prediction as it is now; strokes, results and brush are back."
NOTHING = "There is no before yet: train first, then compare."


class Comparison:
    """Switches the preview between now and before; annotation and results are hidden while it shows before.

    Parameters
    ----------
    viewer, selection
        Where the layers are, and which is the annotation.
    live
        The preview.
    """

    said = Signal(Message)

    def __init__(self, viewer: ViewerModel, selection: Selection, live: LivePreview) -> None:
        self._viewer, self._selection, self._live = viewer, selection, live
        self.possible = False
        """A training has begun of which the worker knows the beginning."""
        self._was_on = True
        self._hidden: list[Layer] = []
        self._told = False
        """It was said that this is before."""
        live.compared.connect(self._arrange)

    def toggle(self) -> None:
        """Show before, or go back to now."""
        if self._live.before:
            self._live.show_before(False)
            if not self._was_on:
                self._live.switch(False)
        elif not self.possible:
            self._live.compared.emit(False)
            self.said.emit(Message(NOTHING, "warning"))
        else:
            self._was_on = self._live.on
            self._viewer.dims.ndisplay = 2
            self._live.switch(True)
            self._live.switch_unsure(False)
            self._live.show_before(True)
            self._told = True
            self.said.emit(Message(KEYMAP.tell(BEFORE), "warning"))

    def forget(self) -> None:
        """Go back to now: there is nothing to compare with any more."""
        self.possible = False
        self._live.show_before(False)

    def _arrange(self, before: bool) -> None:
        """Hide what lies over the preview, or show it again."""
        if before:
            annotation = self._selection.labels_layer
            over = [x for x in self._viewer.layers if x is annotation or is_ours(x, "result")]
            self._hidden = [x for x in over if x.visible]
        for layer in self._hidden:
            if before:
                layer.metadata[ASIDE] = True
            else:
                layer.metadata.pop(ASIDE, None)
            layer.visible = not before
        if not before:
            self._hidden = []
            if self._told:
                self._told = False
                self.said.emit(Message(NOW))
