"""Brings strokes to the training while it runs: what has changed since the last time, and no more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_unet.arrays.axes import Image
from napari_unet.arrays.regions import bounding_box
from napari_unet.arrays.taken_values import TakenPart
from napari_unet.engine.client import Engine
from napari_unet.plugin.layers import Geometry, labels_of, plane_at
from napari_unet.plugin.selection import Selection

EVERYWHERE = 2**24
"""Labels of at most this many elements are compared everywhere: an undo may change them where nobody looks."""

LATE = 1.0
"""Seconds before the end of a training in which strokes may not have been taken up any more."""


@dataclass
class _Feeding:
    shown: ImageLayer
    """Another image may be chosen by now, or the viewer be empty."""
    layer: Labels
    image: Image
    geometry: Geometry
    known: Image
    """The labels as the training knows them; a copy."""


Plane = tuple[int, int]
"""t and z."""


class StrokeFeed:
    """Follows the annotation of the training at hand.

    Parameters
    ----------
    engine
        Trains.
    selection
        Tells the layers.
    """

    def __init__(self, engine: Engine, selection: Selection) -> None:
        self._engine, self._selection = engine, selection
        self._now: _Feeding | None = None
        self._sent = -LATE
        """When strokes were sent last."""
        self._taken: WeakKeyDictionary[Labels, dict[Plane, npt.NDArray[Any]]] = WeakKeyDictionary()
        """Values of predictions that were taken over, per layer and plane."""

    @property
    def layer(self) -> Labels | None:
        """The annotation of the training at hand, if it is followed."""
        return None if self._now is None else self._now.layer

    def note_taken(self, t: int, z: int, y: int, x: int, values: npt.NDArray[Any]) -> None:
        """Note that predictions were taken over in a plane of the chosen annotation.

        Parameters
        ----------
        t, z
            The plane.
        y, x
            Place of the first value.
        values
            (Y, X); 0 where nothing was taken.
        """
        layer, geometry = self._selection.labels_layer, self._selection.geometry
        if layer is None or geometry is None:
            return
        plane = self._taken.setdefault(layer, {}).setdefault((t, z), np.zeros(layer.data.shape[-2:], np.int64))
        box = slice(y, y + len(values)), slice(x, x + values.shape[1])
        plane[box] = np.where(values != 0, values, plane[box])

    def taken_before(self, labels: Image) -> list[TakenPart]:
        """Tell where the chosen annotation holds predictions that were taken over, for a training that goes on.

        Parameters
        ----------
        labels
            The annotation.
        """
        layer, found = self._selection.labels_layer, []
        for (t, z), values in ({} if layer is None else self._taken.get(layer, {})).items():
            plane = np.asarray(labels.data[labels.result_index(t, z)])
            if plane.shape != values.shape:
                continue
            still = np.where(plane == values, values, 0)
            if (box := bounding_box(still != 0)) is not None:
                found.append((t, z, box[0].start, box[1].start, still[box]))
        return found

    def begin(self, known: Image) -> None:
        """Follow the annotation that is chosen now, which the training has got as ``known``.

        Labels that are not in memory are read by the training as they were when it began; their strokes come with
        the next one.
        """
        names = ("image_layer", "labels_layer", "image", "geometry")
        shown, layer, image, geometry = (getattr(self._selection, n) for n in names)
        arrays = isinstance(known.data, np.ndarray) and layer is not None and isinstance(layer.data, np.ndarray)
        copied = arrays and not np.shares_memory(known.data, layer.data)
        self._now = _Feeding(shown, layer, image, geometry, known) if copied else None

    def end(self, point: tuple[float, ...]) -> bool:
        """Follow nothing any more; tells whether strokes came too late to be learnt.

        Parameters
        ----------
        point
            As in `send`.
        """
        late = time.monotonic() - self._sent < LATE
        late = self.send(point) > 0 or late
        self._now = None
        return late

    def send(self, point: tuple[float, ...]) -> int:
        """Send what has changed to the engine; returns how many pixels that are.

        Parameters
        ----------
        point
            ``viewer.dims.point``: the plane in view comes first, and is the only one of large labels.
        """
        now = self._now
        if now is None or tuple(now.layer.data.shape) != now.geometry.shape:
            return 0
        if now.layer.data.dtype != now.known.data.dtype:  # widened for whole cells, which this one does not learn
            return 0
        painted = labels_of(now.layer, now.image, now.geometry, copy_below=0)
        seen = plane_at(now.shown, now.image, point)
        planes = [seen]
        if np.prod(painted.data.shape) <= EVERYWHERE:
            planes += [p for p in np.ndindex(now.image.size("T"), now.image.size("Z")) if p != seen]
        return sum(self._send_plane(now, painted, t, z) for t, z in planes)

    def _send_plane(self, now: _Feeding, painted: Image, t: int, z: int) -> int:
        index = painted.result_index(t, z)
        ours, theirs = np.asarray(painted.data[index]), np.asarray(now.known.data[index])
        changed = ours != theirs
        box = bounding_box(changed)
        if box is None:
            return 0
        taken = self._taken.get(now.layer, {}).get((t, z))
        if taken is None or taken.shape != ours.shape:
            taken = np.zeros(ours.shape, np.int64)
        by_hand = changed & ((taken == 0) | (ours != taken))
        for part, flag in ((by_hand, False), (changed & ~by_hand, True)):
            if (at := bounding_box(part)) is not None:
                theirs[at] = np.where(part[at], ours[at], theirs[at])
                self._engine.paint(t, z, at[0].start, at[1].start, theirs[at].copy(), taken=flag)
        self._sent = time.monotonic()
        return int(changed.sum())
