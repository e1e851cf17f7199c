"""The docks of this plugin as tabs of one place."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QWidget

from napari_unet.plugin.lifetime import window_of


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
