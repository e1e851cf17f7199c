"""Shows a table of cells; quick for tens of thousands of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QTableView

from napari_unet.plugin.cells.column_names import caption

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 260
"""Pixels."""
MEASURED_ROWS = 50
"""Rows that decide how wide columns are."""
WIDEST = 180
"""Pixels of a column, at most, such as that of all neighbours."""
DIGITS = 5
"""Significant digits that are shown; files have more."""
_ALIGNED = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()
_TEXT = Qt.ItemDataRole.DisplayRole
_MEANINGS = {
    "equivalent_diameter": "Diameter of the circle, or ball, of that area or volume.",
    "major_axis": "Longest axis of the ellipse, or ellipsoid, that is spread as the cell is.",
    "minor_axis": "Shortest axis of the ellipse, or ellipsoid, that is spread as the cell is.",
    "eccentricity": "0 for a circle, near 1 for a line.",
    "solidity": "The cell's part of its convex hull: 1 without dents.",
    "extent": "The cell's part of its bounding box.",
    "touches_border": "The cell lies at the border of the image, and may go on beyond.",
    "neighbours": "How many cells touch it, or are one pixel away at most.",
    "neighbour_ids": "Which cells touch it, or are one pixel away at most.",
    "surface": "Area of the surface; the steps of voxels make it about a tenth too large.",
}


def shown(value: Any) -> str:
    """Write a value for a cell of the table.

    Examples
    --------
    >>> shown(12345.678), shown(0.00012345678), shown(7), shown(True), shown(float("nan")), shown("3 8")
    ('12346', '0.00012346', '7', 'yes', '', '3 8')
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else np.format_float_positional(value, DIGITS, fractional=False, trim="-")
    return str(value)


class TableModel(QAbstractTableModel):
    """A table that is looked at and sorted; the columns are arrays, as rows of a table take long."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._columns: list[Any] = []
        self._order = np.zeros(0, np.int64)

    def show_table(self, table: pd.DataFrame | None) -> None:
        """Show another table, in its own order."""
        self.beginResetModel()
        self._names = [] if table is None else [str(c) for c in table.columns]
        self._columns = [] if table is None else [table[c].to_numpy() for c in table.columns]
        self._order = np.arange(0 if table is None else len(table))
        self.endResetModel()

    def row_of_table(self, row: int) -> int:
        """Tell which row of the table is shown in a row."""
        return int(self._order[row])

    def row_shown(self, row: int) -> int:
        """Tell where a row of the table is shown."""
        return int(np.flatnonzero(self._order == row)[0])

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Count the cells."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """Count what was measured."""
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: Index, role: int = _TEXT) -> Any:
        """Give what Qt asks for."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _ALIGNED
        if role != _TEXT:
            return None
        return shown(self._columns[index.column()][self._order[index.row()]])

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Name the columns."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self._names):
            return None
        name = self._names[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            meaning = next((f"{text}\n" for start, text in _MEANINGS.items() if name.startswith(start)), "")
            return f"{meaning}In files: {name}. A click sorts by it."
        return caption(name) if role == _TEXT else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by the numbers of a column; what is not defined comes last."""
        if not 0 <= column < len(self._columns):
            return
        values = self._columns[column]
        ranks = np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)[1]
        ranks = np.where(_undefined(values), len(ranks), ranks if order == Qt.SortOrder.AscendingOrder else -ranks)
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = [self.row_of_table(index.row()) for index in before]
        self._order = np.argsort(ranks, kind="stable")
        place = np.argsort(self._order)
        moved = [self.index(int(place[row]), index.column()) for row, index in zip(rows, before, strict=True)]
        self.changePersistentIndexList(before, moved)
        self.layoutChanged.emit()


def _undefined(values: Any) -> Any:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)


class TableView(QTableView):
    """A table of cells in which one row is chosen at a time."""

    chosen = Signal(int)
    """The row of the table that the user chose, by mouse or key."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = TableModel()
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # or Tab would not leave the table
        self.setAccessibleName("Table of cells")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(20)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.setMinimumHeight(HEIGHT)
        self.horizontalHeader().setResizeContentsPrecision(MEASURED_ROWS)
        self.horizontalHeader().setMaximumSectionSize(WIDEST)
        self.clicked.connect(lambda index: self.chosen.emit(self.rows.row_of_table(index.row())))

    def show_table(self, table: pd.DataFrame | None) -> None:
        """Show another table."""
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.rows.show_table(table)
        self.resizeColumnsToContents()

    def show_row(self, row: int) -> None:
        """Choose a row of the table and bring it into view."""
        index = self.rows.index(self.rows.row_shown(row), max(0, self.columnAt(0)))
        self.setCurrentIndex(index)
        self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go with the keys that move."""
        before = self.chosen_row
        super().keyPressEvent(event)
        if self.chosen_row is not None and self.chosen_row != before:
            self.chosen.emit(self.chosen_row)

    @property
    def chosen_row(self) -> int | None:
        """The row of the table that is chosen."""
        index = self.currentIndex()
        return self.rows.row_of_table(index.row()) if index.isValid() else None
