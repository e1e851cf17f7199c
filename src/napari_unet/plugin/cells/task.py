"""What is done with the chosen cells in the background, and tells what came of it."""

from __future__ import annotations

from napari.components import ViewerModel
from psygnal import Signal

from napari_unet.plugin.cells.background import Background, Outcome
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.decide import Kind, Message
from napari_unet.plugin.store import Store


class CellsTask:
    """Base of what works on the chosen cells.

    Parameters
    ----------
    viewer, choice
        Where the layers are, and which are chosen.
    background
        Does the work.
    store
        Makes the arrays of new layers.
    """

    said = Signal(Message)

    def __init__(
        self, viewer: ViewerModel, choice: CellsChoice, background: Background, store: Store | None = None
    ) -> None:
        self._viewer, self._choice, self._background = viewer, choice, background
        self._store = store or Store()

    def _failed(self, what: str, outcome: Outcome, left: str = "") -> bool:
        """Say that some work was cancelled, and what is left of it, or that it failed; tells whether it was so."""
        if outcome.cancelled:
            self._say(f"{what} was cancelled{left}.")
        elif outcome.error:
            self._say(f"{what} failed: {outcome.error}.", "error")
        return outcome.cancelled or bool(outcome.error)

    def _say(self, text: str, kind: Kind = "info") -> None:
        self.said.emit(Message(text, kind))
