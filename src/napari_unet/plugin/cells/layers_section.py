"""The section that chooses the cells and the image."""

from __future__ import annotations

from napari.layers import Layer

from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.sections.base import Rows, Section
from napari_unet.plugin.sections.choice import Choice


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


def _name(layer: Layer | None) -> str | None:
    return None if layer is None else str(layer.name)
