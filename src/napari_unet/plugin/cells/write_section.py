"""The section that makes outlines, contours and files of cells."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QProgressBar

from napari_unet.errors import UserError
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.writing import Writing
from napari_unet.plugin.decide import Message
from napari_unet.plugin.questions import may_write
from napari_unet.plugin.sections.base import Section, button
from napari_unet.plugin.words import sentence
from napari_unet.storage.cell_files import check_cells, told_by
from napari_unet.storage.formats import CellFormat

KINDS: dict[str, tuple[CellFormat, str]] = {
    "OME-Zarr (*.ome.zarr)": ("cells", ".ome.zarr"),
    "OME-TIFF (*.ome.tif)": ("cells", ".ome.tif"),
    "TIFF for ImageJ (*.tif)": ("imagej", ".tif"),
    "Masks for Cellpose (*_cp_masks.tif)": ("cellpose", "_cp_masks.tif"),
    "ROIs for ImageJ (*.zip)": ("rois", ".zip"),
    "Polygons for QuPath (*.geojson)": ("geojson", ".geojson"),
    "Outlines, OME-TIFF (*.ome.tif)": ("outlines", ".ome.tif"),
}
"""What the dialog offers: the format, and the ending of names that have none."""

OTHER = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")
"""What looks like the suffix of a file, and not like a part of a name, as in ``plate 1.2``."""
SUFFIXES = (".tif", ".tiff", ".zarr", ".zip", ".geojson", ".json")


class WriteSection(Section):
    """Buttons for layers and files."""

    def __init__(self, writing: Writing, background: Background) -> None:
        super().__init__("Write", "The cells as outlines, as polygons, and as files for other programs.")
        self._writing, self._background = writing, background
        self.outline_button = button(
            "Outlines", "A Labels layer of lines around the cells, one pixel wide, in all slices.", writing.outline
        )
        self.contour_button = button(
            "Contours here",
            "A Shapes layer of polygons around the cells of the slice in view; holes are not drawn.",
            writing.contour,
        )
        self.save_button = button(
            "Save cells ...",
            "Save the cells as OME-Zarr or OME-TIFF, or for ImageJ, Cellpose or QuPath.",
            self._pressed,
        )
        self.progress = QProgressBar()
        line = QHBoxLayout()
        for pressed in (self.outline_button, self.contour_button, self.save_button):
            line.addWidget(pressed)
        self.rows.addLayout(line)
        self.rows.addWidget(self.progress)
        background.progressed.connect(lambda part: self.progress.setValue(round(100 * part)))
        background.began.connect(partial(self.show_busy, True))
        background.ended.connect(partial(self.show_busy, False))
        self.show_busy(False)

    def show_busy(self, busy: bool) -> None:
        """Show that something is written."""
        self.save_button.setText("Cancel" if busy else "Save cells ...")
        for other in (self.outline_button, self.contour_button):
            other.setEnabled(not busy)
        self.progress.setVisible(busy)
        self.progress.setValue(0)

    def _pressed(self) -> None:
        if self._background.busy:
            self._background.cancel()
            return
        path, chosen = QFileDialog.getSaveFileName(self, "Save cells", "cells", ";;".join(KINDS))
        if path:
            try:
                named, kind = name_of(Path(path), chosen)
                final = check_cells(named, kind, asked=True)
            except UserError as error:
                self._writing.said.emit(Message(sentence(error), "error"))
                return
            if may_write(self, Path(path), final):
                self._writing.save(final, kind)


def name_of(path: Path, chosen: str) -> tuple[Path, CellFormat]:
    """Complete a name by its ending.

    Parameters
    ----------
    path
        As the user wrote it.
    chosen
        A key of `KINDS`.

    Raises
    ------
    UserError
        If the name ends as those of other files do.

    Examples
    --------
    >>> path, kind = name_of(Path("plate 1"), "ROIs for ImageJ (*.zip)")
    >>> path.name, kind
    ('plate 1.zip', 'rois')
    >>> name_of(Path("cells.zip"), "OME-TIFF (*.ome.tif)")[1]
    'rois'
    """
    kind, ending = KINDS[chosen]
    if path.suffix.lower() not in SUFFIXES and OTHER.fullmatch(path.suffix):
        known = ", ".join(dict.fromkeys(end for _, end in KINDS.values()))
        raise UserError(f"cells cannot be saved as '{path.suffix}' ({path.name}): end the name in one of {known}")
    told = told_by(path)
    if told != "cells" and path.suffix.lower() in SUFFIXES:
        kind = told
    return (path if path.suffix.lower() in SUFFIXES else path.with_name(path.name + ending)), kind
