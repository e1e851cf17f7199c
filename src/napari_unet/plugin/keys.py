"""Keys that work while the dock is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari.components import ViewerModel

KEYS = {
    "T": "train, or stop the training",
    "W": "preview on or off",
    "S": "segment the visible slice",
    "Q": "paint with the next class",
    "A": "take the predicted cell under the pointer as annotation",
    "R": "take what is predicted in a rectangle",
    "H": "how the prediction was before this training, and back",
}
"""napari's own tools for points and shapes use T, S, A and R as well; they win while such a layer is active. Keys
of Labels layers (B, for one) are not used: such a layer is active while the user paints."""


class Keys:
    """Binds keys of a viewer, and gives them back.

    Parameters
    ----------
    viewer
        Whose keys.
    actions
        What each key does.
    """

    def __init__(self, viewer: ViewerModel, actions: Mapping[str, Callable[[], None]]) -> None:
        self._viewer = viewer
        self._before = {key: viewer.bind_key(key, _ignoring(do), overwrite=True) for key, do in actions.items()}

    def close(self) -> None:
        """Give the keys back."""
        for key, before in self._before.items():
            self._viewer.bind_key(key, before, overwrite=True)
        self._before = {}


def _ignoring(action: Callable[[], None]) -> Callable[[ViewerModel], None]:
    def pressed(_viewer: ViewerModel) -> None:
        action()

    return pressed
