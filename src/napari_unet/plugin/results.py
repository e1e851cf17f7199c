"""Result layers: allocated when a prediction starts, filled block by block, shown as they fill."""

from __future__ import annotations

import atexit
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer
from psygnal import Signal

from napari_unet.arrays.region import Region
from napari_unet.leftovers import temporary
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.colours import class_colormap, colour_of
from napari_unet.plugin.layers import Geometry, Index, place, zeros
from napari_unet.plugin.plane_layer import insert_quietly
from napari_unet.spec import BOUNDARY, ClassSpec, Output
from napari_unet.storage.budget import check_disk, stored_size

IN_MEMORY = 2**26
"""Bytes; larger stacks are written into a temporary zarr on disk. Below, painting is quicker in memory."""
FEW = 4
"""Slices; so few stay in memory up to `FEW_IN_MEMORY` bytes."""
FEW_IN_MEMORY = 2**30
OUTPUT = "napari-unet-live output"
"""Key in the metadata of result layers; its value is the output that they show."""
REFRESH = 0.5
"""Seconds between two refreshes of a layer that is being filled."""
REFRESH_ALL = 2.0
"""The same where every block is in view, as in 3D, and drawing takes longer."""
CHUNK = 512
"""Longest chunk along Y and X: short enough to be painted in, long enough for a slice to be read at once. Blocks
of a prediction are larger and do not depend on it, so that few chunks are written more than once."""


@dataclass(frozen=True)
class Wanted:
    """One output that a prediction is going to fill: its element type and, for probabilities, the classes."""

    output: Output
    dtype: str


class Store:
    """Makes the arrays of result layers: in memory, or in a temporary folder that goes when the program does."""

    def __init__(self, limit: int = IN_MEMORY, limit_of_few: int = FEW_IN_MEMORY) -> None:
        self._limit, self._limit_of_few = limit, limit_of_few
        self._folder: Path | None = None
        self._made = 0

    @property
    def place(self) -> Path:
        """Folder in which results are kept that are not in memory."""
        return Path(tempfile.gettempdir())

    def array(self, geometry: Geometry, dtype: npt.DTypeLike) -> Any:
        """Make an array of zeros.

        Raises
        ------
        UserError
            If it fits neither into the memory allowed nor onto the disk.
        """
        size = math.prod(geometry.only("TZYX").shape) * np.dtype(dtype).itemsize
        planes = math.prod(geometry.only("TZ").shape)
        if size <= (self._limit_of_few if planes <= FEW else self._limit):
            return zeros(geometry, dtype)
        import zarr

        if self._folder is None:
            self._folder = temporary(Path(tempfile.gettempdir(), "napari-unet-results"), "scratch")
            self._folder.mkdir(mode=0o700)
            # Not when this store goes: its layers may outlive the dock.
            atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        check_disk(self._folder, stored_size(size, dtype), "the result")
        self._made += 1
        chunks = tuple(
            chunk_length(n) if a in "YX" else n if a == "C" else 1
            for a, n in zip(geometry.axes, geometry.shape, strict=True)
        )
        return zarr.create_array(
            store=self._folder / f"{self._made}.zarr",
            shape=geometry.shape,
            dtype=dtype,
            chunks=chunks,
            fill_value=0,
        )


def chunk_length(length: int) -> int:
    """Cut an axis into chunks that are nearly equal and not longer than `CHUNK`.

    Examples
    --------
    >>> chunk_length(300), chunk_length(520), chunk_length(2048)
    (300, 260, 512)
    """
    return -(-length // -(-length // CHUNK))


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

    touched = Signal()
    """A layer was edited for the first time."""

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
        self._edited: set[int] = set()
        self._filled: list[Region] = []
        self._stale: list[Layer] = []
        """Layers that show less than was written."""
        self._refreshed = -math.inf

    @property
    def layers(self) -> list[Layer]:
        """All layers of this prediction, in the viewer or not."""
        return [layer for group in self._layers.values() for layer in group]

    @property
    def untouched(self) -> bool:
        """All layers are still there, and were not edited."""
        return not self._edited and all(layer in self._viewer.layers for layer in self.layers)

    @property
    def edited(self) -> bool:
        """Some layer was painted in."""
        return bool(self._edited)

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
        data = self._store.array(self._geometry, item.dtype)
        common = {"metadata": {MARK: "result", OUTPUT: item.output}, **self._geometry.properties}
        if item.output == "probabilities":
            return self._probability(data, self.classes[part], common)
        layer = Labels(data, name=item.output, opacity=0.6, **common)
        if item.output == "boundaries":
            layer.colormap = class_colormap([BOUNDARY])
        elif item.output == "classes":
            layer.colormap = class_colormap(self.classes)
        for event in (layer.events.paint, layer.events.labels_update, layer.events.data):
            event.connect(lambda: self._touch(layer))
        return layer

    def _touch(self, layer: Layer) -> None:
        if id(layer) not in self._edited:
            self._edited.add(id(layer))
            self.touched.emit()

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
        layers = self._layers.get(output, [])
        parts = [(index, block)]
        if output == "probabilities":
            parts = [(index[1:], values) for values in block]
        for layer, (at, values) in zip(layers, parts, strict=True):
            key, values = place(at, values, self._axes, self._geometry.axes)
            if layer in self._viewer.layers:
                layer.data[key] = values
                if layer not in self._stale and self._in_view(layer, key):
                    self._stale.append(layer)
        self.refresh_if_due()

    def _in_view(self, layer: Layer, key: Index) -> bool:
        """Whether a part of a layer is seen now; other slices are read when the user goes there."""
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
        for layer in self.layers:
            if layer in self._viewer.layers:
                layer.refresh(extent=False)


def is_result(layer: Layer, output: Output) -> TypeGuard[Labels]:
    """Tell whether a layer is a result of a kind."""
    return isinstance(layer, Labels) and layer.metadata.get(OUTPUT) == output


def _holds(span: int | slice, at: float) -> bool:
    return not isinstance(span, slice) or span.start is None or span.start <= round(at) < span.stop


def beside(one: Region, other: Region) -> bool:
    """Whether two regions have no pixel in common.

    Examples
    --------
    >>> slice_3, slice_4 = (Region((0, 1), (z, z + 1), (0, 9), (0, 9)) for z in (3, 4))
    >>> beside(slice_3, slice_4), beside(slice_3, slice_3)
    (True, False)
    """
    return any(a[1] <= b[0] or b[1] <= a[0] for a, b in zip(one.ranges, other.ranges, strict=True))


def inside(one: Region, other: Region) -> bool:
    """Whether a region is part of another."""
    return all(b[0] <= a[0] and a[1] <= b[1] for a, b in zip(one.ranges, other.ranges, strict=True))
