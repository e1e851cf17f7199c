"""The dock for cells: corrected, measured, compared, written. It needs no network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QDockWidget, QVBoxLayout, QWidget

from napari_unet.plugin.canvas import CanvasKeeper
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.compare_section import CompareSection
from napari_unet.plugin.cells.comparing import Comparing
from napari_unet.plugin.cells.correct_section import CorrectSection
from napari_unet.plugin.cells.link_section import LinkSection
from napari_unet.plugin.cells.linking import Linking
from napari_unet.plugin.cells.measure import MeasureSection
from napari_unet.plugin.cells.write_section import WriteSection
from napari_unet.plugin.cells.writing import Writing
from napari_unet.plugin.decide import Message
from napari_unet.plugin.key_tips import KeyTips
from napari_unet.plugin.lifetime import Lifetime, Outer, later, window_of
from napari_unet.plugin.preferences import preferred
from napari_unet.plugin.sections.base import Rows, Section, scrolled
from napari_unet.plugin.sections.choice import Choice
from napari_unet.plugin.status import StatusLine

if TYPE_CHECKING:
    import napari

WIDTH = 380
"""Pixels that the dock asks for, as the other dock does."""


class LayersSection(Section):
    """Chooses the cells and the image."""

    def __init__(self, choice: CellsChoice) -> None:
        super().__init__("Cells", "Which layer of cells to work on, and over which image.")
        self._chosen = choice
        self.cells, self.image = Choice("(no cells yet)"), Choice("(no image)")
        rows = Rows()
        rows.add("Cells", self.cells, "A Labels layer: every number is a cell.")
        rows.add("Image", self.image, "The image that is measured in the cells.")
        self.rows.addLayout(rows)
        self.cells.chosen.connect(choice.choose_cells)
        self.image.chosen.connect(choice.choose_image)
        choice.changed.connect(self.show_layers)
        self.show_layers()

    def show_layers(self) -> None:
        """Offer the layers that there are."""
        chosen = self._chosen
        self.cells.show_names([x.name for x in chosen.all_cells], _name(chosen.cells))
        self.image.show_names([x.name for x in chosen.images], _name(chosen.image))


class CellsDock(QWidget):
    """The dock for cells.

    Parameters
    ----------
    napari_viewer
        Filled in by napari, which goes by this name.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        # napari gives plugins a proxy, in which a layer is not the same object twice
        self._viewer = viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.choice = CellsChoice(viewer)
        self.status = StatusLine()
        self.layers = LayersSection(self.choice)
        self._spoken_of = self.choice.cells
        """The cells that the message is about."""
        self.choice.changed.connect(self._forget_message)
        canvas = CanvasKeeper(viewer, self)
        works = self._make_sections(canvas)
        sections = (self.layers, self.correct, self.measure, self.link, self.compare, self.write)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 2, 0)
        layout.setSpacing(2)
        layout.addWidget(scrolled(sections), 1)
        layout.addWidget(self.status)
        self.setMinimumWidth(WIDTH - 20)
        preferred().read()
        tips = KeyTips(self)
        self._lifetime = Lifetime(self, lambda: False, self.shut_down)
        self._outer = Outer((self._lifetime.forget, tips.close, *works, canvas.close, self.choice.close))
        self.destroyed.connect(self._outer.end)
        later(self, 0, self._share_the_room)

    def _share_the_room(self) -> None:
        """Lie behind or before the other dock, not below it: both need the height of the screen."""
        window, mine = window_of(self), self.parentWidget()
        if window is None or not isinstance(mine, QDockWidget):
            return
        area = window.dockWidgetArea(mine)
        for other in window.findChildren(QDockWidget):
            beside = other is not mine and other.isVisible() and window.dockWidgetArea(other) == area
            if beside and isinstance(other.widget(), QWidget) and other.windowTitle().startswith("U-Net ("):
                window.tabifyDockWidget(other, mine)
                mine.raise_()
                return

    def _forget_message(self) -> None:
        """Show no message about cells that were chosen before."""
        if self.choice.cells is not self._spoken_of:
            self._spoken_of = self.choice.cells
            self.status.show_message(Message(""))

    def _make_sections(self, canvas: CanvasKeeper) -> tuple[Callable[[], None], ...]:
        """Make what works on the cells; returns what ends it."""
        viewer, choice, say = self._viewer, self.choice, self.status.show_message
        links, compares, writes = Background(), Background(), Background()
        self.correct = CorrectSection(viewer, choice, canvas)
        self.correct.correcting.said.connect(say)
        self.measure = MeasureSection(viewer, choice)
        self.measure.said.connect(say)
        self.linking = Linking(viewer, choice, links)
        self.linking.said.connect(say)
        self.link = LinkSection(self.linking, choice, links)
        self.comparing = Comparing(viewer, choice, compares)
        self.comparing.said.connect(say)
        self.compare = CompareSection(self.comparing, compares)
        self.writing = Writing(viewer, choice, writes)
        self.writing.said.connect(say)
        self.write = WriteSection(self.writing, writes)
        return self.correct.let_go, self.measure.cells.close, links.close, compares.close, writes.close

    def sizeHint(self) -> QSize:
        """Ask for the width in which nothing is cut off, and any height."""
        return QSize(WIDTH, 900)

    def shut_down(self) -> None:
        """Let go of the viewer; the layers stay."""
        if not self._outer.ended:
            self._lifetime.close()
            self._outer.end()


def open_cells(viewer: napari.Viewer) -> None:
    """Open the dock for cells as a tab beside others, or bring it to the front; a menu of napari calls this."""
    dock, _ = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells", tabify=True)
    dock.show()
    dock.raise_()


def _name(layer: Layer | None) -> str | None:
    return None if layer is None else str(layer.name)
