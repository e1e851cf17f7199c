"""Compares cells with the truth: chosen, computed in a thread, shown as a layer, gone through. No widgets here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.comparison import Category, Comparison, compare, kind_of_truth
from napari_unet.arrays.numbering import numbered_by_slice
from napari_unet.arrays.places import Difference
from napari_unet.arrays.steps import Tell
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import is_ours
from napari_unet.plugin.cells.background import Background, Outcome
from napari_unet.plugin.cells.choice import DIFFERENCE, OUTLINES, CellsChoice, looks_true
from napari_unet.plugin.cells.difference import difference_layer
from napari_unet.plugin.cells.place import corners_around, geometry_of, in_words, slice_in_view
from napari_unet.plugin.cells.scores import cell_in_words, summary
from napari_unet.plugin.cells.task import CellsTask
from napari_unet.plugin.cells.through import told_flat
from napari_unet.plugin.layers import Geometry, full_data
from napari_unet.plugin.plane_layer import insert_quietly
from napari_unet.plugin.store import Store
from napari_unet.plugin.suggesting import go_to

AROUND = 20
"""Pixels on each side of a difference, at least, that are seen when it is gone to."""
TRUTHS = "choose a Labels layer, or an image of 255 inside cells and 0 between"
LOOKED_AT = 12
"""Slices in which is looked whether cells are numbered anew in each."""
LOOKED_IN = 256
"""Half the length of the square in which is looked whether an image has grey values, pixels."""


@dataclass(frozen=True)
class Order:
    """What is compared: a stack, or one slice of it."""

    cells: Labels
    truth: Layer
    geometry: Geometry
    index: tuple[int, ...] | None
    """Of the slice; None: the whole stack."""

    @property
    def where(self) -> str:
        """What is compared, in words."""
        return "The whole stack" if self.index is None else in_words(self.geometry.axes, self.index)


class Comparing(CellsTask):
    """Compares the chosen cells with a truth."""

    changed = Signal()
    """There is another truth, or others to choose from."""
    compared = Signal()
    """There is another result, or none any more."""

    def __init__(
        self, viewer: ViewerModel, choice: CellsChoice, background: Background, store: Store | None = None
    ) -> None:
        super().__init__(viewer, choice, background, store)
        self.truth: Layer | None = None
        self.found: Comparison | None = None
        """The last result."""
        self.order: Order | None = None
        """What it is of."""
        self._visited: set[Difference] = set()
        choice.changed.connect(self._look)
        self._look()

    # What is compared

    @property
    def truths(self) -> list[Layer]:
        """Layers that may be the truth, topmost last."""
        ours = ("preview", "annotation", "result", "unsure", DIFFERENCE, OUTLINES)
        layers = [x for x in self._viewer.layers if x is not self._choice.cells and _may_tell(x)]
        return [x for x in layers if not any(is_ours(x, part) for part in ours)]

    @property
    def stack(self) -> bool:
        """The cells have several slices."""
        cells = self._choice.cells
        return cells is not None and int(np.prod(full_data(cells).shape[:-2])) > 1

    def choose_truth(self, name: str) -> None:
        """Choose the truth by the name of its layer."""
        self.truth = next((x for x in self.truths if x.name == name), None)
        self.changed.emit()

    def _look(self) -> None:
        """Keep the truth if it is still there; else take a sample's, or some labels."""
        truths = self.truths
        if self.truth not in truths:
            labels = [x for x in truths if isinstance(x, Labels)]
            known = [x for x in labels if looks_true(x)]
            self.truth = next((x for some in (known, labels) for x in reversed(some)), None)
        self.changed.emit()

    # Comparing

    def start(self, *, whole: bool) -> None:
        """Compare the slice in view or the whole stack."""
        try:
            order = self._order(whole)
            work = self._work(order)
            self._background.start(work, lambda outcome: self._end(order, outcome))
        except UserError as error:
            self._say(f"{error}.", "error")

    def _order(self, whole: bool) -> Order:
        cells = self._choice.require()
        if self.truth is None:
            raise UserError(f"there is no truth: {TRUTHS}")
        shape, other = (tuple(full_data(x).shape) for x in (cells, self.truth))
        if shape != other:
            raise UserError(
                f"'{cells.name}' has shape {shape}, '{self.truth.name}' {other}: choose a truth of the same pixels"
            )
        geometry = geometry_of(cells)
        if whole and "C" in geometry.axes:
            raise UserError(f"'{cells.name}' has the same cells for every channel: compare slice by slice")
        index = None if whole and self.stack else slice_in_view(cells, self._viewer.dims.point)
        return Order(cells, self.truth, geometry, index)

    def _work(self, order: Order) -> Any:
        """Return what is done in the thread."""
        cells, truth = (_data(x, order.index) for x in (order.cells, order.truth))
        told = told_flat(order.cells)
        flat = order.index is not None or bool(told) or "Z" not in order.geometry.axes
        unknown = (truth,) if told is not None else (cells, truth)
        name, grey = order.truth.name, not isinstance(order.truth, Labels)
        # allocated here, as layers are of the window
        out = None if order.index is not None else self._store.array(order.geometry, np.uint8)

        def work(tell: Tell) -> Comparison:
            kind = kind_of_truth(truth)
            if kind is None or (kind == "cells" and grey):
                raise UserError(f"'{name}' has grey values and is no truth: {TRUTHS}")
            by_slice = flat or any(numbered_by_slice(x, LOOKED_AT) for x in unknown)
            return compare(cells, truth, ndim=2 if by_slice else 3, kind=kind, out=out, tell=tell)

        return work

    def _end(self, order: Order, outcome: Outcome) -> None:
        if not self._failed("Comparing", outcome):
            self.found, self.order, self._visited = outcome.value, order, set()
            self._show(order, outcome.value)
            self.compared.emit()
            told = summary(outcome.value, order.where)
            self._say(f"{told} The cells are hidden: their eye in the layer list shows them again.", "good")

    def _show(self, order: Order, found: Comparison) -> None:
        """Put the picture over the image, and hide the cells, whose colours would mix with it."""
        picture = found.picture
        if order.index is not None:
            picture = self._store.array(order.geometry, np.uint8)
            picture[order.index] = found.picture
        for layer in [x for x in self._viewer.layers if is_ours(x, DIFFERENCE)]:
            self._viewer.layers.remove(layer)
        for layer in (order.cells, order.truth):
            if isinstance(layer, Labels):
                layer.visible = False
        insert_quietly(self._viewer, difference_layer(picture, order.geometry), len(self._viewer.layers))

    # Going through the differences

    def go_on(self, category: Category | None = None) -> None:
        """Go to the largest difference that was not visited yet, of a category if it is given."""
        if self.found is None or self.order is None or self.order.cells not in self._viewer.layers:
            self._say("Compare the cells with the truth first.", "warning")
            return
        every = [d for d in self.found.differences if category in (None, d.category)]
        if not every:
            self._say(_none_of(category), "good")
            return
        again = all(d in self._visited for d in every)
        if again:
            self._visited -= set(every)
        at, place = next((i, d) for i, d in enumerate(every) if d not in self._visited)
        self._visited.add(place)
        self._go_to(place)
        words = f"{at + 1} of {len(every)}: {cell_in_words(place)}, {place.pixels:,} {self._pixels}."
        self._say(f"All were shown, so from the first again. {words}" if again else words)

    @property
    def _pixels(self) -> str:
        return "voxels" if self.found is not None and self.found.ndim == 3 else "pixels"

    def _go_to(self, place: Difference) -> None:
        assert self.order is not None
        y0, x0, y1, x1 = place.box
        half = max(AROUND, (y1 - y0) / 2 + 1, (x1 - x0) / 2 + 1)
        index = (*(self.order.index or ()), *place.index)
        middle = (y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2
        go_to(self._viewer, corners_around(self._viewer, self.order.cells, index, middle, half))


def _none_of(category: Category | None) -> str:
    if category == Category.FOUND:
        return "What is found is not different."
    return f"Nothing is {'different' if category is None else category.name.lower()}."


_MEMBRANES: WeakKeyDictionary[Image, bool] = WeakKeyDictionary()
"""Whether images look as if they showed where cells are, and no grey values."""


def _may_tell(layer: Layer) -> bool:
    """Whether a layer may be a truth: labels, or an image of two values, by a look at its middle.

    Images that are not in memory are offered unseen: reading may take long, or fail. Grey ones are refused later.
    """
    if not isinstance(layer, Image):
        return isinstance(layer, Labels)
    data = full_data(layer)
    if layer.rgb or not isinstance(data, np.ndarray) or isinstance(data, np.memmap):
        return not layer.rgb
    if layer not in _MEMBRANES:
        middle = tuple(slice(max(0, n // 2 - LOOKED_IN), n // 2 + LOOKED_IN) for n in data.shape[-2:])
        sample = np.asarray(data[(*(n // 2 for n in data.shape[:-2]), *middle)])
        _MEMBRANES[layer] = kind_of_truth(sample) == "membrane"
    return _MEMBRANES[layer]


def _data(layer: Layer, index: tuple[int, ...] | None) -> ArrayLike:
    data = full_data(layer)
    return data if index is None else np.array(data[index])
