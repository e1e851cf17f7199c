"""Draw the rooms of the code as SVG, from the layers that import-linter holds (pyproject.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

from make_drawings import ACCENT, FAINT, INK

ROOT = Path(__file__).parents[1]
WIDTH, ROW, BOX, GAP = 640, 62, 38, 12
WORDS = {
    "__main__": "python -m napari_unet",
    "plugin": "the window: napari, Qt",
    "cli": "the command line",
    "engine": "jobs in a process of their own",
    "jobs": "train, predict, measure ...",
    "storage": "files, no torch",
    "learn": "the loop, the predictor",
    "nets": "the networks",
    "arrays": "targets, tiles, cells; numpy, no torch",
    "spec": "what to do",
    "events": "what happened",
    "errors": "what a user can cure",
    "files": "safe replacing",
    "leftovers": "what killed processes left",
}


def rooms() -> list[list[str]]:
    """List the rooms of each floor, the uppermost first."""
    linted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = next(c["layers"] for c in linted["contracts"] if c["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def draw_rooms() -> str:
    """Draw the floors as rows of boxes, with an arrow from each to the next."""
    floors = rooms()
    height = ROW * len(floors)
    parts = [_floor(floor, ROW * row) for row, floor in enumerate(floors)]
    parts += [_arrow(ROW * row + BOX) for row in range(len(floors) - 1)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'style="max-width:{WIDTH}px;width:100%" font-family="sans-serif">'
        f"<title>The rooms of the code; imports go downwards only</title>{''.join(parts)}</svg>"
    )


def _floor(floor: list[str], top: int) -> str:
    width = (WIDTH - GAP * (len(floor) - 1)) / len(floor)
    return "".join(_box(room, (width + GAP) * n, top, width) for n, room in enumerate(floor))


def _box(room: str, left: float, top: int, width: float) -> str:
    middle = left + width / 2
    return (
        f'<rect x="{left + 1:.0f}" y="{top + 1}" width="{width - 2:.0f}" height="{BOX - 2}" rx="5" fill="none" '
        f'stroke="{ACCENT}"/>'
        f'<text x="{middle:.0f}" y="{top + 16}" text-anchor="middle" font-size="13" font-weight="600" '
        f'fill="{INK}">{escape(room)}</text>'
        f'<text x="{middle:.0f}" y="{top + 31}" text-anchor="middle" font-size="11" '
        f'fill="{FAINT}">{escape(WORDS[room])}</text>'
    )


def _arrow(top: int) -> str:
    x, end = WIDTH // 2, top + ROW - BOX
    line = f'<line x1="{x}" y1="{top + 3}" x2="{x}" y2="{end - 5}" stroke="{FAINT}"/>'
    return line + f'<path d="M{x - 4} {end - 8} L{x} {end - 2} L{x + 4} {end - 8}" fill="none" stroke="{FAINT}"/>'
