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
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer

from napari_unet.leftovers import temporary
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.colours import class_colormap, colour_of
from napari_unet.plugin.layers import Geometry, Index, place, zeros
from napari_unet.plugin.preview import insert_quietly
from napari_unet.spec import BOUNDARY, ClassSpec, Output
from napari_unet.storage.budget import check_disk

IN_MEMORY = 2**30
"""Bytes; larger results are written into a temporary zarr on disk."""
REFRESH = 0.5
"""Seconds between two refreshes of a layer that is being filled."""
CHUNK = 512


@dataclass(frozen=True)
class Wanted:
    """One output that a prediction is going to fill: its element type and, for probabilities, the classes."""

    output: Output
    dtype: str


class Store:
    """Makes the arrays of result layers: in memory, or in a temporary folder that goes when the program does."""

    def __init__(self, limit: int = IN_MEMORY) -> None:
        self._limit = limit
        self._folder: Path | None = None
        self._made = 0

    def array(self, geometry: Geometry, dtype: npt.DTypeLike) -> Any:
        """Make an array of zeros.

        Raises
        ------
        UserError
            If it fits neither into the memory allowed nor onto the disk.
        """
        size = math.prod(geometry.only("TZYX").shape) * np.dtype(dtype).itemsize
        if size <= self._limit:
            return zeros(geometry, dtype)
        import zarr

        if self._folder is None:
            self._folder = temporary(Path(tempfile.gettempdir(), "napari-unet-results"), "scratch")
            self._folder.mkdir(mode=0o700)
            # Not when this store goes: its layers may outlive the dock.
            atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        check_disk(self._folder, size, "the result")
        self._made += 1
        chunks = tuple(
            min(CHUNK, n) if a in "YX" else n if a == "C" else 1
            for a, n in zip(geometry.axes, geometry.shape, strict=True)
        )
        return zarr.create_array(
            store=self._folder / f"{self._made}.zarr",
            shape=geometry.shape,
            dtype=dtype,
            chunks=chunks,
            fill_value=0,
        )


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
        self._classes, self._store, self._clock = tuple(classes), store, clock
        self._layers: dict[Output, list[Layer]] = {}
        self._aside: list[Layer] = []
        self._edited: set[int] = set()
        self._refreshed = -math.inf

    @property
    def layers(self) -> list[Layer]:
        """All layers of this prediction, in the viewer or not."""
        return [layer for group in self._layers.values() for layer in group]

    def reusable(self, outputs: Iterable[Output], geometry: Geometry) -> bool:
        """Tell whether a new prediction may overwrite these layers: same place, still there, not edited."""
        return (
            geometry == self._geometry
            and set(outputs) == set(self._layers)
            and not self._edited
            and all(layer in self._viewer.layers for layer in self.layers)
        )

    def allocate(self, wanted: Iterable[Wanted]) -> None:
        """Add a layer for every output, on top; it is empty at first, and of several only one is visible."""
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
        return len(self._classes) if output == "probabilities" else 1

    def _make(self, item: Wanted, part: int) -> Layer:
        data = self._store.array(self._geometry, item.dtype)
        common = {"metadata": {MARK: "result"}, **self._geometry.properties}
        if item.output == "probabilities":
            return self._probability(data, self._classes[part], common)
        layer = Labels(data, name=item.output, opacity=0.6, **common)
        if item.output == "boundaries":
            layer.colormap = class_colormap([BOUNDARY])
        elif item.output == "classes":
            layer.colormap = class_colormap(self._classes)
        layer.events.paint.connect(lambda: self._edited.add(id(layer)))
        return layer

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
            layer.data[key] = values
        if self._clock() - self._refreshed >= REFRESH:
            self.refresh()

    def refresh(self) -> None:
        """Draw what has been written."""
        self._refreshed = self._clock()
        for layer in self.layers:
            if layer in self._viewer.layers:
                layer.refresh(extent=False, thumbnail=False, highlight=False)

    def finish(self) -> None:
        """Draw everything, thumbnails too."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                layer.refresh(extent=False)
