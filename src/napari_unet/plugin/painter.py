"""What happens under Annotate: the annotation layer, its style, the brush and the counts."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels
from psygnal import Signal

from napari_unet.errors import UserError
from napari_unet.plugin import words
from napari_unet.plugin.annotation import Counts, StrokeCounter, dress, is_ours, new_annotation
from napari_unet.plugin.decide import Message
from napari_unet.plugin.edits import Edits
from napari_unet.plugin.layers import check_place, full_data
from napari_unet.plugin.requests import Painting
from napari_unet.plugin.selection import Selection
from napari_unet.spec import DEFAULT_CLASSES, TargetSpec


class Painter:
    """Helps the user paint.

    Parameters
    ----------
    viewer, selection
        Where the annotation is, and which.
    """

    said = Signal(Message)
    painting = Signal(Painting)
    """What is painted, after every count."""
    target_changed = Signal(TargetSpec)
    """The labels chosen ask for another style."""
    brush_changed = Signal(int)
    """The label value that is painted with."""
    edited = Signal()
    """The annotation may hold other strokes than before (undo and redo too); count them when there is time."""

    def __init__(self, viewer: ViewerModel, selection: Selection) -> None:
        self._viewer, self._selection = viewer, selection
        self.edits = Edits(viewer, selection)
        for edited in (self.edits.stroke, self.edits.shown):
            edited.connect(self._edited)
        self._counter = StrokeCounter()
        self._followed: Labels | None = None
        self._counted: tuple[Labels | None, ImageLayer | None] = None, None
        self.target = TargetSpec()
        selection.changed.connect(self._follow)

    def close(self) -> None:
        """Follow nothing any more."""
        self.edits.close()

    def new_layer(self) -> Labels | None:
        """Add an annotation layer for the image and take the brush."""
        try:
            _, geometry = self._selection.require()
        except UserError as error:
            self.said.emit(Message(str(error), "error"))
            return None
        layer = new_annotation(geometry, self.target.style)
        self._viewer.layers.append(layer)
        self._viewer.dims.ndisplay = 2
        self._selection.choose_labels(layer)
        self.take_brush(1)
        self.count()
        return layer

    def choose(self, layer: Labels | None) -> None:
        """Choose the annotation; values beyond the classes mean that cells are painted whole."""
        self._selection.choose_labels(layer)
        counts = self.count()
        highest = max(counts, default=0) if counts else 0
        if layer is not None and highest > len(DEFAULT_CLASSES) and self.target.style == "classes":
            self.target_changed.emit(self.target.model_copy(update={"style": "cells"}))
            text = f"'{layer.name}' has values up to {highest}: taken as cells painted whole."
            self.said.emit(Message(text))

    def set_target(self, target: TargetSpec) -> None:
        """Set the annotation style."""
        changed = target.style != self.target.style
        self.target = target
        if changed and self._selection.labels_layer is not None:
            dress(self._selection.labels_layer, target.style)
        self.count()

    def take_brush(self, value: int) -> None:
        """Paint with a label value from now on."""
        layer = self._selection.labels_layer
        if layer is None:
            self.said.emit(Message(words.missing(None, self.target), "warning"))
            return
        if value > highest_value(layer):
            if not is_ours(layer, "annotation"):
                text = (
                    f"'{layer.name}' holds values up to {highest_value(layer)} only, {value} is too large for it."
                )
                self.said.emit(Message(text, "error"))
                return
            layer.data = np.asarray(layer.data).astype(np.int32)
        self._viewer.layers.selection.active = layer
        layer.selected_label = value
        layer.mode = "paint"

    def next_class(self) -> None:
        """Paint with the class after the present one."""
        layer = self._selection.labels_layer
        value = layer.selected_label if layer is not None else 0
        self.take_brush(value % len(DEFAULT_CLASSES) + 1)

    def next_cell(self) -> None:
        """Paint the next cell."""
        self.take_brush(self.next_number())

    def next_number(self) -> int:
        """Give the next free number of a cell."""
        counts = self.count() or {}
        return self.after(max((v for v in counts if v != self.target.background_value), default=0))

    def after(self, number: int) -> int:
        """Give the number of a cell after another, past the value that means background."""
        return number + (2 if number + 1 == self.target.background_value else 1)

    @property
    def counted_all(self) -> bool:
        """The last count saw the whole annotation; of large or lazy ones only the slices in view are counted."""
        return self._counter.complete

    def count(self) -> Counts | None:
        """Count what is painted and show it; None without an annotation layer."""
        layer = self._selection.labels_layer
        counts = None
        if layer is not None and np.dtype(full_data(layer).dtype).kind in "bui":
            counts = self._counter.count(layer, self._viewer.dims.point)
        text = words.painted(counts, self.target) if counts is not None else ""
        missing = self._misfit() or words.missing(counts, self.target)
        missing = missing or words.advice(counts or {}, self._counter.planes, self.target, self._planes)
        if counts and not self.counted_all:  # what these slices lack may be in others
            text, missing = f"{text} in the slices seen so far", self._misfit() or words.READY
        self.painting.emit(Painting(text, missing))
        return counts

    @property
    def _planes(self) -> str:
        """What the planes of the image are called."""
        image = self._selection.image
        return "time points" if image is not None and image.size("T") > image.size("Z") == 1 else "slices"

    def _misfit(self) -> str:
        """Say why the annotation cannot belong to the image; empty if it can, or one of them is missing."""
        layer, image, geometry = self._selection.labels_layer, self._selection.image, self._selection.geometry
        if layer is not None and image is not None and geometry is not None:
            try:
                check_place(layer, image, geometry)
            except UserError as error:
                return f"{error}."
        return ""

    def _follow(self) -> None:
        """Follow the brush of the layer that is chosen now, and count anew if it or the image is another one."""
        layer, image = self._selection.labels_layer, self._selection.image_layer
        if (layer, image) != self._counted:
            self._counted = layer, image
            self._edited()
        if layer is self._followed:
            return
        if self._followed is not None:
            self._followed.events.selected_label.disconnect(self._brush_moved)
        self._followed = layer
        if layer is not None:
            layer.events.selected_label.connect(self._brush_moved)
            self._brush_moved()

    def _edited(self) -> None:
        self.edited.emit()

    def _brush_moved(self) -> None:
        if self._followed is not None:
            self.brush_changed.emit(int(self._followed.selected_label))


def highest_value(layer: Labels) -> int:
    """Give the highest label value that a layer can hold."""
    dtype = np.dtype(full_data(layer).dtype)
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
