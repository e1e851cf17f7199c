"""The plugin is installed, used and taken away again by napari's own plugin manager.

Real: the wheel, built from this checkout; napari's window, menus and plugin manager with mouse and keyboard;
its installer, which runs pip; napari started anew between the steps; npe2 that finds what pip has installed; the
engine that trains. Not real: the hub and the package index are a server in this process that knows this plugin
alone, and napari, Qt, torch and the others are not downloaded: the new virtual environment sees those of the tests
through links, without this package. So nothing is taken from the internet.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from install.hub import serve

USER = Path(__file__).with_name("user.py")
pytest.importorskip("napari_plugin_manager")


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, root)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new virtual environment with napari, but without this package."""
    folder = tmp_path_factory.mktemp("napari")
    others = folder / "others"
    others.mkdir()
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            own = entry.name.startswith(("napari_unet", "_editable_impl_napari_unet", "pip", "__pycache__"))
            if not own and entry.suffix != ".pth" and not (others / entry.name).exists():
                (others / entry.name).symlink_to(entry)
    run(sys.executable, "-m", "venv", folder / "venv")
    windows = sys.platform == "win32"
    python = folder / "venv" / ("Scripts/python.exe" if windows else "bin/python")
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    run(python, "-m", "pip", "uninstall", "--yes", "setuptools")  # an old one, which hides ours
    Path(purelib, "napari.pth").write_text(f"{others}\n")
    return python


@pytest.fixture(scope="module")
def environment(wheel: Path, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment variables of a user whose only package index is ours."""
    home = tmp_path_factory.mktemp("home")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV"))}
    with serve(wheel) as hub:
        yield kept | {
            "HUB": hub,
            "PATH": os.pathsep.join((str(python.parent), os.defpath)),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"{hub}/simple",
            "NAPARI_CONFIG": str(home / "settings.yaml"),
            "XDG_CACHE_HOME": str(home / "cache"),
        }


def test_napari_installs_uses_and_removes_the_plugin(python: Path, environment: dict[str, str]) -> None:
    if shutil.which("uv", path=environment["PATH"]):
        pytest.skip("uv is on this path: the plugin manager would use it, and it does not see what is linked")

    def person(deed: str) -> Any:
        lines = run(python, USER, deed, env=environment).splitlines()
        return json.loads(lines[-1].removeprefix("TOLD "))

    person("install")
    used = person("use")
    assert used["steps"] >= 5
    assert used["preview"][1:] == [360, 360]
    assert used["torch"] is False
    assert used["layers_menu"] == [
        "Check this machine (U-Net live)",
        "Proofread and measure cells (U-Net live)",
        "Segment many images (U-Net live)",
        "Train a U-Net on painted strokes (U-Net live)",
    ]
    person("uninstall")
    assert person("look") == {"entries": []}
