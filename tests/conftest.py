"""What all tests share."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# Read when torch is first imported, which here are the tests: threads that wait do not keep others from computing.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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


def pytest_runtest_teardown() -> None:
    """End the threads that a test asked for: of two tests at a time, the others would wait for each other."""
    torch, threads = sys.modules.get("torch"), os.environ.get("OMP_NUM_THREADS", "")
    if torch is not None and threads.isdigit() and torch.get_num_threads() != int(threads):
        torch.set_num_threads(int(threads))


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
