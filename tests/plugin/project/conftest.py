"""An image to make projects of, the plugin's manifest, and labels of another plugin's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from npe2 import PluginManifest

from napari_unet.storage.samples import load_sample

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def manifest(npe2pm: Any) -> Iterator[None]:
    """The manifest of this checkout, and napari's own readers."""
    with npe2pm.tmp_plugin(package="napari"):
        npe2pm.register(PluginManifest.from_file(ROOT / "src" / "napari_unet" / "napari.yaml"))
        yield


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "cells ü.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, load_sample("nuclei-3d").image)
    return path


@pytest.fixture
def lazy_labels(npe2pm: Any, tmp_path: Path) -> Iterator[tuple[Path, npt.NDArray[Any]]]:
    """A file of another plugin's with labels that are read as they are looked at."""
    sample = load_sample("nuclei-3d").image
    labels = (sample > sample.mean()).astype(np.uint16)
    file = tmp_path / "masks.lazy"
    file.touch()

    with npe2pm.tmp_plugin(name="lazy") as plugin:

        @plugin.contribute.reader(filename_patterns=["*.lazy"])
        def get_reader(path: str) -> Any:
            def layers(_: str) -> list[Any]:
                return [
                    (da.zeros_like(labels), {"name": "others"}, "labels"),
                    (da.from_array(labels), {"name": "masks"}, "labels"),
                ]

            return layers

        yield file, labels
