"""Result layers: allocated when a prediction starts, filled block by block, shown as they fill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer
from psygnal import Signal

from napari_unet.arrays.evidence import is_tissue
from napari_unet.arrays.region import Region
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.by_hand import ByHand
from napari_unet.plugin.cells.accepted import accepted_in
from napari_unet.plugin.colours import class_colormap, colour_of
from napari_unet.plugin.layers import Geometry, Index, place, place_of, read_region
from napari_unet.plugin.plane_layer import insert_quietly, take_the_place
from napari_unet.plugin.probabilities import Probabilities, beside, inside
from napari_unet.plugin.protecting import Protection, accepted_planes, keys_of
from napari_unet.plugin.provenance import note_edit, put_record
from napari_unet.plugin.store import Store
from napari_unet.spec import BOUNDARY, ClassSpec, Output, Record

OUTPUT = "napari-unet-live output"
"""Key in the metadata of result layers; its value is the output that they show."""
REFRESH = 0.5
"""Seconds between two refreshes of a layer that is being filled."""
REFRESH_ALL = 2.0
"""The same where every block is in view, as in 3D, and drawing takes longer."""


@dataclass(frozen=True)
class Wanted:
    """One output that a prediction is going to fill: its element type and, for probabilities, the classes."""

    output: Output
    dtype: str


@dataclass(frozen=True)
class Piece:
    """What is saved as one file: layers of one output, one per class for probabilities."""

    output: Output
    layers: tuple[Layer, ...]
    classes: tuple[str, ...] = ()


def most_telling(outputs: Sequence[Output]) -> Output:
    """Choose the output to look at first; one over the other, neither can be seen well.

    Examples
    --------
    >>> most_telling(["boundaries", "cells"]), most_telling(["probabilities", "boundaries"])
    ('cells', 'boundaries')
    """
    order: tuple[Output, ...] = ("cells", "boundaries", "classes", "probabilities")
    return min(outputs, key=order.index)


class Results:
    """The layers of one prediction.

    Parameters
    ----------
    viewer
        Where they are added.
    geometry, result_axes
        Where results of the image lie, and the axes in which blocks come.
    classes
        Of the model.
    store
        Makes the arrays.
    clock
        Seconds; for tests.
    """

    touched = Signal(Layer)
    """A layer was edited, that was as it was computed."""
    restored = Signal(Layer)
    """All that was edited in a layer was undone."""

    def __init__(
        self,
        viewer: ViewerModel,
        geometry: Geometry,
        result_axes: str,
        classes: Sequence[ClassSpec],
        store: Store,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._viewer, self._geometry, self._axes = viewer, geometry, result_axes
        self.classes, self._store, self._clock = tuple(classes), store, clock
        self._layers: dict[Output, list[Layer]] = {}
        self._aside: list[Layer] = []
        self._by_hand = ByHand()
        self._by_hand.changed.connect(self._edited_or_undone)
        self._filled: list[Region] = []
        self._stale: list[Layer] = []
        """Layers that show less than was written."""
        self.probabilities = Probabilities(geometry, result_axes, self.classes, store)
        self._protection: Protection | None = None
        self._refreshed = -math.inf
        self._records: dict[Output, Record] = {}

    def tell_records(self, records: dict[Output, Record]) -> None:
        """Note in the layers how they were made; what is edited later is noted besides."""
        self._records = records
        for output, group in self._layers.items():
            for layer in group:
                put_record(layer, records.get(output))
                if layer in self.edited:
                    note_edit(layer)

    @property
    def layers(self) -> list[Layer]:
        """All layers of this prediction, in the viewer or not."""
        return [layer for group in self._layers.values() for layer in group]

    @property
    def untouched(self) -> bool:
        """All layers are still there, and hold what was computed."""
        return not self.edited and not self.gone

    @property
    def edited(self) -> list[Labels]:
        """Layers that were painted in, and not undone."""
        return [x for x in self.layers if isinstance(x, Labels) and self._by_hand.edited(x)]

    @property
    def gone(self) -> list[Layer]:
        """Layers that the user has deleted."""
        return [layer for layer in self.layers if layer not in self._viewer.layers]

    @property
    def lasting(self) -> bool:
        """Something was edited or deleted, and undo does not bring it back."""
        return bool(self.gone) or any(self._by_hand.lasting(x) for x in self.edited)

    @property
    def cells(self) -> Labels | None:
        """The layer of cells, if it is in the viewer."""
        return next((x for x in self._layers.get("cells", []) if x in self._viewer.layers), None)

    @property
    def visible(self) -> bool:
        """A layer of this prediction is seen."""
        return any(layer.visible for layer in self.layers if layer in self._viewer.layers)

    def plane_in_view(self) -> tuple[int, int] | None:
        """(t, z) of the plane of the cells that is looked at; None in 3D, and from the side."""
        dims, layer = self._viewer.dims, self.cells
        if layer is None or dims.ndisplay != 2 or set(dims.displayed) != {dims.ndim - 2, dims.ndim - 1}:
            return None
        at = dict(zip(self._geometry.axes, place_of(layer, dims.point).tolist(), strict=True))
        return round(at.get("T", 0)), round(at.get("Z", 0))

    def protect_edits(self) -> list[str]:
        """Put a new layer in the place of every one that was edited by hand; returns the names of the old ones."""
        outputs: tuple[Output, ...] = ("cells", "boundaries")
        edited = [(o, x) for o in outputs for x in self.edited if x in self._layers.get(o, [])]
        for output, layer in edited:
            self._by_hand.leave(layer)
            made = self._make(Wanted(output, str(layer.data.dtype)), 0)
            made.visible, layer.visible = layer.visible, False
            put_record(made, self._records.get(output))
            self._layers[output] = [made]
            insert_quietly(self._viewer, made, len(self._viewer.layers))
            take_the_place(self._viewer, layer, made)
        if edited:
            self.probabilities.make_all()
        return [str(layer.name) for _, layer in edited]

    def begin_anew(self, before: Labels | None, min_size: int, *, flat: bool) -> None:
        """Get ready for other cells: those that are accepted stay, in a new layer, too.

        Parameters
        ----------
        before
            The layer of cells so far.
        min_size
            Pixels; of new cells that lose a part to accepted ones, smaller pieces are dropped.
        flat
            New cells are those of slices.
        """
        cells, self._protection = self.cells, None
        if cells is None:
            return
        same = cells is before
        if same:
            cells._reset_history()  # noqa: SLF001 - its steps tell of numbers that other cells are going to have
        elif before is not None and before.data.shape == cells.data.shape:
            for region, plane in accepted_planes(before, self._geometry.axes, flat=flat):
                self.put("cells", region, plane)
            accepted_in(cells).change(add=keys_of(before, flat=flat))
        tissue = is_tissue(self.classes)
        self._protection = Protection(cells, self._geometry.axes, tissue=tissue, min_size=min_size)
        self.announce()

    def announce(self) -> None:
        """Tell others, such as a table, that these are other cells; it is no edit."""
        if self.cells is not None:
            self._by_hand.quiet = True
            self.cells.events.data(value=self.cells.data)
            self._by_hand.quiet = False

    def reusable(self, outputs: Iterable[Output], geometry: Geometry, region: Region) -> bool:
        """Tell whether a new prediction may be written into these layers: same place, untouched.

        What they hold must lie beside the new region, or be overwritten by all of it: numbers of cells would meet.
        """
        return (
            geometry == self._geometry
            and set(outputs) == set(self._layers)
            and self.untouched
            and all(beside(known, region) or inside(known, region) for known in self._filled)
        )

    def pieces(self, only: Layer | None = None) -> list[Piece]:
        """List what can be saved, of the layers that are still there; ``only`` one of them, if it is given."""
        found = []
        for output, group in self._layers.items():
            kept = [(x, c) for x, c in zip(group, self._names(output), strict=True) if x in self._viewer.layers]
            kept = [(x, c) for x, c in kept if only is None or x is only]
            if kept:
                names = tuple(c for _, c in kept) if output == "probabilities" else ()
                found.append(Piece(output, tuple(x for x, _ in kept), names))
        return found

    def _names(self, output: Output) -> list[str]:
        return [c.name for c in self.classes] if output == "probabilities" else [output]

    def allocate(self, wanted: Iterable[Wanted], region: Region | None = None) -> None:
        """Add a layer for every output, on top; it is empty at first, and of several only one is visible."""
        if region is not None and region not in self._filled:
            self._filled.append(region)
        if region is not None:
            self.probabilities.forget(region)
        for layer in self._aside:
            layer.visible = True
        self._aside = []
        items = list(wanted)
        for item in items:
            if item.output not in self._layers:
                made = [self._make(item, k) for k in range(self._parts(item.output))]
                self._layers[item.output] = made
                for layer in reversed(made):
                    layer.visible &= item.output == most_telling([i.output for i in items])
                    insert_quietly(self._viewer, layer, len(self._viewer.layers))

    def set_aside(self, keep: Layer | None = None) -> None:
        """Hide what is visible, but not ``keep``, until these layers are filled again."""
        self._aside += [layer for layer in self.layers if layer.visible and layer is not keep]
        for layer in self._aside:
            layer.visible = False

    def _parts(self, output: Output) -> int:
        return len(self.classes) if output == "probabilities" else 1

    def _make(self, item: Wanted, part: int) -> Layer:
        common = {"metadata": {MARK: "result", OUTPUT: item.output}, **self._geometry.properties}
        if item.output == "probabilities":
            return self._probability(self.probabilities.arrays[part], self.classes[part], common)
        layer = Labels(self._store.array(self._geometry, item.dtype), name=item.output, opacity=0.6, **common)
        if item.output == "boundaries":
            layer.colormap = class_colormap([BOUNDARY])
        elif item.output == "classes":
            layer.colormap = class_colormap(self.classes)
        self._by_hand.follow(layer)
        return layer

    def _edited_or_undone(self, layer: Labels) -> None:
        if self._by_hand.edited(layer):
            note_edit(layer)
            self.touched.emit(layer)
        else:
            put_record(layer, self._records.get(layer.metadata[OUTPUT]))
            self.restored.emit(layer)

    @staticmethod
    def _probability(data: Any, item: ClassSpec, common: dict[str, Any]) -> ImageLayer:
        layer = ImageLayer(
            data,
            name=f"probability of {item.name}",
            contrast_limits=(0, 255),
            blending="additive",
            visible=item.role == "boundary",
            **common,
        )
        layer.colormap = ((0.0, 0.0, 0.0), colour_of(item))
        return layer

    def write(self, output: Output, index: Index, block: npt.NDArray[Any]) -> None:
        """Write a block; layers that the user has removed are left alone."""
        if output == "probabilities":
            key = self.probabilities.write(index[1:], block)
        else:
            if output == "cells" and self._protection is not None:
                block = self._protect(index, block, self._protection)
            key, values = place(index, block, self._axes, self._geometry.axes)
        for layer in self._layers.get(output, []):
            if layer in self._viewer.layers:
                if isinstance(layer, Labels):
                    self._by_hand.overwrite(layer)
                    layer.data[key] = values
                if layer.visible and layer not in self._stale and self._in_view(layer, key):
                    self._stale.append(layer)
        self.refresh_if_due()

    def _protect(self, index: Index, block: npt.NDArray[Any], protection: Protection) -> npt.NDArray[Any]:
        """Put accepted cells over a block of new ones."""
        at = dict(zip(self._axes, index, strict=True))
        spans = (at.get(a, 0) for a in "TZYX")
        region = Region(*((s, s + 1) if isinstance(s, int) else (s.start, s.stop) for s in spans))
        return protection.apply(block.reshape(region.shape[1:]), region).reshape(block.shape)

    def put_back(self, region: Region, cells: npt.NDArray[Any]) -> None:
        """Write cells that were there before, as they were."""
        protection, self._protection = self._protection, None
        self.put("cells", region, cells)
        self._protection = protection

    def put(self, output: Output, region: Region, values: npt.NDArray[Any]) -> None:
        """Write values (Z, Y, X) into a region of one time point."""
        z, y, x = region.slices[1:]
        chosen: dict[str, int | slice] = {"T": region.t[0], "Z": z, "Y": y, "X": x}
        flat = values if "Z" in self._axes else values[0]
        self.write(output, tuple(chosen[a] for a in self._axes), flat)

    def get(self, output: Output, region: Region, layer: Layer | None = None) -> npt.NDArray[Any]:
        """Read values (Z, Y, X) from a region of one time point; of an earlier ``layer`` in the same place."""
        chosen = self._layers[output][0] if layer is None else layer
        return read_region(chosen.data, self._geometry.axes, region)

    def _in_view(self, layer: Layer, key: Index) -> bool:
        """Whether a part of a layer is in the plane that is seen; others are read when the user goes there."""
        dims = self._viewer.dims
        place = layer.world_to_data(tuple(dims.point)[-layer.ndim :])
        hidden = [axis - (dims.ndim - layer.ndim) for axis in dims.not_displayed]
        return all(_holds(key[axis], float(place[axis])) for axis in hidden if axis >= 0)

    def refresh_if_due(self) -> None:
        """Draw what has been written and is in view, now and then."""
        pause = REFRESH if self._viewer.dims.ndisplay == 2 else REFRESH_ALL
        if self._stale and self._clock() - self._refreshed >= pause:
            self.refresh()

    def refresh(self) -> None:
        """Draw what has been written and is in view."""
        self._refreshed = self._clock()
        stale, self._stale = self._stale, []
        for layer in stale:
            if layer in self._viewer.layers:
                layer.refresh(extent=False, thumbnail=False, highlight=False)

    def finish(self) -> None:
        """Draw everything, thumbnails too."""
        self.announce()
        for layer in self.layers:
            if layer in self._viewer.layers:
                layer.refresh(extent=False)


def is_result(layer: Layer, output: Output) -> TypeGuard[Labels]:
    """Tell whether a layer is a result of a kind."""
    return isinstance(layer, Labels) and layer.metadata.get(OUTPUT) == output


def _holds(span: int | slice, at: float) -> bool:
    return not isinstance(span, slice) or span.start is None or span.start <= round(at) < span.stop
