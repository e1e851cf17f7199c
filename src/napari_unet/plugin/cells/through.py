"""Whether the cells of a layer go through its slices: asked in one place, and asked of by all."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from napari.layers import Layer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox

from napari_unet.errors import UserError
from napari_unet.plugin.kept import kept_of

_FLAT: WeakKeyDictionary[Layer, bool] = WeakKeyDictionary()
"""Whether cells are those of slices, as the user has told or was seen."""


def told_flat(layer: Layer) -> bool | None:
    """Tell whether every slice of a layer is numbered anew; None: nobody knows yet."""
    kept = kept_of(layer)
    return _FLAT.get(layer, None if kept is None else kept.flat)


def tell_flat(layer: Layer, flat: bool) -> None:
    """Let everybody know."""
    _FLAT[layer] = flat


class ThroughBox(QCheckBox):
    """Shows and asks whether the chosen cells go through the slices.

    Parameters
    ----------
    chosen
        Gives the chosen layer with its number of slices, looked at so far as to know how it is numbered.
    changed
        Called when the user has told.
    """

    def __init__(self, chosen: Callable[[], tuple[Layer, int]], changed: Callable[[], None]) -> None:
        super().__init__("Cells go through the slices (3D)")
        self.setToolTip(
            "On: a number is the same cell in all slices of a volume. Off: every slice is numbered anew.\n"
            "Correcting, measuring and comparing go by it."
        )
        self._chosen, self._changed = chosen, changed
        self.toggled.connect(self._toggled)

    def show_state(self) -> None:
        """Show it of the chosen cells; nothing of an image without slices."""
        try:
            layer, slices = self._chosen()
        except UserError:  # is said where cells are worked on
            self.hide()
            return
        with QSignalBlocker(self):
            self.setChecked(not told_flat(layer))
        self.setVisible(slices > 1)

    def _toggled(self, through: bool) -> None:
        layer, _ = self._chosen()
        tell_flat(layer, not through)
        self._changed()
