"""One measuring of cells, in a thread of its own; the window asks how far it is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_unet.arrays.measuring import Measuring, finish
from napari_unet.errors import UserError, one_line
from napari_unet.events import Note, Preparing

if TYPE_CHECKING:
    import pandas as pd


class _Cancelled(Exception):
    pass


class Measurement:
    """Runs to its end or until it is cancelled.

    Parameters
    ----------
    events
        Measures.
    """

    def __init__(self, events: Measuring) -> None:
        self._events = events
        self._cancel = threading.Event()
        self.part = 0.0
        """How much is done, from 0 to 1."""
        self.table: pd.DataFrame | None = None
        self.note = ""
        """What could not be measured."""
        self.error = ""
        self.ended = False
        """Nothing of the above changes any more."""

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._work, name="measuring", daemon=True).start()

    def cancel(self) -> None:
        """End at the next part."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """It was told to end."""
        return self._cancel.is_set()

    def _work(self) -> None:
        try:
            self.table = finish(self._events, self._follow)
        except _Cancelled:
            self._events.close()
        except UserError as error:
            self.error = f"{error}."
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the window says it
            self.error = f"The cells could not be measured ({type(error).__name__}: {one_line(error)})."
        self.ended = True

    def _follow(self, event: Preparing | Note) -> None:
        if self.cancelled:
            raise _Cancelled
        if isinstance(event, Note):
            self.note = event.text
        else:
            self.part = event.done / event.total
