"""Which layers of a result were edited by hand, and whether that was undone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Any

from napari.layers import Labels
from psygnal import Signal

from napari_unet.plugin.cells.accepted import Change


class ByHand:
    """Follows layers that hold what was computed.

    A layer is edited while napari's history has a step that undo would take back; acceptances of cells are none.
    Undo does not bring back what was computed, and the edit is lasting, where

    * the data were replaced,
    * the history was emptied, or is full, as its first steps are dropped then, or
    * what was computed was written beneath a step: undo would bring back what was there before.

    Examples
    --------
    >>> import numpy as np
    >>> layer, by_hand = Labels(np.zeros((8, 8), np.uint8)), ByHand()
    >>> by_hand.follow(layer)
    >>> layer.paint((4, 4), 1)
    >>> by_hand.edited(layer), by_hand.lasting(layer)
    (True, False)
    >>> layer.undo()
    >>> by_hand.edited(layer)
    False
    """

    changed = Signal(object)
    """A layer is edited now, or not any more."""

    def __init__(self) -> None:
        self._seen: dict[int, bool] = {}
        """Whether the layers that are followed were edited when they were last looked at."""
        self._told: dict[int, bool] = {}
        """What was told of it."""
        self._lasting: set[int] = set()
        self.quiet = False
        """What is told of a layer at the moment is no edit."""

    def follow(self, layer: Labels) -> None:
        """Follow a layer that is not edited yet."""
        self._seen[id(layer)] = self._told[id(layer)] = False
        self._lasting.discard(id(layer))  # a layer that is gone may have had the same
        for event in (layer.events.paint, layer.events.labels_update, layer.events.set_data):
            event.connect(lambda: self._look(layer))  # napari tells of undo by the last of them only
        layer.events.data.connect(lambda: self._replaced(layer))

    def leave(self, layer: Labels) -> None:
        """Follow a layer no longer."""
        self._seen.pop(id(layer), None)

    def edited(self, layer: Labels) -> bool:
        """Whether a layer holds other than what was computed."""
        if id(layer) not in self._seen:
            return False
        undo, redo = _history(layer)
        edits, full = _has_edits([*undo, layer._staged_history]), len(undo) == undo.maxlen  # noqa: SLF001
        lost = self._seen[id(layer)] and not edits and not _has_edits(redo)
        if lost or (edits and full):
            self._lasting.add(id(layer))
        self._seen[id(layer)] = edits or id(layer) in self._lasting
        return self._seen[id(layer)]

    def lasting(self, layer: Labels) -> bool:
        """Whether a layer is edited, and undo does not bring back what was computed."""
        return self.edited(layer) and id(layer) in self._lasting

    def overwrite(self, layer: Labels) -> None:
        """Note that what was computed is about to be written into a layer."""
        redo = _history(layer)[1]
        if self.edited(layer):
            self._lasting.add(id(layer))
        if _has_edits(redo):
            redo.clear()  # redone and undone again, it would bring back what was there before

    def _replaced(self, layer: Labels) -> None:
        if not self.quiet and id(layer) in self._seen:
            self._lasting.add(id(layer))
            self._look(layer)

    def _look(self, layer: Labels) -> None:
        if id(layer) in self._seen and (edited := self.edited(layer)) != self._told[id(layer)]:
            self._told[id(layer)] = edited
            self.changed.emit(layer)


def _history(layer: Labels) -> tuple[deque[Any], deque[Any]]:
    """Give the steps that can be undone, and those that can be redone: napari has no other way to tell them."""
    return layer._undo_history, layer._redo_history  # noqa: SLF001


def _has_edits(steps: Iterable[Any]) -> bool:
    """Whether some step changed pixels: acceptances of cells take their turn in the history, too."""
    return any(not isinstance(atom, Change) for atom in chain.from_iterable(steps))
