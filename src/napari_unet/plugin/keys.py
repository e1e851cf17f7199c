"""Keys that work while the dock is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari.components import ViewerModel
from napari.layers import Layer

KEYS = {
    "T": "train, or stop the training",
    "W": "preview on or off",
    "U": "how unsure the network is, on or off",
    "N": "go to where annotation is worth most next",
    "S": "segment the visible slice",
    "Q": "paint with the next class",
    "A": "take the predicted cell under the pointer as annotation",
    "R": "take what is predicted in a rectangle",
    "H": "how the prediction was before this training, and back",
    "Escape": "take the outline of that place away; end taking cells or a region",
}
"""napari's own tools for points and shapes use T, S, A and R as well; they win while such a layer is active. Keys
of Labels layers (B, for one) are not used: such a layer is active while the user paints."""


class Keys:
    """Binds keys, and gives them back.

    Parameters
    ----------
    owner
        Whose keys: a viewer, or a layer, whose keys come first while it is active.
    actions
        What each key does.
    """

    def __init__(self, owner: ViewerModel | Layer, actions: Mapping[str, Callable[[], None]]) -> None:
        self._owner = owner
        self._before = {key: owner.bind_key(key, _ignoring(do), overwrite=True) for key, do in actions.items()}

    def close(self) -> None:
        """Give the keys back."""
        for key, before in self._before.items():
            self._owner.bind_key(key, before, overwrite=True)
        self._before = {}


def _ignoring(action: Callable[[], None]) -> Callable[[object], None]:
    def pressed(_owner: object) -> None:
        action()

    return pressed
