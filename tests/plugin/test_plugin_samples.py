"""Samples in napari's menu."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import napari
import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManifest
from pytestqt.qtbot import QtBot

from napari_unet.errors import UserError
from napari_unet.plugin import samples
from napari_unet.storage.samples import SAMPLES

MANIFEST = PluginManifest.from_file(Path(str(files("napari_unet") / "napari.yaml")))


def test_every_sample_is_in_the_manifest() -> None:
    offered = {s.key: s.display_name for s in MANIFEST.contributions.sample_data or []}
    assert offered == {name: sample.title for name, sample in SAMPLES.items()}


@pytest.mark.parametrize("name", [n for n, s in SAMPLES.items() if s.bundled])
def test_bundled_samples_become_layers(name: str) -> None:
    offered = next(s for s in MANIFEST.contributions.sample_data or [] if s.key == name)
    command = next(c for c in MANIFEST.contributions.commands or [] if c.id == offered.command)
    module, _, function = str(command.python_name).partition(":")
    assert module == samples.__name__
    image, truth = (Layer.create(*given) for given in getattr(samples, function)())
    assert image.data.shape == truth.data.shape
    assert not truth.visible
    assert image.axis_labels == tuple("zyx"[-image.ndim :])
    np.testing.assert_array_equal(image.scale, truth.scale)
    assert truth.data.max() > 1


def test_the_image_is_selected_and_the_truth_hidden(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    for image in ("nuclei-1", "nuclei-1 [1]"):
        viewer.open_sample("napari-unet-live", "nuclei-1")
        assert not viewer.layers[-1].visible
        qtbot.waitUntil(lambda image=image: viewer.layers.selection == {viewer.layers[image]})


def test_a_brush_taken_meanwhile_is_kept(make_napari_viewer: Callable[..., napari.Viewer]) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.open_sample("napari-unet-live", "nuclei-1")
    strokes = viewer.add_labels(np.zeros((9, 9), np.uint8))
    samples.select_image()
    assert viewer.layers.selection.active is strokes


def test_isbi_is_not_fetched_without_consent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NAPARI_UNET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = []
    with pytest.raises(UserError, match="allow the download"):
        samples.open_sample("isbi2012", consent=lambda s: bool(asked.append(s)))
    assert asked == [SAMPLES["isbi2012"]]
    assert "non-commercial" in asked[0].licence


def test_isbi_from_a_folder_needs_no_consent(monkeypatch: pytest.MonkeyPatch, real_data: Path) -> None:
    monkeypatch.setenv("NAPARI_UNET_DATA", str(real_data))
    image, truth = samples.open_sample("isbi2012", consent=lambda _: pytest.fail("asked"))
    assert image[0].shape == truth[0].shape == (20, 512, 512)
    assert image[1]["scale"] == (0.05, 0.004, 0.004)
