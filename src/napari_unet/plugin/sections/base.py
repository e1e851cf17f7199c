"""What all sections share: a title that folds, rows, and short ways to make widgets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

SPACE = 4
"""Pixels between rows."""
BREAK = "\u200b"
"""A space without width."""


class Section(QWidget):
    """A part of the dock with a title; a click on the title folds it.

    Parameters
    ----------
    title
        Shown in bold.
    tooltip
        What the section is for.
    open
        Unfolded at first.
    """

    folded = Signal(bool)

    def __init__(self, title: str, tooltip: str, *, open: bool = True) -> None:
        super().__init__()
        self._title = QToolButton()
        self._title.setText(title)
        self._title.setToolTip(tooltip + "\n(A click folds or unfolds this section.)")
        self._title.setAccessibleName(title)
        self._title.setCheckable(True)
        self._title.setChecked(open)
        self._title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._title.setStyleSheet("QToolButton { border: none; background: transparent; font-weight: bold; }")
        self._title.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._title.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._body = QWidget()
        self.rows = QVBoxLayout(self._body)
        self.rows.setContentsMargins(10, 0, 0, 1)
        self.rows.setSpacing(SPACE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self._title)
        layout.addWidget(self._body)
        self._title.toggled.connect(self.unfold)
        self.unfold(open)

    def unfold(self, open: bool) -> None:
        """Unfold or fold the section."""
        self._title.setChecked(open)
        self._title.setArrowType(Qt.ArrowType.DownArrow if open else Qt.ArrowType.RightArrow)
        self._body.setVisible(open)
        self.folded.emit(not open)

    @property
    def is_open(self) -> bool:
        """Unfolded."""
        return self._title.isChecked()


def button(text: str, tooltip: str, pressed: Callable[[], None]) -> QPushButton:
    """Make a push button."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.clicked.connect(lambda _checked=False: pressed())
    return made


class Note(QLabel):
    """A label for sentences of any length; long words such as file names are broken where the label ends."""

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(breakable(text))

    def text(self) -> str:
        """Return the text as it was given."""
        return super().text().replace(BREAK, "")


def breakable(text: str) -> str:
    """Allow breaks within long words; Qt breaks lines between words only.

    Examples
    --------
    >>> breakable("saved as a-very-long-file-name.safetensors").split(BREAK)
    ['saved as a-very-long-file', '-name.safetensors']
    """
    return re.sub(r"([\w.-]{16})(?=[\w.-]{8})", rf"\1{BREAK}", text)


def note() -> Note:
    """Make a label for a sentence that may take several lines."""
    made = Note()
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return made


def scrolled(sections: Sequence[Section]) -> QScrollArea:
    """Put sections below one another; they scroll where the screen is too low."""
    inside = QWidget()
    column = QVBoxLayout(inside)
    column.setContentsMargins(2, 0, 6, 0)
    column.setSpacing(1)
    for section in sections:
        column.addWidget(section)
    column.addStretch()
    return scrolled_in(inside)


class _Tall(QScrollArea):
    """Is never narrower than what it holds: nothing is cut off on the right, beside the scroll bar."""

    def minimumSizeHint(self) -> QSize:
        """Ask for the width of what it holds, and of the scroll bar."""
        inside, least = self.widget(), super().minimumSizeHint()
        width = 0 if inside is None else inside.minimumSizeHint().width()
        return QSize(width + self.verticalScrollBar().sizeHint().width(), least.height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look anew at the width when what it holds has changed."""
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def scrolled_in(inside: QWidget) -> QScrollArea:
    """Let a widget scroll up and down where there is too little room."""
    area = _Tall()
    area.setWidget(inside)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area


class Rows(QGridLayout):
    """Captions on the left, widgets on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setHorizontalSpacing(6)
        self.setVerticalSpacing(SPACE)
        self.setColumnStretch(1, 1)
        self._captions: list[QLabel] = []

    def add(self, caption: str, widget: QWidget | QLayout, tooltip: str = "") -> QLabel:
        """Add a row; returns its caption."""
        row = self.rowCount()
        label = QLabel(caption)
        label.setToolTip(tooltip)
        self._captions.append(label)
        self.addWidget(label, row, 0)
        if isinstance(widget, QWidget):
            if tooltip:
                widget.setToolTip(tooltip)
            label.setBuddy(widget)
            if not widget.accessibleName():
                widget.setAccessibleName(caption)
            self.addWidget(widget, row, 1)
        else:
            self.addLayout(widget, row, 1)
        return label

    def captions_width(self) -> int:
        """Return the room that the captions need."""
        for label in self._captions:
            label.ensurePolished()
        return max((label.sizeHint().width() for label in self._captions), default=0)


def align(grids: Sequence[Rows]) -> None:
    """Begin the widgets of several grids in the same column."""
    width = max(grid.captions_width() for grid in grids)
    for grid in grids:
        grid.setColumnMinimumWidth(0, width)
