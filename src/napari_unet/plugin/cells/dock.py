"""The dock for cells: corrected, measured, compared, written. It needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.plugin.canvas import CanvasKeeper
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.link_section import LinkSection
from napari_unet.plugin.cells.linking import Linking
from napari_unet.plugin.lifetime import Lifetime, Outer
from napari_unet.plugin.sections.base import Rows, Section, scrolled
from napari_unet.plugin.sections.choice import Choice
from napari_unet.plugin.status import StatusLine

if TYPE_CHECKING:
    import napari


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
        links = Background()
        linking = Linking(viewer, self.choice, links)
        linking.said.connect(self.status.show_message)
        self.link = LinkSection(linking, self.choice, links)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 2, 0)
        layout.setSpacing(2)
        layout.addWidget(scrolled((self.layers, self.link)), 1)
        layout.addWidget(self.status)
        self._lifetime = Lifetime(self, lambda: False, self.shut_down)
        self._outer = Outer(
            (self._lifetime.forget, CanvasKeeper(viewer, self).close, links.close, self.choice.close)
        )
        self.destroyed.connect(self._outer.end)

    def shut_down(self) -> None:
        """Let go of the viewer; the layers stay."""
        if not self._outer.ended:
            self._lifetime.close()
            self._outer.end()


def open_cells(viewer: napari.Viewer) -> None:
    """Open the dock for cells; napari's menu Layers > Measure calls this."""
    viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")


def _name(layer: Layer | None) -> str | None:
    return None if layer is None else str(layer.name)
