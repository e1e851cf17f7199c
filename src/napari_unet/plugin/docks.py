"""What the docks of this plugin have in common: their width, what stands where in them, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QDockWidget, QVBoxLayout, QWidget

from napari_unet.plugin.by_keyboard import ByKeyboard
from napari_unet.plugin.lifetime import window_of
from napari_unet.plugin.sections.base import Section, scrolled
from napari_unet.plugin.status import StatusLine

if TYPE_CHECKING:
    import napari

WIDTH = 380
"""Pixels that are asked for at first; the sections see to it that nothing is cut off."""


class Dock(QWidget):
    """Sections one below the other, which scroll, and below them the line of messages, which is always in view.

    Parameters
    ----------
    napari_viewer
        From napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        # napari gives plugins a proxy, in which a layer is not the same object twice
        self._viewer: napari.Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.status = StatusLine()

    def fill(self, sections: Sequence[Section], *, above: QWidget | None = None) -> None:
        """Lay everything out; ``above`` does not scroll either."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 2, 0)
        layout.setSpacing(2)
        if above is not None:
            layout.addWidget(above)
        layout.addWidget(scrolled(sections), 1)
        layout.addWidget(self.status)
        ByKeyboard(self)

    def sizeHint(self) -> QSize:
        """Ask for the width in which nothing is cut off, and any height."""
        return QSize(max(WIDTH, self.minimumSizeHint().width()), 900)


def share_the_room(widget: QWidget) -> None:
    """Let a docked widget lie behind or before the others, not below them: all need the height of the screen."""
    window, mine = window_of(widget), widget.parentWidget()
    if window is None or not isinstance(mine, QDockWidget):
        return
    area = window.dockWidgetArea(mine)
    for other in window.findChildren(QDockWidget):
        beside = other is not mine and other.isVisible() and window.dockWidgetArea(other) == area
        if beside and isinstance(other.widget(), QWidget) and other.windowTitle().startswith("U-Net"):
            window.tabifyDockWidget(other, mine)
            mine.raise_()
            return
