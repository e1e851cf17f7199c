"""The table that fills as images are finished."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_unet.events import ImageDone

HEADERS = ("Image", "State", "Cells", "Time")
HEIGHT = 150
"""Pixels at least."""
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
WAITING, AT_WORK = "waiting", "at work"


def cells_of(row: ImageDone) -> tuple[str, str, str, str]:
    """Write a row as it is shown.

    Examples
    --------
    >>> cells_of(ImageDone("day 1/a", "a.tif", "done", cells=1234, seconds=3.21, message="a warning"))
    ('day 1/a', 'done (!)', '1,234', '3.2 s')
    >>> cells_of(ImageDone("b", "b.tif", "failed", message="cut short"))
    ('b', '✗ failed', '', '')
    """
    failed = row.status == "failed"
    sign, warned = "✗ " if failed else "", " (!)" if row.message and not failed else ""
    cells = "" if row.cells is None else f"{row.cells:,}"
    return row.name, f"{sign}{row.status}{warned}", cells, f"{row.seconds:.1f} s" if row.seconds else ""


class BatchTable(QTableWidget):
    """A row for every image: its name, state, cells and time; warnings and errors in the tooltip."""

    opened = Signal(object)
    """An `ImageDone` was double-clicked, or Enter pressed on it."""
    looked_at = Signal(object)
    """An `ImageDone` was gone to."""

    def __init__(self) -> None:
        super().__init__(0, len(HEADERS))
        self._names: list[str] = []
        self._places: dict[str, int] = {}
        self._rows: dict[int, ImageDone] = {}
        self.setHorizontalHeaderLabels(list(HEADERS))
        self.setAccessibleName("Images of the batch")
        self.setToolTip("A double click, or Enter, opens the image and its results as layers.")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setMinimumHeight(HEIGHT)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(20)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            self.horizontalHeader().setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.cellActivated.connect(lambda row, _: self._pass(row, self.opened))
        self.currentCellChanged.connect(lambda row, *_: self._pass(row, self.looked_at))

    @property
    def rows(self) -> list[ImageDone]:
        """What has become of the images, in the order of the table."""
        return [self._rows[n] for n in sorted(self._rows)]

    def show_names(self, names: Sequence[str]) -> None:
        """Show images that wait."""
        self.setRowCount(0)
        self._names, self._rows, self._places = list(names), {}, {}
        self.setRowCount(len(names))
        for number, name in enumerate(names):
            self._places.setdefault(name, number)
            self._write(number, (name, WAITING, "", ""), "")

    def show_at_work(self, name: str) -> None:
        """Show which image is worked on."""
        number = self._places.get(name)
        if number is not None and number not in self._rows and self._state(number).text() != AT_WORK:
            self._state(number).setText(AT_WORK)
            self.scrollToItem(self._state(number))

    def show_row(self, row: ImageDone) -> None:
        """Show what has become of an image."""
        number = self._place(row)
        self._rows[number] = row
        self._write(number, cells_of(row), row.message)

    def show_stopped(self) -> None:
        """Show that nothing is worked on any more."""
        for number in range(self.rowCount()):
            if self._state(number).text() == AT_WORK:
                self._state(number).setText(WAITING)

    def _state(self, number: int) -> QTableWidgetItem:
        item = self.item(number, 1)
        assert item is not None
        return item

    def _place(self, row: ImageDone) -> int:
        """Find the row of an image; two of the same name, which both fail, take the next one."""
        number = self._places[row.name]
        while number in self._rows and self._rows[number].file != row.file:
            number = self._names.index(row.name, number + 1)
        return number

    def _write(self, number: int, texts: Sequence[str], tooltip: str) -> None:
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(tooltip)
            if column > 1:
                item.setTextAlignment(_RIGHT)
            self.setItem(number, column, item)

    def _pass(self, number: int, signal: Signal) -> None:
        if number in self._rows:
            signal.emit(self._rows[number])
