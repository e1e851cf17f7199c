"""A box to choose one of several named things."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy


class Choice(QComboBox):
    """Names to choose from; emits only what the user chooses.

    Parameters
    ----------
    empty
        Shown where there is nothing to choose, or nothing is chosen.
    """

    chosen = Signal(str)
    """The name; empty for none."""

    def __init__(self, empty: str) -> None:
        super().__init__()
        self._empty = empty
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.activated.connect(self._activated)

    def show_names(self, names: Sequence[str], current: str | None) -> None:
        """Offer names and show which one is chosen."""
        with QSignalBlocker(self):
            self.clear()
            if current is None:
                self.addItem(self._empty)
            self.addItems(list(names))
            self.setCurrentText(current if current is not None else self._empty)

    def _activated(self, index: int) -> None:
        text = self.itemText(index)
        self.chosen.emit("" if text == self._empty else text)
