"""The section that links cells of slices or time points."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QProgressBar, QSizePolicy, QSpinBox

from napari_unet.arrays.linking import LEAST, Along
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.linking import Linking
from napari_unet.plugin.sections.base import Rows, Section, button, note

TIP = "Give cells that were found slice by slice, or in every time point anew, one number through the stack."
WAYS: dict[Along, str] = {"z": "from slice to slice (z)", "t": "from frame to frame (t)"}
NOTHING, UNKNOWN = "(one plane only)", "choose: slices or frames?"
SOON = 200
"""Milliseconds after which it is looked how many cells would be linked."""
WAY_TIP = "Slices: flat cells become cells in 3D. Frames: every cell keeps its number while it moves."
OVERLAP_TIPS: dict[Along, str] = {
    "z": "Two cells in neighbouring slices are one if they share at least this much of the smaller one.\n"
    "More: cells that lie upon one another stay apart. Less: cells that lie askew stay together.",
    "t": "Two cells in neighbouring frames are one if they share at least this much of what both cover.\n"
    "Less: quick cells keep their numbers. More: fewer are mistaken for a neighbour.",
}


class LinkSection(Section):
    """Asks along what to link, and how much cells have to overlap."""

    def __init__(self, linking: Linking, choice: CellsChoice, background: Background) -> None:
        super().__init__("Link", TIP)
        self._linking, self._background = linking, background
        self._offered: list[tuple[str, Along | None]] = []
        self.way, self.overlap = QComboBox(), QSpinBox()
        self.way.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.overlap.setRange(1, 100)
        self.overlap.setSuffix(" %")
        rows = Rows()
        rows.add("Link", self.way, WAY_TIP)
        rows.add("Least overlap", self.overlap)
        self.link_button = button("Link", "Make a new layer; the chosen one stays as it is.", self._pressed)
        self.bar = QProgressBar()
        line = QHBoxLayout()
        line.addWidget(self.link_button)
        line.addWidget(self.bar, 1)
        line.addStretch()
        self.rows.addLayout(rows)
        self.rows.addLayout(line)
        self.advice = note()
        self.rows.addWidget(self.advice)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SOON)
        self._soon.timeout.connect(self._advise)
        self.overlap.valueChanged.connect(self._soon.start)
        self.way.currentIndexChanged.connect(self._show_way)
        choice.changed.connect(self.show_ways)
        background.progressed.connect(lambda part: self.bar.setValue(round(100 * part)))
        background.began.connect(partial(self.show_busy, True))
        background.ended.connect(partial(self.show_busy, False))
        self.show_ways()
        self.show_busy(False)

    @property
    def along(self) -> Along | None:
        """Along what to link; None: the user has to tell."""
        chosen: Along | None = self.way.currentData()
        return chosen

    def show_ways(self) -> None:
        """Offer what the chosen cells have: slices, time points or both."""
        linking = self._linking
        ways = linking.alongs
        if self.parentWidget() is not None or not ways:  # a widget without a parent would become a window
            self.setVisible(bool(ways))
        offered = [(_way(along, linking.slider(along)), along) for along in ways]
        items: list[tuple[str, Along | None]] = [*offered] or [(NOTHING, "z")]
        if not linking.told:
            items.insert(0, (UNKNOWN, None))
        if items != self._offered:
            self._offered = items
            with QSignalBlocker(self.way):
                self.way.clear()
                for text, along in items:
                    self.way.addItem(text, along)
            self._show_way()
        self._soon.start()

    def _show_way(self) -> None:
        """Show the overlap that suits most images."""
        along = self.along
        self.overlap.setEnabled(along is not None)
        if along is not None:
            self.overlap.setValue(round(100 * LEAST[along]))
            self.overlap.setToolTip(OVERLAP_TIPS[along])
        self._soon.start()

    def _advise(self) -> None:
        along = self.along if self.isVisible() and self.is_open else None
        text = "" if along is None else self._linking.advice(along, self.overlap.value() / 100)
        self.advice.setText(text)
        self.advice.setVisible(bool(text))

    def show_busy(self, busy: bool) -> None:
        """Show that it links."""
        self.link_button.setText("Cancel" if busy else "Link")
        self.bar.setVisible(busy)
        self.bar.setValue(0)

    def _pressed(self) -> None:
        if self._background.busy:
            self._background.cancel()
        elif self.along is None:
            self._linking.ask()
        else:
            self._linking.start(self.along, self.overlap.value() / 100)


def _way(along: Along, slider: str) -> str:
    """Name a way, with that of napari's slider where it is another one.

    Examples
    --------
    >>> _way("z", "z"), _way("t", "depth"), _way("t", "-3")
    ('from slice to slice (z)', "from frame to frame (t), slider 'depth'", 'from frame to frame (t)')
    """
    unnamed = slider in ("", along) or slider.startswith("-")  # napari numbers axes without a name from the last
    return WAYS[along] if unnamed else f"{WAYS[along]}, slider '{slider}'"
