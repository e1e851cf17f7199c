"""Which cells of a layer are accepted: they stay as they are when cells are made anew.

Accepting changes no pixels, but takes its turn in the layer's own history, between the edits: Ctrl+Z and
Ctrl+Shift+Z undo and redo both, in the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Self
from weakref import WeakKeyDictionary, ref

import numpy as np
from napari.layers import Labels, Layer
from psygnal import Signal

CellKey = tuple[int, int | None, int]
"""Time point, slice (None: of a cell that goes through the slices) and number of a cell."""


class Change(tuple[Any, ...]):
    """A step of napari's history that writes nothing into the pixels, but says which cells were accepted.

    For napari it is (index, values before, values after), as an edit is, with an empty index.
    """

    added: frozenset[CellKey]
    removed: frozenset[CellKey]
    done: bool

    @classmethod
    def of(cls, ndim: int, added: Iterable[CellKey], removed: Iterable[CellKey]) -> Self:
        """Make a step for a layer with some axes; it counts as done."""
        nothing = np.zeros((0,) * ndim, np.uint8)
        made = cls(((slice(0, 0),) * ndim, nothing, nothing))
        made.added, made.removed, made.done = frozenset(added), frozenset(removed), True
        return made


class Accepted:
    """The accepted cells of a layer.

    Parameters
    ----------
    layer
        Its cells; it is not kept alive.
    """

    changed = Signal()
    """More cells are accepted, or fewer."""

    def __init__(self, layer: Labels) -> None:
        self._layer = ref(layer)
        self._keys: set[CellKey] = set()
        # napari tells of undo and redo by this event only; it holds the method weakly.
        layer.events.set_data.connect(self._follow)

    @property
    def keys(self) -> frozenset[CellKey]:
        """All of them."""
        self._follow()
        return frozenset(self._keys)

    def numbers(self, t: int, z: int | None = None) -> set[int]:
        """Return the numbers of the accepted cells of a slice, or (z is None) of a volume with all its slices."""
        return {n for at, slice_, n in self.keys if at == t and (z is None or slice_ in (None, z))}

    def at(self, t: int, z: int | None, number: int) -> set[CellKey]:
        """Return what is accepted of a cell of a slice, or (z is None) of a volume."""
        return {k for k in self.keys if k[0] == t and k[2] == number and (z is None or k[1] in (None, z))}

    def change(self, add: Iterable[CellKey] = (), remove: Iterable[CellKey] = ()) -> None:
        """Accept cells and others no longer, as one step of the layer's history.

        Within ``layer.block_history()`` it is one step together with the edits.
        """
        layer, keys = self._layer(), self.keys
        added, removed = set(add) - keys, set(remove) & keys
        if layer is not None and (added or removed):
            step = Change.of(layer.ndim, added, removed)
            self._keys = (self._keys - removed) | added
            layer._save_history(step)  # noqa: SLF001 - napari has no other way to say it
            self.changed.emit()

    def _follow(self) -> None:
        """Undo and redo the steps that napari has undone and redone."""
        layer = self._layer()
        if layer is None:
            return
        before = set(self._keys)
        for step in _steps(layer, "_redo_history"):  # the one that was made last comes first
            if step.done:
                self._keys = (self._keys - step.added) | step.removed
                step.done = False
        for step in _steps(layer, "_undo_history"):
            if not step.done:
                self._keys = (self._keys - step.removed) | step.added
                step.done = True
        if self._keys != before:
            self.changed.emit()


def _steps(layer: Labels, name: str) -> list[Change]:
    return [step for step in chain.from_iterable(getattr(layer, name)) if isinstance(step, Change)]


def is_edit(event: Any) -> bool:
    """Tell whether an event of a layer says that pixels were changed, and not only that cells were accepted."""
    steps = getattr(event, "value", None)
    return not (isinstance(steps, list) and steps and all(isinstance(step, Change) for step in steps))


_ACCEPTED: WeakKeyDictionary[Layer, Accepted] = WeakKeyDictionary()


def accepted_of(layer: Layer | None) -> Accepted | None:
    """Return the accepted cells of a layer; None if none were ever accepted.

    `napari_unet.arrays.correcting.protect` keeps them where cells are made anew.
    """
    return None if layer is None else _ACCEPTED.get(layer)


def accepted_in(layer: Labels) -> Accepted:
    """Return the accepted cells of a layer, ready to take some."""
    if layer not in _ACCEPTED:
        _ACCEPTED[layer] = Accepted(layer)
    return _ACCEPTED[layer]
