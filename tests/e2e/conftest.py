"""The real window, with a sample and the dock open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import pooch
import pytest

from driving import OpenWindow
from napari_unet.plugin.dock import UNetDock


@pytest.fixture
def open_window(
    make_napari_viewer: Callable[..., napari.Viewer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> OpenWindow:
    """Opens a sample and the dock; what is kept in caches goes with the test."""
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path)

    def open_it(sample: str) -> tuple[napari.Viewer, UNetDock]:
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1200, 800)
        viewer.open_sample("napari-unet-live", sample)
        _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
        assert isinstance(dock, UNetDock)
        return viewer, dock

    return open_it
