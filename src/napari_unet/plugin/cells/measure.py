"""The section that measures cells."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QApplication, QFileDialog, QHBoxLayout, QProgressBar

from napari_unet.plugin.cells.cell_table import CellTable
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.table_view import TableView
from napari_unet.plugin.decide import Message
from napari_unet.plugin.questions import completed, may_write
from napari_unet.plugin.sections.base import Section, button, note
from napari_unet.storage.table import SUFFIX, as_text

FRAMED = 1500
"""Milliseconds for which a cell that was gone to is framed."""


class MeasureSection(Section):
    """Measures, shows the table, and leads from row to cell and back.

    Parameters
    ----------
    viewer, choice
        What is looked at, and which cells over which image.
    """

    said = Signal(Message)

    def __init__(self, viewer: ViewerModel, choice: CellsChoice) -> None:
        super().__init__("Measure", "Size, shape, grey values and neighbours of every cell, as a table.")
        self.cells = CellTable(viewer, choice)
        background = self.cells.background
        self.measure_button = button("Measure", "Measure the cells over the image.", self._measure)
        self.cancel_button = button("Cancel", "End measuring; the table stays as it was.", background.cancel)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.about = note()
        self.view = TableView()
        self.save_button = button("Save as CSV ...", "Save the whole table; spreadsheets open it.", self._save)
        self.copy_button = button("Copy", "Copy the whole table, to be pasted into a spreadsheet.", self._copy)
        self._lay_out()
        self._framed = QTimer(self)
        self._framed.setSingleShot(True)
        self._framed.setInterval(FRAMED)
        self._framed.timeout.connect(self.cells.frame.remove)
        self.view.chosen.connect(self._go_to)
        self.cells.changed.connect(self.show_state)
        background.progressed.connect(lambda part: self.bar.setValue(round(1000 * part)))
        background.began.connect(partial(self._show_busy, True))
        background.ended.connect(partial(self._show_busy, False))
        self.cells.clicked.connect(self.view.show_row)
        self.cells.said.connect(self.said.emit)
        self._shown: object = None
        self._show_busy(False)
        self.show_state()

    def _lay_out(self) -> None:
        buttons, files = QHBoxLayout(), QHBoxLayout()
        for widget in (self.measure_button, self.bar, self.cancel_button):
            buttons.addWidget(widget)
        for widget in (self.save_button, self.copy_button):
            files.addWidget(widget)
        self.rows.addLayout(buttons)
        self.rows.addWidget(self.about)
        self.rows.addWidget(self.view)
        self.rows.addLayout(files)

    def show_state(self) -> None:
        """Show the table, and what can be done with it."""
        cells, there = self.cells, self.cells.table is not None
        if cells.table is not self._shown:
            self._shown = cells.table
            self.view.show_table(cells.table)
        self.about.setText(_about(cells))
        for widget in (self.about, self.view, self.save_button, self.copy_button):
            widget.setVisible(there)

    def _show_busy(self, busy: bool) -> None:
        self.bar.setValue(0)
        self.measure_button.setEnabled(not busy)
        self.bar.setVisible(busy)
        self.cancel_button.setVisible(busy)

    def _measure(self) -> None:
        self.cells.measure()

    def _go_to(self, row: int) -> None:
        """Go to a cell, framed for a moment."""
        self.cells.go_to(row)
        self._framed.start()

    def _save(self) -> None:
        name = "cells" if self.cells.layer is None else str(self.cells.layer.name)
        typed, _ = QFileDialog.getSaveFileName(self, "Save the table", f"{name}{SUFFIX}", "Table (*.csv)")
        path = completed(typed, SUFFIX)
        if typed and may_write(self, Path(typed), path):
            self.cells.save(path)

    def _copy(self) -> None:
        if self.cells.table is not None:
            QApplication.clipboard().setText(as_text(self.cells.table))
            self.said.emit(
                Message(f"Copied {len(self.cells.table):,} cells: paste them into a spreadsheet.", "good")
            )


def _about(cells: CellTable) -> str:
    if cells.table is None or cells.layer is None:
        return ""
    text = f"{len(cells.table):,} cells of '{cells.layer.name}'"
    if cells.outdated:
        return f"<b>Out of date:</b> {text} as they were before they were edited. Press Measure."
    return f"{text}. Click a row to go to the cell, or a cell to find its row."
