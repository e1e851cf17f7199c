"""The dock in a real napari window, with an engine that does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import napari
import numpy as np
import pooch
import pytest

from dock_tools import MakeViewer
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.dock import UNetDock
from napari_unet.storage import weights
from plugin_tools import FakeEngine


@pytest.fixture
def viewer(make_napari_viewer: MakeViewer) -> napari.Viewer:
    made = make_napari_viewer(show=True)
    made.add_image(np.random.default_rng(0).random((4, 60, 80)), name="stack")
    return made


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def dock(viewer: napari.Viewer, engine: FakeEngine, tmp_path: Path) -> Iterator[UNetDock]:
    made = UNetDock(viewer, Controller(viewer, engine, Checkpoints(tmp_path)))  # type: ignore[arg-type]
    viewer.window.add_dock_widget(made, name="U-Net")
    made.train.by_itself.setChecked(False)
    yield made
    made.shut_down()


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """VGG16's weights are not on this machine; where they would be."""
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    return weights.places(weights.VGG16)[0]
