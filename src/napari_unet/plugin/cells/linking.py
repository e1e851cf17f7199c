"""Links the chosen cells into a new layer, in a thread; no widgets here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_unet.arrays.axes import Image
from napari_unet.arrays.linking import GAP, Along, Linked, found_again, in_words, linked, memory_needed
from napari_unet.arrays.steps import Tell
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells.background import Outcome
from napari_unet.plugin.cells.place import axes_of, geometry_of, slice_in_view
from napari_unet.plugin.cells.task import CellsTask
from napari_unet.plugin.kept import kept_of
from napari_unet.plugin.layers import Geometry, full_data, place
from napari_unet.plugin.plane_layer import insert_quietly, take_the_place
from napari_unet.plugin.provenance import made_of, put_record, record_of
from napari_unet.plugin.results import OUTPUT
from napari_unet.spec import Linking as LinkingSettings
from napari_unet.spec import Record
from napari_unet.storage.budget import check_memory

NAME = "{} linked"
PLANES: dict[Along, str] = {"z": "slice", "t": "frame"}
FEW = 0.3
"""Part of the cells below which linking is of little use."""
REACH, HALF = 2, 512
"""Planes on each side of that in view, and half the length of the square, in which is looked for it."""


@dataclass(frozen=True)
class Order:
    """What is linked into what."""

    layer: Labels
    geometry: Geometry
    along: Along
    pieces: Iterator[Linked]
    data: Any
    """Of the new layer."""
    settings: LinkingSettings
    record: Record | None
    """How the cells were made."""


@dataclass(frozen=True)
class Done:
    """What came of it: the last piece, and how the new cells were made."""

    last: Linked
    record: Record


class Linking(CellsTask):
    """Links the chosen cells."""

    @property
    def alongs(self) -> tuple[Along, ...]:
        """Along what the chosen cells can be linked; of three axes that nobody told, the first may be either."""
        layer = self._choice.cells
        if layer is None:
            return ()
        try:
            axes = axes_of(layer)
        except UserError:
            return ()
        if not _is_told(layer, axes):
            return ("z", "t")
        lengths = dict(zip(axes, full_data(layer).shape, strict=True))
        every: tuple[Along, ...] = ("z", "t")
        return tuple(along for along in every if lengths.get(along.upper(), 1) > 1)

    @property
    def told(self) -> bool:
        """Whether it is known what the axes of the chosen cells are; else the user has to tell."""
        layer = self._choice.cells
        return layer is None or not self.alongs or _is_told(layer, axes_of(layer))

    def slider(self, along: Along) -> str:
        """Return the name of napari's slider along which would be linked; empty without one."""
        layer = self._choice.cells
        if layer is None or along not in self.alongs:
            return ""
        axes = axes_of(layer)
        axis = axes.find(along.upper()) if self.told else 0
        return str(self._viewer.dims.axis_labels[axis - layer.ndim])

    def advice(self, along: Along, least_overlap: float) -> str:
        """Say how many cells around the slice in view would be found again in the next."""
        layer = self._choice.cells
        if layer is None or along not in self.alongs:
            return ""
        planes = list(_around(layer, axes_of(layer), self.told, along, self._viewer.dims.point))
        return advice(found_again(planes, along, least_overlap), along)

    def start(self, along: Along, least_overlap: float) -> None:
        """Link the chosen cells into a new layer, or say why not."""
        try:
            order = self._order(along, least_overlap)
            self._background.start(partial(_work, order), partial(self._end, order))
        except UserError as error:
            self._say(f"These cells cannot be linked: {error}.", "error")

    def ask(self) -> None:
        """Ask the user to tell what the first axis is."""
        slider = self.slider("z")
        self._say(
            f"Choose first whether the slider '{slider}' goes from slice to slice or from frame to frame: the "
            "layer does not tell.",
            "warning",
        )

    def _order(self, along: Along, least_overlap: float) -> Order:
        layer = self._choice.require()
        geometry = geometry_of(layer)
        axes = geometry.axes
        if along == "t" and not _is_told(layer, axes):
            axes = axes.replace("Z", "T")
            geometry = replace(geometry, axes=axes)
        cells = Image(full_data(layer), axes, name=f"'{layer.name}'")
        pieces = linked(cells, along, least_overlap)
        what = f"linking the {'slices' if along == 'z' else 'volumes'} of '{layer.name}'"
        check_memory(memory_needed(cells, along), what, "cut out a part of it")
        settings = LinkingSettings(along=along, least_overlap=least_overlap, gap=GAP, axes=axes)
        data = self._store.array(geometry, np.int32)
        return Order(layer, geometry, along, pieces, data, settings, record_of(layer))

    def _end(self, order: Order, outcome: Outcome) -> None:
        if not self._failed("Linking", outcome, left="; there is no new layer"):
            made = self._show(order)
            put_record(made, outcome.value.record)
            words = f"{in_words(outcome.value.last, order.along)}: see the layer '{made.name}'."
            self._say(f"{words} '{order.layer.name}' is as it was, and hidden.", "good")

    def _show(self, order: Order) -> Labels:
        """Add the new layer, and hide the old one, whose colours would mix with it."""
        metadata = {MARK: "result", OUTPUT: "cells"}
        name = NAME.format(order.layer.name)
        made = Labels(order.data, name=name, opacity=0.6, metadata=metadata, **order.geometry.properties)
        order.layer.visible = False
        layers = self._viewer.layers
        insert_quietly(self._viewer, made, len(layers))
        take_the_place(self._viewer, order.layer, made)
        return made


def advice(part: float, along: Along) -> str:
    """Say what it means that a part of the cells is found again in the next plane.

    Examples
    --------
    >>> advice(0.12, "t")
    'Of the cells around here 12% are found again in the next frame: too few. A lower overlap may help.'
    >>> advice(0.97, "z"), advice(float("nan"), "z")
    ('Of the cells around here 97% are found again in the next slice.', '')
    """
    if math.isnan(part):
        return ""
    words = f"Of the cells around here {part:.0%} are found again in the next {PLANES[along]}"
    return f"{words}: too few. A lower overlap may help." if part < FEW else f"{words}."


def _around(
    layer: Labels, axes: str, told: bool, along: Along, point: Sequence[float]
) -> Iterator[npt.NDArray[Any]]:
    """Read the middle of some planes around the one in view, along an axis."""
    data, index = full_data(layer), list(slice_in_view(layer, point))
    axis = axes.find(along.upper()) if told else 0
    middle = tuple(slice(max(0, n // 2 - HALF), n // 2 + HALF) for n in data.shape[-2:])
    for i in range(max(0, index[axis] - REACH), min(data.shape[axis], index[axis] + REACH + 1)):
        index[axis] = i
        yield np.asarray(data[(*index, *middle)])


def _work(order: Order, tell: Tell) -> Done:
    """Fill the new array."""
    axes = order.geometry.axes
    for piece in order.pieces:
        index, cells = place(piece.index, piece.cells, axes.replace("C", ""), axes)
        order.data[index] = cells
        tell(piece.done / piece.total)
    return Done(piece, made_of(order.layer, axes, order.settings, order.record))


def _is_told(layer: Labels, axes: str) -> bool:
    """Whether it is known what the first of three axes is, and not guessed."""
    return kept_of(layer) is not None or len(axes) != 3 or str(layer.axis_labels[0])[:1].upper() in ("Z", "T")
