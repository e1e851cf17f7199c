"""Drives a napari window as a person does: with the mouse on the canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from scipy import ndimage as ndi

from napari_unet.plugin.dock import UNetDock

Point = tuple[float, float]
OpenWindow = Callable[[str], tuple[napari.Viewer, UNetDock]]
"""Opens a sample and the dock, see the fixture ``open_window``."""


EVERY = 6
"""Pixels between two places at which the mouse is seen on a rim; napari draws the line between them."""


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


def scribble(centre: Point, half: float) -> list[Point]:
    """A small zigzag inside an object."""
    y, x = centre
    rows = np.linspace(-half, half, 3)
    return [(y + dy, x + side * half) for dy in rows for side in (-1, 1)]


def across(centre: Point, half: float) -> list[Point]:
    """A horizontal stroke."""
    return [(centre[0], centre[1] + dx) for dx in np.linspace(-half, half, 4)]


def along(line: npt.NDArray[np.bool_]) -> list[Point]:
    """A stroke along a closed line, up to the first gap in it."""
    places = np.argwhere(line)
    middle = places.mean(axis=0)
    order = np.argsort(np.arctan2(places[:, 0] - middle[0], places[:, 1] - middle[1]))
    best: list[Point] = []
    run: list[Point] = []
    for y, x in places[order]:
        gap = bool(run) and max(abs(run[-1][0] - y), abs(run[-1][1] - x)) > 3
        run = [(float(y), float(x))] if gap else [*run, (float(y), float(x))]
        best = max(best, run, key=len)
    return best[::EVERY]


def outline(mask: npt.NDArray[np.bool_], distance: int = 0) -> npt.NDArray[np.bool_]:
    """The rim of an object, or a line around it at a distance."""
    grown = ndi.binary_dilation(mask, iterations=distance) if distance else mask
    line: npt.NDArray[np.bool_] = grown & ~ndi.binary_erosion(grown)
    return line


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
    open_space = ndi.distance_transform_edt(truth == 0)
    cells, rims, background = [], [], []
    for value in chosen:
        mask = truth == value
        depth = ndi.distance_transform_edt(mask)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        cells.append(scribble((float(y), float(x)), 0.5 * float(depth.max())))
        rims.append(along(outline(mask)))
        background.append(along(outline(mask, 5) & (open_space > 2)))
    for _ in range(8):
        y, x = np.unravel_index(int(open_space.argmax()), truth.shape)
        background.append(across((float(y), float(x)), 0.8 * float(open_space.max())))
        near = np.hypot(*(g - c for g, c in zip(np.indices(truth.shape), (y, x), strict=True)))
        open_space[near < 40] = 0
    return cells, rims, [s for s in background if len(s) > 1]


def paint_like_a_person(
    viewer: napari.Viewer, layer: Labels, truth: npt.NDArray[np.integer[Any]], objects: int
) -> None:
    """Paint strokes of the three classes in the plane in view."""
    layer.brush_size = 2
    for value, group in enumerate(strokes_from_truth(truth, objects), start=1):
        layer.selected_label = value
        for points in group:
            stroke(viewer, layer, points)
