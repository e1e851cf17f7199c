"""Who loads what at run time; import-linter checks the imports in the source (`make layers`)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Imports a package with all its modules, then prints which of the unwanted ones came along.
IMPORT_ALL = """
import importlib, pkgutil, sys

name, *unwanted = sys.argv[1:]
package = importlib.import_module(name)
for module in pkgutil.walk_packages(getattr(package, "__path__", []), name + "."):
    importlib.import_module(module.name)
print(*[u for u in unwanted if any(m == u or m.startswith(u + ".") for m in sys.modules)])
"""

WINDOW = ["napari", "qtpy", "magicgui", "superqt", "pyqtgraph"]


def brought_along(name: str, unwanted: list[str]) -> list[str]:
    command = [sys.executable, "-c", IMPORT_ALL, name, *unwanted]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_probe_sees_what_is_loaded() -> None:
    assert brought_along("napari_unet.nets", ["torch", "napari"]) == ["torch"]


def test_the_window_loads_no_torch() -> None:
    science = ["torch", "napari_unet.learn", "napari_unet.nets", "napari_unet.jobs"]
    assert brought_along("napari_unet.plugin", science) == []


@pytest.mark.parametrize("room", ["spec", "events", "errors", "arrays", "storage"])
def test_arrays_and_files_load_neither_torch_nor_the_window(room: str) -> None:
    assert brought_along(f"napari_unet.{room}", ["torch", *WINDOW]) == []


@pytest.mark.parametrize("room", ["nets", "learn", "jobs"])
def test_the_science_loads_no_window(room: str) -> None:
    assert brought_along(f"napari_unet.{room}", WINDOW) == []


def test_the_command_line_answers_without_torch() -> None:
    assert brought_along("napari_unet.cli", ["torch", *WINDOW]) == []


def test_the_package_itself_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, napari_unet; print('torch' in sys.modules, 'numpy' in sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert seen.split() == ["False", "False"]


# Notes what OpenMP will read when torch begins to load.
WAITING = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"))

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("room", ["learn.loop", "jobs", "jobs.demo", "jobs.model"])
def test_openmp_is_told_to_sleep_before_torch_is_loaded(room: str) -> None:
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    command = [sys.executable, "-c", WAITING, f"napari_unet.{room}"]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["PASSIVE"], done.stderr
