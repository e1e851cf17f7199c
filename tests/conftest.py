"""What all tests share."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# Time says nothing on a shared machine; elsewhere new examples are tried every time.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_configure(config: pytest.Config) -> None:
    """Keep napari's settings of the person who runs the tests out of them: napari reads this once, on import."""
    folder = tempfile.mkdtemp(prefix="napari-settings-")
    os.environ["NAPARI_CONFIG"] = str(Path(folder, "settings.yaml"))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end.

    napari's fixture collects all garbage three times a window, and looked through a million objects, most of which
    are modules and tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, too large or not free enough for the package; tests that need it may skip."""
    folder = Path(os.environ.get("NAPARI_UNET_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (the environment variable NAPARI_UNET_DATA names it)")
    return folder
