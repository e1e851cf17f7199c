"""Draw the levels of a network as SVG, from what the built network does (`network_trace`).

The documentation draws while it is built. To look at the drawings alone::

    python docs/make_drawings.py FOLDER [--dark]
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from xml.sax.saxutils import escape

from network_trace import Map, Trace, size_words, trace

from napari_unet.nets import NETS
from napari_unet.spec import NetSpec

PITCH = 25
"""From one feature map to the next of its row."""
BOTTOM = 100
"""Least width of the bottom row, so that there is room for words between the two sides."""
SIDE = 116
"""Room for words left and right of the first row."""
TOP = 40
HIGHEST, LOWEST = 84, 16
GAP = 44
"""Between two rows."""
LINE = 15
WORDS = 3 * LINE

INK, FAINT, ACCENT = (
    "var(--color-foreground-primary, #111)",
    "var(--color-foreground-secondary, #555)",
    "var(--color-brand-primary, #2757dd)",
)
"""Colours of the documentation's theme, light or dark; the second ones are for a drawing that stands alone."""


def bar_width(channels: int) -> float:
    """Width of a feature map: grows with the logarithm of its channels."""
    return 4 + 1.7 * math.log2(channels)


def bar_height(size: tuple[int, ...], first: tuple[int, ...]) -> float:
    """Height of a feature map: grows with its length, less than proportionally."""
    return LOWEST + (HIGHEST - LOWEST) * (size[-1] / first[-1]) ** 0.6


class Drawing:
    """Where everything is, and the SVG that this becomes."""

    def __init__(self, traced: Trace) -> None:
        self.trace = traced
        self.maps = traced.maps
        self.first = self.maps[0].size
        self.x = self._columns()
        self.rows = self._rows()
        self.parts: list[str] = []

    @property
    def width(self) -> float:
        """Of the picture."""
        return self.x[-1] + SIDE

    @property
    def height(self) -> float:
        """Of the picture."""
        return self.rows[-1] + WORDS / 2 + LINE

    def _columns(self) -> list[float]:
        """Place the maps from left to right: one that comes from another row stands straight above or below it."""
        x: list[float] = []
        bottom = self.trace.stage(self.trace.depth, up=False)
        pitch = max(PITCH, BOTTOM / max(1, len(bottom) - 1))
        for m in self.maps:
            if m.kind == "image":
                x.append(SIDE)
            elif m.kind in ("up", "join") or m.descends:
                x.append(x[m.sources[-1]])
            else:
                x.append(x[m.sources[0]] + (pitch if m.level == self.trace.depth else PITCH))
        x[-1] += PITCH / 2  # the output stands apart
        return x

    def _rows(self) -> list[float]:
        """Place the middles of the rows."""
        rows, y = [], float(TOP)
        for level in range(self.trace.depth + 1):
            tallest = max(bar_height(m.size, self.first) for m in self.maps if m.level == level)
            tall = max(tallest, WORDS)
            rows.append(y + tall / 2)
            y += tall + GAP
        return rows

    def box(self, n: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of a map; a join's copied part stands to the left of it."""
        m = self.maps[n]
        own = self.maps[m.sources[-1]] if m.kind == "join" else m
        wide, tall = bar_width(own.channels), bar_height(m.size, self.first)
        return self.x[n] - wide / 2, self.rows[m.level] - tall / 2, wide, tall

    def svg(self, title: str) -> str:
        """Draw it all."""
        for n, m in enumerate(self.maps):
            if m.kind == "up":
                continue
            self._bar(n)
            if m.kind == "join":
                self._copy(n)
                self._way_up(n)
            elif m.descends:
                self._way_down(n)
            elif m.sources:
                self._across(n)
        for level in range(self.trace.depth + 1):
            self._words(level, up=False)
            if level < self.trace.depth:
                self._words(level, up=True)
        self._ends()
        size = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        style = f"width:100%;max-width:{self.width:.0f}px;height:auto;font-family:inherit;font-size:12px"
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" style="{style}">'
        return "\n".join([head, f"<title>{escape(title)}</title>", *self.parts, "</svg>"])

    def _bar(self, n: int) -> None:
        left, top, wide, tall = self.box(n)
        colour = FAINT if self.maps[n].kind == "image" else ACCENT
        self.parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" rx="1.5" fill="{colour}"/>'
        )

    def _copy(self, n: int) -> None:
        """Draw what a skip brings, and its way."""
        m = self.maps[n]
        skip = self.maps[m.sources[0]]
        left, top, wide, tall = self.box(n)
        wide = bar_width(skip.channels) if m.how == "concat" else wide
        self.parts.append(
            f'<rect x="{left - wide:.1f}" y="{top + 0.5:.1f}" width="{wide:.1f}" height="{tall - 1:.1f}" rx="1.5" '
            f'fill="none" stroke="{ACCENT}" stroke-dasharray="3 2"/>'
        )
        start, _, bar, _ = self.box(m.sources[0])
        y, begin, end = self.rows[m.level], start + bar + 4, left - wide - 4
        self._arrow(begin, y, end, y)
        middle = (begin + end) / 2
        self._text(middle, y - 6, m.how, "middle")
        crop = (skip.size[-1] - m.size[-1]) // 2
        if crop:
            self._text(middle, y + LINE, f"crop {crop}", "middle")

    def _way_down(self, n: int) -> None:
        source = self.maps[n].sources[0]
        _, top, _, tall = self.box(source)
        x, begin, end = self.x[n], top + tall + 3, self.box(n)[1] - 3
        self._arrow(x, begin, x, end)
        self._text(x - 7, self._gap(self.maps[n].level), self.maps[n].how, "end")

    def _way_up(self, n: int) -> None:
        up = self.maps[self.maps[n].sources[-1]]
        x, begin = self.x[n], self.box(up.sources[0])[1] - 3
        _, top, _, tall = self.box(n)
        self._arrow(x, begin, x, top + tall + 3)
        self._text(x + 7, self._gap(up.level + 1), up.how, "start")

    def _gap(self, level: int) -> float:
        """Tell the base line of words between a row and the one above it."""
        above = max(bar_height(m.size, self.first) for m in self.maps if m.level == level - 1)
        below = max(bar_height(m.size, self.first) for m in self.maps if m.level == level)
        low = self.rows[level - 1] + max(above, WORDS) / 2
        return (low + self.rows[level] - max(below, WORDS) / 2) / 2 + 4

    def _across(self, n: int) -> None:
        """Draw the way from a map to the next of its row."""
        left, _, wide, _ = self.box(self.maps[n].sources[0])
        y = self.rows[self.maps[n].level]
        begin, end = left + wide + 1, self.box(n)[0] - 1
        if end > begin:
            self.parts.append(f'<path d="M{begin:.1f} {y:.1f}H{end:.1f}" stroke="{FAINT}" fill="none"/>')

    def _words(self, level: int, *, up: bool) -> None:
        """Write beside a row, on its outer side, what it is."""
        lines = self.trace.words(level, up=up)
        stage = self.trace.stage(level, up=up)
        last = len(self.maps) - 1 if up and level == 0 else stage[-1]
        left, _, wide, _ = self.box(last if up else stage[0])
        x = left + wide + 9 if up else left - 9
        y = self.rows[level] - (len(lines) - 1) * LINE / 2 + 4
        for n, line in enumerate(lines):
            self._text(x, y + n * LINE, line, "start" if up else "end", strong=n == 0)

    def _ends(self) -> None:
        """Name the image and the output."""
        for n, what, anchor in ((0, "image", "start"), (len(self.maps) - 1, "output", "end")):
            left, _, wide, _ = self.box(n)
            x = left if n == 0 else left + wide
            m: Map = self.maps[n]
            self._text(x, TOP - 12, f"{what} {size_words((m.channels, *m.size))}", anchor)

    def _arrow(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw an arrow along an axis."""
        length = math.hypot(x1 - x0, y1 - y0)
        along, up = (x1 - x0) / length, (y1 - y0) / length
        back_x, back_y = x1 - 6 * along, y1 - 6 * up
        self.parts.append(
            f'<path d="M{x0:.1f} {y0:.1f}L{back_x:.1f} {back_y:.1f}" stroke="{FAINT}" stroke-width="1.2"/>'
            f'<path d="M{x1:.1f} {y1:.1f}L{back_x - 3 * up:.1f} {back_y - 3 * along:.1f}'
            f'L{back_x + 3 * up:.1f} {back_y + 3 * along:.1f}Z" fill="{FAINT}"/>'
        )

    def _text(self, x: float, y: float, words: str, anchor: str, *, strong: bool = False) -> None:
        look = f'fill="{INK}" font-weight="600"' if strong else f'fill="{FAINT}"'
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {look}>{escape(words)}</text>')


def draw(spec: NetSpec) -> str:
    """Draw the levels of a network: an SVG element that takes its colours from the page around it."""
    return Drawing(trace(spec)).svg(f"The levels of the network {spec.kind}")


def main() -> None:
    """Write every network's drawing to a folder, with colours of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    ink, faint, accent, paper = (
        ("#ddd", "#9ca0a5", "#3d94ff", "#131416") if given.dark else ("#000", "#5a5c63", "#0a4bff", "#fff")
    )
    for name, family in NETS.items():
        drawn = draw(family.spec())
        for theme, plain in ((INK, ink), (FAINT, faint), (ACCENT, accent)):
            drawn = drawn.replace(theme, plain)
        drawn = drawn.replace("</title>", f'</title><rect width="2000" height="2000" fill="{paper}"/>', 1)
        (given.folder / f"{name}.svg").write_text(drawn, "utf-8")
        print(given.folder / f"{name}.svg")


if __name__ == "__main__":
    main()
