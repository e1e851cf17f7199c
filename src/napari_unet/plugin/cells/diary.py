"""What was done to the chosen cells, in words, so that undo and redo can say what they undo and redo."""

from __future__ import annotations

from collections.abc import Sequence

from napari.layers import Labels
from psygnal import Signal

from napari_unet.plugin.decide import Message

BY_HAND = "what was painted"
"""How steps are called that nobody has named: those of napari's own tools."""


class Diary:
    """Names the steps in a layer's history, and says which of them was undone or redone.

    napari tells of undo and redo by ``set_data`` only, as it does of a slice that comes into view. A step that was
    undone is the last one that can be redone, and the other way round.
    """

    said = Signal(Message)

    def __init__(self) -> None:
        self._layer: Labels | None = None
        self._words: list[tuple[object, str]] = []
        self._ends: tuple[object, object] = None, None
        """The steps that could be undone and redone when it was looked last."""

    def follow(self, layer: Labels | None) -> None:
        """Speak of this layer from now on."""
        if layer is self._layer:
            return
        if self._layer is not None:
            self._layer.events.set_data.disconnect(self._look)
            self._layer.events.paint.disconnect(self._remember)
        self._layer, self._words = layer, []
        if layer is not None:
            layer.events.set_data.connect(self._look)
            layer.events.paint.connect(self._remember)
        self._remember()

    def note(self, words: str) -> None:
        """Name the last step, such as ``merged cell 2 into cell 1``."""
        if self._layer is None:
            return
        there = {id(step[-1]) for step in _steps(self._layer, "_undo_history")}  # nothing can be redone now
        self._words = [item for item in self._words if id(item[0]) in there]
        self._words.append((latest(self._layer), words))
        self._remember()

    def _remember(self) -> None:
        self._ends = (None, None) if self._layer is None else (latest(self._layer), _last_undone(self._layer))

    def _look(self) -> None:
        """Say what was undone or redone since."""
        if self._layer is None:
            return
        (before, undone_before), undone, now = self._ends, _last_undone(self._layer), latest(self._layer)
        self._remember()
        if undone is not None and undone is before and undone is not undone_before:
            self.said.emit(Message(f"Undone: {self._named(undone)}. Ctrl+Shift+Z does it again."))
        elif now is not None and now is undone_before and now is not before:
            self.said.emit(Message(f"Done again: {self._named(now)}. Ctrl+Z takes it back."))

    def _named(self, step: object) -> str:
        return next((words for known, words in self._words if known is step), BY_HAND)


def latest(layer: Labels) -> object:
    """Return the last atom of the last step that can be undone, by which the step is known."""
    steps = _steps(layer, "_undo_history")
    return steps[-1][-1] if steps else None


def _last_undone(layer: Labels) -> object:
    """Return the same of the last step that can be redone, whose atoms napari keeps in reverse."""
    steps = _steps(layer, "_redo_history")
    return steps[-1][0] if steps else None


def _steps(layer: Labels, name: str) -> Sequence[Sequence[object]]:
    found: Sequence[Sequence[object]] = getattr(layer, name)  # napari has no other way to ask
    return found


def as_words(sentence: str) -> str:
    """Make words for the diary of what was said when a step was made.

    Examples
    --------
    >>> as_words("Merged cell 2 into cell 1. They do not touch. Ctrl+Z takes it back.")
    'merged cell 2 into cell 1'
    """
    first = sentence.split(". ")[0].removesuffix(".")
    return f"{first[:1].lower()}{first[1:]}"
