"""The section that links cells of slices or time points."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QProgressBar, QSizePolicy, QSpinBox

from napari_unet.arrays.linking import LEAST, Along
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.linking import Linking
from napari_unet.plugin.sections.base import Rows, Section, button

TIP = "Give cells that were found slice by slice, or in every time point anew, one number through the stack."
WAYS: dict[Along, str] = {"z": "from slice to slice (Z)", "t": "from time point to time point (T)"}
NOTHING = "(one plane only)"
WAY_TIP = "Slices: flat cells become cells in 3D. Time points: every cell keeps its number while it moves."
OVERLAP_TIPS: dict[Along, str] = {
    "z": "Two cells in neighbouring slices are one if they share at least this much of the smaller one.\n"
    "More: cells that lie upon one another stay apart. Less: cells that lie askew stay together.",
    "t": "Two cells in neighbouring time points are one if they share at least this much of what both cover.\n"
    "Less: quick cells keep their numbers. More: fewer are mistaken for a neighbour.",
}


class LinkSection(Section):
    """Asks along what to link, and how much cells have to overlap."""

    def __init__(self, linking: Linking, choice: CellsChoice, background: Background) -> None:
        super().__init__("Link", TIP)
        self._linking, self._background = linking, background
        self._offered: tuple[Along, ...] = ()
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
        self.way.currentIndexChanged.connect(self._show_way)
        choice.changed.connect(self.show_ways)
        background.progressed.connect(lambda part: self.bar.setValue(round(100 * part)))
        background.began.connect(partial(self.show_busy, True))
        background.ended.connect(partial(self.show_busy, False))
        self.show_ways()
        self.show_busy(False)

    @property
    def along(self) -> Along:
        """Along what to link."""
        return self._offered[self.way.currentIndex()] if self._offered else "z"

    def show_ways(self) -> None:
        """Offer what the chosen cells have: slices, time points or both."""
        ways = self._linking.alongs
        if self.parentWidget() is not None or not ways:  # a widget without a parent would become a window
            self.setVisible(bool(ways))
        if ways == self._offered and self.way.count():
            return
        self._offered = ways
        with QSignalBlocker(self.way):
            self.way.clear()
            self.way.addItems([WAYS[along] for along in ways] or [NOTHING])
        self._show_way()

    def _show_way(self) -> None:
        """Show the overlap that suits most images."""
        self.overlap.setValue(round(100 * LEAST[self.along]))
        self.overlap.setToolTip(OVERLAP_TIPS[self.along])

    def show_busy(self, busy: bool) -> None:
        """Show that it links."""
        self.link_button.setText("Cancel" if busy else "Link")
        self.bar.setVisible(busy)
        self.bar.setValue(0)

    def _pressed(self) -> None:
        if self._background.busy:
            self._background.cancel()
        else:
            self._linking.start(self.along, self.overlap.value() / 100)
