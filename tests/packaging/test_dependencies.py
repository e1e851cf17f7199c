"""What we depend on can be had: as wheels everywhere, and in the lowest versions that we declare."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

UNREACHABLE = ("Failed to fetch", "error sending request", "dns error", "network connectivity")


def resolve(root: Path, *options: str) -> dict[str, str]:
    """The versions that uv would install for this package, without installing anything."""
    uv = pytest.importorskip("uv", reason="uv is not installed: no versions can be resolved")
    # only wheels: napari's bundled app, and most users, have no compiler
    command = [
        uv.find_uv_bin(),
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--no-annotate",
        "--only-binary",
        ":all:",
    ]
    done = subprocess.run(
        [*command, *options, root / "pyproject.toml"], capture_output=True, text=True, check=False
    )
    if done.returncode and any(words in done.stderr for words in UNREACHABLE):
        pytest.skip(f"no package index can be reached: {done.stderr.strip().splitlines()[-1].strip()}")
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", done.stdout, re.MULTILINE))


@pytest.fixture(scope="module")
def floors(root: Path) -> dict[str, str]:
    """The lowest version of everything that the package itself requires."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pairs = [re.match(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)$", line) for line in project["dependencies"]]
    assert all(pairs), "every requirement has a floor and nothing else"
    return {pair[1]: pair[2] for pair in pairs if pair}


@pytest.mark.parametrize("platform", ["linux", "windows", "macos"])
def test_everything_that_is_required_comes_as_wheels(root: Path, floors: dict[str, str], platform: str) -> None:
    found = resolve(root, "--python-platform", platform, "--python-version", "3.12")
    assert set(floors) <= set(found)


def test_the_lowest_versions_fit_together(root: Path, floors: dict[str, str]) -> None:
    found = resolve(root, "--resolution", "lowest-direct", "--python-version", "3.11")
    assert set(floors) <= set(found)
    assert found["napari"] == "0.6.0"  # what the window does without in older ones is looked for at run time
