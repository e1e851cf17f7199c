"""README and docs: the Python runs as it stands there, with fewer training steps; commands are understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from napari_unet.cli.app import app
from napari_unet.jobs import make_spec

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    p for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if BLOCK.search(p.read_text("utf-8"))
]
COMMAND = re.compile(r"^\$ napari-unet +(?!--)(.+)$", re.MULTILINE)
TEXTS = {p.relative_to(ROOT): p.read_text("utf-8") for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
COMMANDS = sorted({line for text in TEXTS.values() for line in COMMAND.findall(text)})
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def quick(code: str) -> str:
    """The same code, trained for three steps in place of seconds or of more steps."""
    return re.sub(r"\b(seconds|steps)=\d+", "steps=3", code)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(BLOCK.findall(page.read_text("utf-8")))
    exec(compile(quick(code), str(page), "exec"), {"__name__": "page"})


def test_quick_replaces_the_time() -> None:
    assert quick("nu.train(image, labels, seconds=60)") == "nu.train(image, labels, steps=3)"
    assert quick("nu.train(image, labels, steps=20)") == "nu.train(image, labels, steps=3)"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_of_pages_outside_of_the_docs_lead_somewhere(page: str) -> None:
    links = LINK.findall((ROOT / page).read_text("utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_page_is_understood(line: str) -> None:
    name, *arguments = shlex.split(line.split(">")[0], comments=True)
    commands = typer.main.get_command(app).commands
    values = commands[name].make_context(name, arguments).params
    if name == "train" and not str(values["recipe"]).endswith(".json"):
        make_spec(values["recipe"], values["net"], train={"loss": values["loss"], "learning_rate": values["lr"]})
