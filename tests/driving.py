"""Drives a napari window as a person does: with the mouse on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from scipy import ndimage as ndi

Point = tuple[float, float]


def rest(milliseconds: int) -> None:
    """Let the window run for a while (vispy replaces ``QTest.qWait`` by a loop that burns a core)."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def on_canvas(viewer: napari.Viewer, layer: Layer, point: Point) -> QPoint:
    """Where a pixel (row, column) of the plane in view is on the canvas."""
    position = list(viewer.dims.point)
    inside = layer.data_to_world([*([0.0] * (layer.ndim - 2)), *point])
    position[-2:] = inside[-2:]
    canvas = viewer.window._qt_viewer.canvas
    height, width = canvas.size
    camera = getattr(viewer, "scene", viewer).camera  # napari 0.9 moved it
    zoom, centre = camera.zoom, camera.center
    x = (position[-1] - centre[-1]) * zoom + width / 2
    y = (position[-2] - centre[-2]) * zoom + height / 2
    return QPoint(round(x), round(y))


def stroke(viewer: napari.Viewer, layer: Labels, points: Sequence[Point]) -> None:
    """Press the mouse button at the first point, move over the others, let go."""
    native = viewer.window._qt_viewer.canvas.native
    places = [on_canvas(viewer, layer, p) for p in points]
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(native, places[0])
    QTest.mousePress(native, left, none, places[0])
    for place in places[1:]:
        QTest.mouseMove(native, place)
        rest(1)
    QTest.mouseRelease(native, left, none, places[-1])
    rest(5)


def across(centre: Point, half: float) -> list[Point]:
    """A short horizontal stroke."""
    return [(centre[0], centre[1] + dx) for dx in np.linspace(-half, half, 4)]


def rim(mask: npt.NDArray[np.bool_], share: float = 0.6) -> list[Point]:
    """A stroke along the rim of one object."""
    edge = np.argwhere(mask & ~ndi.binary_erosion(mask))
    middle = edge.mean(axis=0)
    order = np.argsort(np.arctan2(edge[:, 0] - middle[0], edge[:, 1] - middle[1]))
    kept = edge[order][: max(2, int(share * len(edge)))]
    return [(float(y), float(x)) for y, x in kept[::2]]


def around(mask: npt.NDArray[np.bool_], free: npt.NDArray[np.bool_], distance: int) -> list[Point]:
    """A stroke around one object, at a distance, as far as it does not meet another one."""
    near = ndi.binary_dilation(mask, iterations=distance)
    ring = np.argwhere(near & ~ndi.binary_erosion(near))
    middle = ring.mean(axis=0)
    order = np.argsort(np.arctan2(ring[:, 0] - middle[0], ring[:, 1] - middle[1]))
    best: list[Point] = []
    run: list[Point] = []
    for y, x in ring[order]:
        run = [*run, (float(y), float(x))] if free[y, x] else []
        best = max(best, run, key=len)
    return best[::2]


def strokes_from_truth(
    truth: npt.NDArray[np.integer[Any]], objects: int
) -> tuple[list[list[Point]], list[list[Point]], list[list[Point]]]:
    """Choose what a person would paint: inside some nuclei, along their rims, and around them.

    Parameters
    ----------
    truth
        Instance labels, axes Y, X.
    objects
        How many nuclei are touched, spread over the sizes.
    """
    values = np.unique(truth[truth > 0])
    sizes = ndi.sum_labels(truth > 0, truth, values)
    values = values[np.argsort(sizes)[::-1]][: 3 * len(values) // 4]
    chosen = values[np.linspace(0, len(values) - 1, min(objects, len(values))).astype(int)]
    free = ndi.distance_transform_edt(truth == 0) > 2
    cells, rims, background = [], [], []
    for value in chosen:
        mask = truth == value
        depth = ndi.distance_transform_edt(mask)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        cells.append(across((float(y), float(x)), 0.5 * float(depth.max())))
        rims.append(rim(mask))
        background += [s for d in (5, 9) if len(s := around(mask, free, d)) > 4]
    return cells, rims, background


def paint_like_a_person(
    viewer: napari.Viewer, layer: Labels, truth: npt.NDArray[np.integer[Any]], objects: int
) -> None:
    """Paint strokes of the three classes in the plane in view."""
    layer.brush_size = 2
    for value, group in enumerate(strokes_from_truth(truth, objects), start=1):
        layer.selected_label = value
        for points in group:
            stroke(viewer, layer, points)
