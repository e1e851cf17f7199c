"""What users install: the wheel, the sdist and the editable checkout, each as napari sees it."""

from __future__ import annotations

import email
import email.message
import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

NAME = "napari-unet-live"
MANIFEST = "napari_unet/napari.yaml"

# What napari does at start-up: find the manifests, import nothing of the plugin but its package.
DISCOVER = """
import json, sys
from npe2 import PluginManifest

found = [r for r in PluginManifest.discover() if r.distribution.metadata["Name"] == sys.argv[1]]
import napari_unet
print(json.dumps({
    "manifests": [r.manifest.model_dump(mode="json", exclude={"package_metadata"}) for r in found],
    "errors": [str(r.error) for r in found if r.error],
    "file": napari_unet.__file__,
    "torch": "torch" in sys.modules,
}))
"""


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=env)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of this checkout and the wheel that is built from that sdist."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, root)
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    return next(built.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to everything that is installed here but for this package."""
    folder = tmp_path_factory.mktemp("others")
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            ours = entry.name.startswith(("napari_unet", "_editable_impl_napari_unet"))
            if not ours and entry.suffix != ".pth":
                (folder / entry.name).symlink_to(entry)
    return folder


def install(package: Path, others: Path, target: Path) -> dict[str, str]:
    """Install a package alone into a folder; the environment in which Python sees it and the others."""
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "install", *options, "--target", target, package)
    return {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{others}"}


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_manifest_at_the_top_is_the_one_of_the_package(root: Path) -> None:
    assert (root / "napari.yaml").read_bytes() == (root / "src" / MANIFEST).read_bytes()


def test_the_wheel_holds_what_a_user_needs(wheel: Path, root: Path) -> None:
    names = members(wheel)
    assert {MANIFEST, "napari_unet/py.typed", "napari_unet/learn/start.safetensors"} <= names
    assert any(n.endswith("licenses/LICENSE") for n in names)
    data = root / "src/napari_unet/storage/data"
    bundled = {
        f"napari_unet/storage/data/{p.relative_to(data).as_posix()}" for p in data.rglob("*") if p.is_file()
    }
    assert bundled
    assert bundled <= names


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {n.split("/")[0] for n in members(wheel)}
    assert tops == {"napari_unet", f"napari_unet_live-{importlib.metadata.version(NAME)}.dist-info"}


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 5e6


def test_the_metadata_pins_nothing_from_above(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    requirements = [line.split(";")[0] for line in lines if line.startswith("Requires-Dist:")]
    assert requirements
    assert not [r for r in requirements if "<" in r or "==" in r or "~=" in r]


def metadata_of(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_metadata_say_what_napari_hub_shows(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert {"Framework :: napari", "Operating System :: OS Independent"} <= set(metadata.get_all("Classifier"))
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Summary"].endswith("a napari plugin.")
    assert "segmentation" in metadata["Keywords"]
    assert metadata["Requires-Python"] == ">=3.11"
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"qt", "cells", "all"} <= extras


def test_the_description_is_one_that_pypi_can_show(wheel: Path) -> None:
    renderer = pytest.importorskip("readme_renderer.markdown", reason="readme-renderer[md] is not installed")
    metadata = metadata_of(wheel)
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    complaints = io.StringIO()
    text = metadata.get_payload(decode=True).decode()
    page = renderer.render(text, stream=complaints)
    assert complaints.getvalue() == ""
    assert re.search(r"<h1\b[^>]*>napari-unet-live<", page)
    assert page.count("<pre") >= 4


def test_neither_package_holds_what_was_made_on_the_way(wheel: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [*archive.getnames(), *members(wheel)]
    junk = ("__pycache__", ".pyc", ".venv", "demo-output", "_build", ".pytest_cache", ".egg-info")
    assert not [name for name in names if any(part in name for part in junk)]


def test_the_sdist_holds_the_manifest_at_both_places(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        top = archive.getnames()[0].split("/")[0]
        texts = [archive.extractfile(f"{top}/{name}") for name in ("napari.yaml", f"src/{MANIFEST}")]
        first, second = [t.read() for t in texts if t is not None]
    assert first == second
    assert first.startswith(b"name: napari-unet-live")


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_napari_finds_the_installed_plugin(
    kind: str, request: pytest.FixtureRequest, others: Path, tmp_path: Path
) -> None:
    package: Path = request.getfixturevalue(kind)
    env = install(package, others, tmp_path)
    # -S: without the site-packages where the editable installation lies
    seen = json.loads(run(sys.executable, "-S", "-c", DISCOVER, NAME, env=env))
    assert Path(seen["file"]).is_relative_to(tmp_path)
    assert_found_without_torch(seen)


def test_napari_finds_the_editable_installation(root: Path) -> None:
    origin = importlib.metadata.distribution(NAME).read_text("direct_url.json")
    if origin is None or not json.loads(origin).get("dir_info", {}).get("editable"):
        pytest.skip("the package is not installed editable here")
    seen = json.loads(run(sys.executable, "-c", DISCOVER, NAME))
    assert Path(seen["file"]).is_relative_to(root / "src")
    assert_found_without_torch(seen)


def assert_found_without_torch(seen: dict[str, object]) -> None:
    assert seen["errors"] == []
    (manifest,) = seen["manifests"]  # type: ignore[misc]
    assert manifest["name"] == NAME
    assert manifest["contributions"]["widgets"]
    assert manifest["contributions"]["sample_data"]
    assert seen["torch"] is False


def test_npe2_validates_the_manifest_and_everything_it_names() -> None:
    text = run(sys.executable, "-m", "npe2", "validate", NAME, "--imports")
    assert "valid" in text
