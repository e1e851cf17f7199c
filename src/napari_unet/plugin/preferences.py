"""What the user has set under File > Preferences > U-Net live (napari 0.9 or later)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import napari.settings
from napari.utils.notifications import show_warning
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_unet.plugin.keymap import CELL_KEYS, KEYMAP, UNET_KEYS
from napari_unet.spec import Device

PLUGIN = "napari-unet-live"
REST = 800
"""Milliseconds after the last change at which it counts: napari tells of every letter that is typed."""
FIXED = {"Space": "move the view", "Ctrl+Z": "undo", "Ctrl+Shift+Z": "redo"}
"""Keys of napari that nobody can change."""
_OF_LABELS = re.compile("label|brush|polygon|undo|redo")


@dataclass(frozen=True)
class Preferences:
    """What is set.

    Parameters
    ----------
    device, threads
        What computes; None: automatic.
    folder
        Where dialogs for projects begin; empty: where Qt lets them.
    preview
        The preview is on when the dock opens.
    """

    device: Device = "auto"
    threads: int | None = None
    folder: str = ""
    preview: bool = True


def understand(values: Mapping[str, Mapping[str, Any]]) -> Preferences:
    """Read what napari keeps for this plugin, by page and name.

    Examples
    --------
    >>> understand({"machine": {"device": "cpu", "threads": 0}, "window": {"folder": " ", "preview": False}})
    Preferences(device='cpu', threads=None, folder='', preview=False)
    """
    machine, window = values.get("machine", {}), values.get("window", {})
    return Preferences(
        device=machine.get("device", "auto"),
        threads=machine.get("threads") or None,
        folder=str(window.get("folder", "")).strip(),
        preview=window.get("preview", True),
    )


def wanted_keys(values: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Read the keys that are set.

    Examples
    --------
    >>> wanted_keys({"keys": {"train": "X"}, "cell_keys": {"merge": "F2"}})
    {'train': 'X', 'merge': 'F2'}
    """
    pages = (("keys", UNET_KEYS), ("cell_keys", CELL_KEYS))
    return {
        name: str(value) for page, known in pages for name, value in values.get(page, {}).items() if name in known
    }


class Preferred:
    """Follows the preferences; keys go to `KEYMAP`."""

    changed = Signal(Preferences, Preferences)
    """From these `Preferences` to those."""

    def __init__(self) -> None:
        self.now = Preferences()
        self._settings: Any = None
        self._complaints: list[str] = []
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self.read)

    def read(self) -> Preferences:
        """Read them now, and follow what is set from now on."""
        settings = _settings()
        if settings is not self._settings:
            self._settings = settings
            if settings is not None:
                settings.events.changed.connect(self._wait)
        values = {} if settings is None else settings.model_dump()
        before, self.now = self.now, understand(values)
        complaints = KEYMAP.take(wanted_keys(values), keys_of_labels())
        for complaint in complaints:
            if complaint not in self._complaints:
                show_warning(f"U-Net: {complaint}")
        self._complaints = complaints
        if self.now != before:
            self.changed.emit(before, self.now)
        return self.now

    def _wait(self, _event: object = None) -> None:
        self._rest.start()


@functools.cache
def preferred() -> Preferred:
    """Give the one that this napari has."""
    return Preferred()


def _settings() -> Any:
    """Give what napari keeps for this plugin; None: nothing, as before 0.9 or while the plugin is off."""
    get = getattr(napari.settings, "get_plugin_settings", None)
    return None if get is None else get().get(PLUGIN)


def keys_of_labels() -> dict[str, str]:
    """Give the keys of Labels layers, as they are set now, with what they do in napari's words."""
    shortcuts = napari.settings.get_settings().shortcuts.shortcuts
    return FIXED | {
        str(key): action.partition(":")[2].replace("_", " ")
        for action, keys in shortcuts.items()
        if _OF_LABELS.search(action)
        for key in keys
    }
