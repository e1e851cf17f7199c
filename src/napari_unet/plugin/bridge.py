"""Brings the engine's signals from its reader thread to the thread of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psygnal import SignalInstance
from qtpy.QtCore import QObject, Qt, Signal

from napari_unet.engine.client import Engine
from napari_unet.plugin.controller import Controller


class Bridge(QObject):
    """Delivers every signal of an engine, and of downloads, to a controller, in the thread that made the bridge.

    Parameters
    ----------
    engine, controller
        From and to.
    parent
        Qt's owner.
    """

    _arrived = Signal(object, object)

    def __init__(self, engine: Engine, controller: Controller, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._links: list[tuple[SignalInstance, Callable[[Any], None]]] = []
        self._link(engine.state_changed, controller.on_state_changed)
        self._link(engine.event, controller.on_event)
        self._link(engine.preview, controller.on_preview)
        self._link(engine.suggestion, controller.on_suggestion)
        self._link(engine.outputs, controller.on_outputs)
        self._link(engine.block, controller.on_block)
        self._link(engine.job_finished, controller.on_job_finished)
        self._link(engine.died, controller.on_died)
        self._link(controller.trainer.fetch.progressed, controller.trainer.on_fetch_progress)
        self._link(controller.trainer.fetch.ended, controller.trainer.on_fetch_end)
        self._link(controller.saving.progressed, controller.on_save_progress)
        self._link(controller.saving.ended, controller.on_save_end)
        self._link(controller.recutting.made, controller.recutting.on_made)
        self._link(controller.tuning.reported, controller.tuning.on_report)
        self._link(controller.keeper.saved, controller.keeper.on_saved)

    def _link(self, signal: SignalInstance, receiver: Callable[[Any], None]) -> None:
        def forward(value: Any) -> None:
            self._arrived.emit(receiver, value)

        signal.connect(forward)
        self._links.append((signal, forward))

    def _deliver(self, receiver: Callable[[Any], None], value: Any) -> None:
        if self._links:
            receiver(value)

    def close(self) -> None:
        """Deliver nothing any more, not even what is on its way."""
        for signal, forward in self._links:
            signal.disconnect(forward)
        self._links.clear()
