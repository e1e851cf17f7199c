"""The annotation layer: making it, its colours, and counting what is painted."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import label_colormap

from napari_unet.arrays.targets import count_values
from napari_unet.plugin.colours import class_colormap
from napari_unet.plugin.layers import Geometry, full_data, zeros
from napari_unet.spec import DEFAULT_CLASSES, Style

NAME = "strokes"
MARK = "napari-unet-live"
"""Key in the metadata of layers that we made; its value is their part."""
ASIDE = "napari-unet-live aside"
"""Key in the metadata of layers that are hidden for a while only, and count as visible."""
BACKGROUND_VALUE = 999
"""Suggested label value of background strokes in the style ``cells``."""
COUNT_WHOLE = 2**26
"""Label images with at most this many elements are counted whole, larger ones slice by slice as they are seen."""

Counts = dict[int, int]


def new_annotation(geometry: Geometry, style: Style) -> Labels:
    """Make an empty annotation layer, ready to paint.

    Parameters
    ----------
    geometry
        Where it lies.
    style
        ``classes``: uint8 with named colours. ``cells``: int32, a colour per cell.
    """
    layer = Labels(
        zeros(geometry, np.uint8 if style == "classes" else np.int32),
        name=NAME,
        opacity=0.7,
        metadata={MARK: "annotation"},
        **geometry.properties,
    )
    layer.brush_size = brush_size(geometry.shape[-2:])
    dress(layer, style)
    return layer


def brush_size(plane: tuple[int, ...]) -> int:
    """Choose a brush for a plane of Y, X pixels.

    Examples
    --------
    >>> brush_size((128, 200)), brush_size((512, 512)), brush_size((4096, 4096))
    (2, 5, 12)
    """
    return int(np.clip(round(min(plane) / 100), 2, 12))


def dress(layer: Labels, style: Style) -> None:
    """Give one of our annotation layers the colours of a style; leave others as they are."""
    if layer.metadata.get(MARK) != "annotation":
        return
    layer.colormap = class_colormap(DEFAULT_CLASSES) if style == "classes" else label_colormap()


def is_ours(layer: Any, part: str) -> bool:
    """Tell whether we made a layer for a part: annotation, preview, unsure, suggestion, result ..."""
    return bool(layer.metadata.get(MARK) == part)


class StrokeCounter:
    """Counts the pixels of every label value, plane by plane."""

    def __init__(self) -> None:
        self._planes: dict[tuple[int, ...], Counts] = {}
        self._layer: Labels | None = None
        self.complete = False
        """Whether the last count went over all planes, so that what it lacks is really not painted."""

    def count(self, layer: Labels, point: tuple[float, ...]) -> Counts:
        """Count what is painted.

        Parameters
        ----------
        layer
            The annotation. Of a large one, only the plane at ``point`` is counted anew.
        point
            ``viewer.dims.point``.
        """
        if layer is not self._layer:
            self._layer, self._planes = layer, {}
        data = full_data(layer)
        lead = tuple(0 if s == 0 else n for n, s in zip(data.shape[:-2], _strides(data), strict=True))
        whole = int(np.prod(data.shape)) <= COUNT_WHOLE and isinstance(data, np.ndarray)
        if whole:
            self._planes = {i: _count(data[i]) for i in np.ndindex(*(n or 1 for n in lead))}
        else:
            position = layer.world_to_data(tuple(point)[-layer.ndim :])
            index = tuple(
                int(np.clip(round(p), 0, n - 1)) if n else 0 for p, n in zip(position, lead, strict=False)
            )
            self._planes[index] = _count(np.asarray(data[index]))
        self.complete = whole or all(n <= 1 for n in lead)
        return self.total()

    @property
    def planes(self) -> tuple[int, int]:
        """Planes that are painted on, and all that were counted."""
        return sum(1 for counts in self._planes.values() if counts), len(self._planes)

    def total(self) -> Counts:
        """Sum over the planes counted so far."""
        result: Counts = {}
        for counts in self._planes.values():
            for value, number in counts.items():
                result[value] = result.get(value, 0) + number
        return result


def _strides(data: Any) -> tuple[int, ...]:
    """Strides of the leading axes; 0 marks channels that share their memory."""
    return data.strides[:-2] if isinstance(data, np.ndarray) else (1,) * (len(data.shape) - 2)


def _count(plane: Any) -> Counts:
    return count_values(plane) if plane.any() else {}
