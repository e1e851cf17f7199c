"""Keys that work while the dock is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer


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
        self._bound = {key: _Bound(do) for key, do in actions.items()}
        for key, bound in self._bound.items():
            bound.before = owner.bind_key(key, bound, overwrite=True)

    def close(self) -> None:
        """Give the keys back; one that somebody else has bound since passes presses on from now on."""
        for key, bound in self._bound.items():
            bound.on = False
            current = self._owner.bind_key(key, None, overwrite=True)
            self._owner.bind_key(key, bound.before if current is bound else current, overwrite=True)
        self._bound = {}


class _Bound:
    """What a key does, and did before."""

    __name__ = "pressed"  # napari asks every action for one

    def __init__(self, do: Callable[[], None]) -> None:
        self._do, self.on = do, True
        self.before: Callable[[Any], Any] | None = None

    def __call__(self, owner: Any) -> Any:
        if self.on:
            self._do()
        elif callable(self.before):
            return self.before(owner)
        return None
