"""Outlines and contours of cells as layers, and cells as files. No widgets here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes

from napari_unet.arrays.contours import contours
from napari_unet.arrays.lines import outline
from napari_unet.arrays.steps import Steps, Tell
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import MARK, is_ours
from napari_unet.plugin.cells.background import Outcome
from napari_unet.plugin.cells.choice import OUTLINES
from napari_unet.plugin.cells.place import axes_of, geometry_of, in_words, slice_in_view
from napari_unet.plugin.cells.task import CellsTask
from napari_unet.plugin.colours import class_colormap, colour_of
from napari_unet.plugin.layers import full_data
from napari_unet.plugin.plane_layer import insert_quietly
from napari_unet.plugin.provenance import made_of, record_of
from napari_unet.plugin.results import Piece
from napari_unet.plugin.saving import Source, describe
from napari_unet.plugin.words import count
from napari_unet.spec import BOUNDARY, CELL, Exporting, Record
from napari_unet.storage.cell_files import Cells, check_cells, holds_cells, write_cells
from napari_unet.storage.formats import CellFormat

CONTOURS = "contours"
"""Name of the layers, and of what they are to us."""
EDGE = 0.7
"""Width of contours, in pixels."""

AT_ONCE = 16
"""Polygons that are drawn between two reports of progress."""
Work = Callable[[Tell], Any]


class Writing(CellsTask):
    """Makes layers and files of the chosen cells."""

    # Outlines

    def outline(self) -> None:
        """Make a layer of lines of one pixel around the cells of all slices."""
        try:
            cells = self._choice.require()
            made = self._store.array(geometry_of(cells), np.uint8)
            self._background.start(_outlining(cells, made), lambda outcome: self._outlined(cells, outcome))
        except UserError as error:
            self._say(f"{error}.", "error")

    def _outlined(self, cells: Labels, outcome: Outcome) -> None:
        if self._failed("Outlining", outcome):
            return
        layer = Labels(outcome.value, name=OUTLINES, metadata={MARK: OUTLINES}, **geometry_of(cells).properties)
        layer.colormap = class_colormap([BOUNDARY])
        insert_quietly(self._viewer, layer, len(self._viewer.layers))
        self._say(f"The outlines of '{cells.name}' are in the layer '{layer.name}', one pixel wide.", "good")

    # Contours

    def contour(self) -> None:
        """Make a layer of polygons around the cells of the slice in view."""
        try:
            cells = self._choice.require()
            index = slice_in_view(cells, self._viewer.dims.point)
            where = in_words(axes_of(cells), index)
            name = f"{CONTOURS}, {where.lower()}" if index else CONTOURS
            work = _contouring(cells, index, name)
            self._background.start(work, lambda outcome: self._contoured(where, outcome))
        except UserError as error:
            self._say(f"{error}.", "error")

    def _contoured(self, where: str, outcome: Outcome) -> None:
        if self._failed("Drawing contours", outcome):
            return
        made: Shapes = outcome.value
        if made.nshapes == 0:
            self._say(f"{where} holds no cells.", "warning")
            return
        for layer in [x for x in self._viewer.layers if is_ours(x, CONTOURS) and x.name == made.name]:
            self._viewer.layers.remove(layer)
        insert_quietly(self._viewer, made, len(self._viewer.layers))
        number = count(made.features["cell"].nunique(), "cell is", "cells are")
        self._say(f"The outer contours of {number} in the layer '{made.name}'; holes are not drawn.", "good")

    # Files

    def save(self, path: Path, kind: CellFormat) -> None:
        """Write the cells to a file."""
        try:
            cells = self._choice.require()
            path = check_cells(path, kind, asked=True)
            axes, record = axes_of(cells), record_of(cells)
            saved = describe(Piece("cells", (cells,)), path, axes)
            source = Source(saved, lambda _: None)
            order = Cells(source, source.axes, saved.spacing, saved.unit, saved.where)

            def made() -> Record:
                if record is not None and kind == "cells":
                    return record
                return made_of(cells, axes, Exporting(kind=kind, axes=axes), record)

            self._background.start(_saving(order, path, kind, made), lambda outcome: self._saved(path, outcome))
        except UserError as error:
            self._say(f"{error}.", "error")

    def _saved(self, path: Path, outcome: Outcome) -> None:
        if not self._failed("Saving", outcome):
            empty = not outcome.value
            self._say(f"Saved {path}{'; it holds no cells' if empty else ''}.", "warning" if empty else "good")


def _saving(cells: Cells, path: Path, kind: CellFormat, made: Callable[[], Record]) -> Work:
    """Return what is done in the thread: writes cells with how they were made, and tells whether there are any."""

    def work(tell: Tell) -> bool:
        write_cells(replace(cells, record=made()), path, kind, tell)
        return holds_cells(cells)

    return work


def _contouring(cells: Labels, index: tuple[int, ...], name: str) -> Work:
    """Return what is done in the thread: draws a slice's contours into a layer that is in no window yet.

    napari cuts every polygon into triangles, which takes some hundredths of a second.
    """
    data, geometry = full_data(cells), geometry_of(cells)
    marks = {MARK: CONTOURS}
    look = {"edge_color": colour_of(CELL), "face_color": "transparent", "edge_width": EDGE}

    def work(tell: Tell) -> Shapes:
        found = list(contours(np.asarray(data[index])))
        layer = Shapes(ndim=len(index) + 2, name=name, metadata=marks, **geometry.properties)
        polygons = [np.column_stack([np.tile(index, (len(c.corners), 1)), c.centred]) for c in found]
        steps = Steps(-(-len(polygons) // AT_ONCE), tell)
        for first in range(0, len(polygons), AT_ONCE):
            steps.next()
            layer.add_polygons(polygons[first : first + AT_ONCE], **look)
        layer.features = {"cell": [c.id for c in found]}
        return layer

    return work


def _outlining(cells: Labels, made: Any) -> Work:
    """Return what is done in the thread: fills an array with outlines, slice by slice."""
    data = full_data(cells)

    def work(tell: Tell) -> Any:
        lead = tuple(data.shape[:-2])
        steps = Steps(int(np.prod(lead)), tell)
        for index in np.ndindex(lead):
            steps.next()
            made[index] = outline(np.asarray(data[index]))
        return made

    return work
