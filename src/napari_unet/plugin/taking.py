"""Predictions become annotation: one cell, or all that is predicted in a region. What is painted always stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels
from psygnal import Signal
from scipy import ndimage

from napari_unet.arrays.taken_values import number_for, values_of
from napari_unet.arrays.taking import (
    Box,
    CellMap,
    ClassMap,
    Plane,
    Prediction,
    cell_at,
    has_role,
    likeliest,
    whole_cells,
)
from napari_unet.arrays.targets import count_values
from napari_unet.errors import UserError
from napari_unet.plugin.decide import Message
from napari_unet.plugin.keymap import KEYMAP
from napari_unet.plugin.layers import Geometry, check_place, full_data, place, place_of, plane_of
from napari_unet.plugin.live import Later, LivePreview, at_once
from napari_unet.plugin.painter import Painter
from napari_unet.plugin.pointing import Mode, Pointing
from napari_unet.plugin.results import is_result
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.words import count, sentence
from napari_unet.spec import DEFAULT_CLASSES, ClassSpec, TargetSpec

CELLS = "Click at predicted cells to take them, one after the other. Escape, or any brush, ends it."
REGION = "Drag a rectangle over what is predicted well. Escape ends it."
UNDO = "Ctrl+Z takes it back."


class Taking:
    """Takes over what is predicted of the plane in view.

    Parameters
    ----------
    viewer, selection
        Where the user looks, and at which layers.
    painter
        Knows the annotation's style, and makes a layer where there is none.
    live
        The preview.
    """

    said = Signal(Message)
    took = Signal(int, int, int, int, object)
    """In plane (t, z), from (y, x) on, these values (Y, X); 0 where nothing was taken."""

    def __init__(
        self,
        viewer: ViewerModel,
        selection: Selection,
        painter: Painter,
        live: LivePreview,
        later: Later = at_once,
    ) -> None:
        self._viewer, self._selection, self._painter, self._live = viewer, selection, painter, live
        self.pointing = Pointing(viewer, selection, self.take_cell, self.take_region, later)

    def close(self) -> None:
        """Let go of the viewer."""
        self.pointing.end()

    def point_at_cells(self) -> None:
        """Take every cell that is clicked at; called again, no longer."""
        if self._begin("cells"):
            self.pointing.point_at_cells(self._annotation())
            self.said.emit(Message(CELLS))

    def drag_region(self) -> None:
        """Take what is in the rectangle that is dragged next; called again, do not."""
        if self._begin("region"):
            self.pointing.drag_region(self._looked_at())
            self.said.emit(Message(REGION))

    def _begin(self, mode: Mode) -> bool:
        """End what is pointed at; tell whether this is to begin, and could."""
        begin = self.pointing.mode != mode
        self.pointing.end()
        try:
            if begin:
                self._prediction()
                self._annotation()
        except UserError as error:
            self.pointing.changed.emit("")
            self.said.emit(Message(sentence(error), "warning"))
            return False
        return begin

    def take_cell(self, position: Sequence[float] | None = None) -> None:
        """Take the cell at a place over, with the predicted boundary that touches it.

        Parameters
        ----------
        position
            In the world; None: where the pointer is.
        """
        try:
            self.said.emit(self._take_cell(position))
        except UserError as error:
            self.said.emit(Message(sentence(error), "warning"))

    def take_region(self, box: Box | None) -> None:
        """Take all that is predicted in a box over.

        Parameters
        ----------
        box
            Rows and columns of the plane in view; None: the user has drawn none that lies on the image.
        """
        try:
            if box is None:
                raise UserError("there is no part of the image in this rectangle: drag one from corner to corner")
            self.said.emit(self._take_region(box))
        except UserError as error:
            self.said.emit(Message(sentence(error), "warning"))

    def _take_cell(self, position: Sequence[float] | None) -> Message:
        if position is None and not self._viewer.mouse_over_canvas:
            raise UserError("point at a predicted cell with the mouse, then press the key")
        found, target = self._parted(self._prediction()), self._painter.target
        y, x = self._pixel(self._viewer.cursor.position if position is None else position)
        cells = target.style == "cells"
        cell = cell_at(found, y, x, target.rim) if cells else cell_at(found, y, x)
        if cell is None:
            raise UserError("no cell is predicted here: point at the inside of one")
        layer = self._annotation()
        if cells:
            body = cell.body if isinstance(found, CellMap) else cell.body | cell.ring
            painted, sizes = self._painted(layer, cell.box)
            number = number_for(body, painted, sizes, self._painter.next_number())
            if number is None:
                raise UserError("several painted cells lie in this one: it is not taken")
            taken = self._write(layer, cell.box, body * number)
            return _told(f"cell {number}", {"": sum(taken.values())})
        values = values_of(found.classes, target.classes or DEFAULT_CLASSES)
        boundary = values[_first(found.classes, "boundary")] if cell.ring.any() else 0
        wanted = np.where(cell.ring & (boundary > 0), boundary, cell.body * values[cell.kind])
        taken = self._write(layer, cell.box, wanted)
        return _told("the cell", _by_name(taken, target))

    def _take_region(self, box: Box) -> Message:
        found, target = self._prediction(), self._painter.target
        layer = self._annotation()
        kinds = found.certain_part(box)
        if target.style == "classes":
            values = values_of(found.classes, target.classes or DEFAULT_CLASSES)
            taken = self._write(layer, box, np.asarray([0, *values])[kinds])
            return _told("the region", _by_name(taken, target))
        wanted = self._numbered(layer, box, whole_cells(found, box, target.rim))
        if target.background_value is not None:
            background = has_role(kinds, found.classes, "background")
            wanted[(wanted == 0) & background] = target.background_value
        taken = self._write(layer, box, wanted)
        cells = len(taken.keys() - {target.background_value})
        return _told(f"{count(cells, 'whole cell', 'whole cells')} of the region", {"": sum(taken.values())})

    def _numbered(self, layer: Labels, box: Box, numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Give cells that are numbered from 1 the numbers that they get in the annotation."""
        painted, sizes = self._painted(layer, box)
        wanted = np.zeros(numbers.shape, np.int64)
        free = self._painter.next_number()
        for value, part in enumerate(ndimage.find_objects(numbers), start=1):
            body = numbers[part] == value
            number = number_for(body, painted[part], sizes, free)
            if number is not None:
                wanted[part][body] = number
            if number == free:
                free = self._painter.after(free)
        return wanted

    # What is in view

    def _looked_at(self) -> Geometry:
        _, geometry = self._selection.require()
        dims = self._viewer.dims
        if dims.ndisplay != 2:
            raise UserError("switch to the 2D view first: cells are taken slice by slice")
        if set(dims.displayed) != {dims.ndim - 2, dims.ndim - 1}:
            raise UserError("look at slices along Y and X first: the prediction is made of these")
        return geometry

    def _prediction(self) -> Prediction:
        """Find what is predicted of the plane in view, in the topmost layer that shows it."""
        geometry = self._looked_at()
        if self._live.before:
            raise UserError("this is the prediction from before the training: go back to the one of now first")
        for layer in reversed(self._viewer.layers):
            if not layer.visible or layer is self._selection.labels_layer:
                continue
            shown = self._live.shown
            if layer is self._live.layer.layer and shown is not None and not self._live.unsure_on:
                return ClassMap(shown.classes, likeliest(shown.probabilities), shown.probabilities)
            if is_result(layer, "cells") and full_data(layer).shape == geometry.shape:
                numbers = plane_of(layer, geometry, *self._live.plane)
                if numbers.any():
                    return CellMap(numbers, self._boundaries(geometry))
        if self._live.unsure_on:
            first = KEYMAP.tell("switch 'Unsure' off first (key {unsure})")
            raise UserError(f"{first}: what is taken are the classes that are seen")
        if not self._live.on:
            raise UserError(KEYMAP.tell("there is nothing to take: switch the preview on (key {preview})"))
        raise UserError("nothing is predicted of this slice yet: train, or open a model, and wait for the preview")

    def _parted(self, found: Prediction) -> Prediction:
        """Cut what is predicted where boundary or background is painted."""
        target, layer = self._painter.target, self._selection.labels_layer
        if target.style != "classes" or layer is None or not isinstance(found, ClassMap):
            return found
        image, geometry = self._selection.require()
        check_place(layer, image, geometry)
        painted = plane_of(layer, geometry, *self._live.plane)
        return found.cut(painted, target.classes or DEFAULT_CLASSES)

    def _boundaries(self, geometry: Geometry) -> npt.NDArray[np.bool_] | None:
        """Find the boundary mask that was made with the cells, seen or not."""
        for layer in reversed(self._viewer.layers):
            if is_result(layer, "boundaries") and full_data(layer).shape == geometry.shape:
                mask: npt.NDArray[np.bool_] = plane_of(layer, geometry, *self._live.plane) != 0
                return mask if mask.any() else None
        return None

    def _pixel(self, position: Sequence[float]) -> tuple[int, int]:
        layer, image = self._selection.image_layer, self._selection.image
        assert layer is not None
        assert image is not None
        y, x = (round(float(v)) for v in place_of(layer, position)[-2:])
        if not (0 <= y < image.size("Y") and 0 <= x < image.size("X")):
            raise UserError("the pointer is beside the image: point at a predicted cell")
        return y, x

    # The annotation

    def _annotation(self) -> Labels:
        """Return the annotation, made if there is none, in view and ready for an undo."""
        image, geometry = self._selection.require()
        layer = self._selection.labels_layer or self._painter.new_layer()
        assert layer is not None  # there is an image to make one for
        if layer.multiscale:
            raise UserError(f"'{layer.name}' has several resolutions and cannot be painted: make a new layer")
        check_place(layer, image, geometry)
        self._viewer.layers.selection.active = layer
        if not layer.visible:
            layer.visible = True
        return layer

    def _painted(self, layer: Labels, box: Box) -> tuple[Plane, dict[int, int]]:
        """Return what is painted in a box, and how large the painted cells of the plane are; no background."""
        _, geometry = self._selection.require()
        plane = plane_of(layer, geometry, *self._live.plane)
        background = self._painter.target.background_value
        if background is not None:
            plane = np.where(plane == background, 0, plane)
        return plane[box], count_values(plane)

    def _write(self, layer: Labels, box: Box, values: Plane) -> dict[int, int]:
        """Write values where nothing is annotated, as one step of the layer's history; returns their pixels."""
        image, geometry = self._selection.require()
        t, z = self._live.plane
        key, wide = place(image.result_index(t, z, *box), values, image.result_axes, geometry.axes)
        now = np.asarray(layer.data[key])
        highest = np.iinfo(now.dtype).max
        if values.max(initial=0) > highest:
            room = f"'{layer.name}' ({now.dtype}) has room for values up to {highest}"
            raise UserError(f"{room}: make a new annotation layer")
        new = np.broadcast_to(wide, now.shape).astype(now.dtype)
        free = (now == 0) & (new != 0)
        if free.any():
            starts = (s.start or 0 if isinstance(s, slice) else s for s in key)
            at = tuple(i + start for i, start in zip(np.nonzero(free), starts, strict=True))
            try:
                layer.data_setitem(at, new[free])
            except NotImplementedError as error:  # of dask, before anything is written
                name = type(layer.data).__module__.split(".")[0]
                raise UserError(
                    f"'{layer.name}' is a {name} array, in which pixels cannot be set: make a new annotation layer"
                ) from error
        one_channel = (-1, *values.shape)
        written = np.where(free, new, 0).reshape(one_channel)[0]
        if written.any():
            self.took.emit(t, z, box[0].start, box[1].start, written)
        return count_values(written[written != 0])


def _first(classes: Sequence[ClassSpec], role: str) -> int:
    return next(i for i, c in enumerate(classes) if c.role == role)


def _by_name(taken: dict[int, int], target: TargetSpec) -> dict[str, int]:
    classes = target.classes or DEFAULT_CLASSES
    return {classes[value - 1].name: number for value, number in taken.items()}


def _told(what: str, taken: dict[str, int]) -> Message:
    if not any(taken.values()):
        return Message(f"Nothing is new in {what}: it is annotated already, or not certain enough.")
    pixels = " · ".join(f"{name} {number:,}".strip() for name, number in taken.items())
    return Message(f"Took {what}: {pixels} pixels. {UNDO}", "good")
