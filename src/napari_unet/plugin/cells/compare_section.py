"""The section that compares cells with the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QGuiApplication, QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from napari_unet.arrays.comparison import Category, Comparison
from napari_unet.arrays.outlines import Outline
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.comparing import Comparing
from napari_unet.plugin.cells.difference import LINES
from napari_unet.plugin.cells.scores import MEANINGS, as_text, lines_of, overlaps_of, summary
from napari_unet.plugin.sections.base import Rows, Section, button, note
from napari_unet.plugin.sections.choice import Choice
from napari_unet.storage.difference import COLOURS

TIP = "How good the cells are, and where they differ from cells that are known to be right."
TRUTH_TIP = "Labels with a number per true cell, or an image of its membranes: 255 inside cells, 0 between them."
SIDE = 12
"""Pixels of a square of colour."""

_NAMES = {Outline.TRUE: "white line", Outline.PREDICTED: "black line", Outline.BOTH: "dark line"}


class Legend(QWidget):
    """What the colours mean, and how many cells of each there are; a click goes to the next of them.

    Parameters
    ----------
    clicked
        Called with the category.
    """

    def __init__(self, clicked: Callable[[Category], None]) -> None:
        super().__init__()
        rows = QGridLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setVerticalSpacing(1)
        rows.setColumnStretch(1, 1)
        self.keys: dict[Category, QPushButton] = {}
        for row, (category, meaning) in enumerate(MEANINGS.items()):
            name = category.name.lower()
            tip = "Seen faintly." if category == Category.FOUND else f"Go to the next that is {name}."
            key = button(name, tip, partial(clicked, category))
            key.setIcon(_square(COLOURS[category]))
            key.setIconSize(QSize(SIDE, SIDE))
            key.setStyleSheet("text-align: left; padding: 1px 4px;")
            words = note()
            words.setText(meaning)
            self.keys[category] = key
            rows.addWidget(key, row, 0)
            rows.addWidget(words, row, 1)
        for row, (line, meaning) in enumerate(LINES.items(), len(MEANINGS)):
            words = note()
            words.setText(meaning)
            rows.addWidget(QLabel(_NAMES[line]), row, 0)
            rows.addWidget(words, row, 1)

    def show_counts(self, found: Comparison) -> None:
        """Show how many there are."""
        for category, key in self.keys.items():
            name = category.name.lower()
            key.setText(f"{found.counts[name]:,} {name}")


class Scores(QWidget):
    """The scores, each with its sentence."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(2, 1)
        self.values: dict[str, QLabel] = {}
        self.sentences: dict[str, QLabel] = {}
        self._overlaps = note()

    def show_scores(self, found: Comparison) -> None:
        """Show scores."""
        for row, line in enumerate(lines_of(found)):
            if line.name not in self.values:
                self._add(row, line.name)
            self.sentences[line.name].setText(line.sentence)
            self.values[line.name].setText(f"<b>{line.value}</b>")
        pairs = ", ".join(f"{value} at {overlap}" for overlap, value in overlaps_of(found))
        self._overlaps.setText(f"AP by overlap (IoU): {pairs}.")

    def _add(self, row: int, name: str) -> None:
        value, words = QLabel(), note()
        self.values[name], self.sentences[name] = value, words
        for column, widget in enumerate((QLabel(name), value, words)):
            self._grid.addWidget(widget, row, column)
        self._grid.addWidget(self._overlaps, row + 1, 0, 1, 3)


class CompareSection(Section):
    """Chooses the truth, compares, and shows what came of it."""

    def __init__(self, comparing: Comparing, background: Background) -> None:
        super().__init__("Compare", TIP)
        self._comparing, self._background = comparing, background
        self.truth = Choice("(no truth)")
        self.whole = QCheckBox("The whole stack, not only the slice in view")
        self.compare_button = button("Compare", "Score the cells, and show where they differ.", self._pressed)
        self.copy_button = button("Copy scores", "Copy the scores, for a spreadsheet.", self._copy)
        self.next_button = button(
            "Next difference",
            "Go to the largest cell that differs and that you have not seen yet.",
            comparing.go_on,
        )
        self.progress = QProgressBar()
        self.summary, self.legend, self.scores = note(), Legend(comparing.go_on), Scores()
        self._arrange()
        self.truth.chosen.connect(comparing.choose_truth)
        comparing.changed.connect(self.show_layers)
        comparing.compared.connect(self.show_result)
        background.progressed.connect(lambda part: self.progress.setValue(round(100 * part)))
        background.began.connect(partial(self.show_busy, True))
        background.ended.connect(partial(self.show_busy, False))
        self.show_layers()
        self.show_busy(False)
        self._show_found(False)

    def _arrange(self) -> None:
        rows = Rows()
        rows.add("Truth", self.truth, TRUTH_TIP)
        self.rows.addLayout(rows)
        self.rows.addWidget(self.whole)
        line = QHBoxLayout()
        for pressed in (self.compare_button, self.next_button, self.copy_button):
            line.addWidget(pressed)
        self.rows.addLayout(line)
        for widget in (self.progress, self.summary, self.legend, self.scores):
            self.rows.addWidget(widget)

    def show_layers(self) -> None:
        """Offer the layers that there are."""
        comparing = self._comparing
        names = [str(x.name) for x in comparing.truths]
        self.truth.show_names(names, None if comparing.truth is None else str(comparing.truth.name))
        self.whole.setVisible(comparing.stack)

    def show_busy(self, busy: bool) -> None:
        """Show that it compares."""
        self.compare_button.setText("Cancel" if busy else "Compare")
        self.progress.setVisible(busy)
        self.progress.setValue(0)

    def show_result(self) -> None:
        """Show what was found."""
        found, order = self._comparing.found, self._comparing.order
        if found is None or order is None:
            return
        self.summary.setText(summary(found, order.where))
        self.legend.show_counts(found)
        self.scores.show_scores(found)
        self._show_found(True)

    def _show_found(self, found: bool) -> None:
        for widget in (self.summary, self.legend, self.scores, self.next_button, self.copy_button):
            widget.setVisible(found)

    def _pressed(self) -> None:
        if self._background.busy:
            self._background.cancel()
        else:
            self._comparing.start(whole=self.whole.isChecked() and self._comparing.stack)

    def _copy(self) -> None:
        found, order = self._comparing.found, self._comparing.order
        if found is not None and order is not None:
            QGuiApplication.clipboard().setText(as_text(found, order.where))


def _square(colour: str) -> QIcon:
    picture = QPixmap(SIDE, SIDE)
    picture.fill(QColor(colour))
    return QIcon(picture)
