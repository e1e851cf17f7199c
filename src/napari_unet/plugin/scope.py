"""What is to be segmented: the slice in view, a rectangle that the user has drawn, or the stack."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Layer, Shapes

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Range, Region
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import MARK, is_ours
from napari_unet.plugin.layers import Geometry, plane_at

Scope = Literal["slice", "rectangle", "stack"]
NAME = "rectangle"
COLOUR = "#F0E442"


def find_region(
    viewer: ViewerModel,
    layer: ImageLayer,
    image: Image,
    scope: Scope,
    *,
    through: bool = False,
    ranges: tuple[Range | None, Range | None] = (None, None),
) -> Region:
    """Tell what is to be segmented, in pixels of the image.

    Parameters
    ----------
    viewer
        Where the user looks, and where rectangles are.
    layer, image
        What is segmented.
    scope
        Which part.
    through
        The rectangle goes through all of ``ranges``, not only through the slice in view.
    ranges
        Along T and Z, for the stack; None: everything.

    Raises
    ------
    UserError
        If there is no rectangle on the image, or the ranges do not fit it.
    """
    t, z = plane_at(layer, image, viewer.dims.point)
    seen = ((t, t + 1), (z, z + 1))
    if scope == "slice":
        return Region.of(image, (*seen, None, None))
    if scope == "stack":
        return Region.of(image, (*ranges, None, None))
    return Region.of(image, (*(ranges if through else seen), *_drawn(viewer, layer, image)))


def _drawn(viewer: ViewerModel, layer: ImageLayer, image: Image) -> tuple[Range, Range]:
    """Rows and columns of the rectangle that counts: the selected one, or the last one that lies on the image."""
    outside = False
    for shapes, corners in _rectangles(viewer):
        places = corners_in(viewer, shapes, corners, layer)
        found = pixels_between(places, (image.size("Y"), image.size("X")))
        if found is not None:
            return found
        outside |= bool((np.ptp(places, axis=0) >= 1).all())
    if outside:
        raise UserError(f"the rectangle lies beside '{image.name}': move it onto the image, or draw another one")
    raise UserError("there is no rectangle yet: press 'Draw ...' and drag one over the image")


def _rectangles(viewer: ViewerModel) -> Iterator[tuple[Shapes, npt.NDArray[np.float64]]]:
    """Yield rectangles: those of the selected layer first; in a layer the selected ones, then the last."""
    layers = [x for x in reversed(viewer.layers) if isinstance(x, Shapes) and not is_ours(x, "suggestion")]
    layers.sort(key=lambda x: x is not viewer.layers.selection.active)
    for layer in layers:
        order = sorted(range(layer.nshapes), key=lambda i: (i in layer.selected_data, i), reverse=True)
        for i in order:
            if layer.shape_type[i] == "rectangle":
                yield layer, np.asarray(layer.data[i])


def corners_in(
    viewer: ViewerModel, shapes: Shapes, corners: npt.NDArray[np.float64], layer: Layer
) -> npt.NDArray[np.float64]:
    """Return the corners of a shape as (row, column) of another layer; napari lines up the last axes."""
    places = []
    for corner in corners:
        world = np.array(tuple(viewer.dims.point)[-layer.ndim :], float)
        drawn = np.asarray(shapes.data_to_world(corner), float)[-layer.ndim :]
        world[-len(drawn) :] = drawn
        places.append(layer.world_to_data(world)[-2:])
    return np.asarray(places, float)


def pixels_between(corners: npt.NDArray[np.float64], size: tuple[int, int]) -> tuple[Range, Range] | None:
    """Return the rows and columns whose centres lie between corners; None if there are none on the image.

    Examples
    --------
    >>> pixels_between(np.array([[1.6, -7.0], [4.2, 3.0]]), (40, 50))
    ((2, 5), (0, 4))
    """
    ranges: list[Range] = []
    for low, high, length in zip(corners.min(axis=0), corners.max(axis=0), size, strict=True):
        start, stop = max(0, math.ceil(low - 1e-6)), min(length, math.floor(high + 1e-6) + 1)
        if high - low < 1 or start >= stop:
            return None
        ranges.append((start, stop))
    return ranges[0], ranges[1]


def draw_rectangle(viewer: ViewerModel, geometry: Geometry) -> Shapes:
    """Let the user draw a rectangle with the mouse; an earlier one that was drawn so is removed.

    It is seen on every slice: which ones are segmented is not its business.
    """
    viewer.dims.ndisplay = 2
    for layer in [x for x in viewer.layers if is_ours(x, "rectangle")]:
        viewer.layers.remove(layer)
    layer = rectangle_layer(geometry, NAME, "rectangle")
    viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    return layer


def rectangle_layer(geometry: Geometry, name: str, part: str) -> Shapes:
    """Make a layer to draw a rectangle in, marked as ours for a part; it is seen on every slice."""
    plane = geometry.only("YX")
    layer = Shapes(
        ndim=2,
        name=name,
        edge_color=COLOUR,
        face_color="transparent",
        metadata={MARK: part},
        **plane.properties,
    )
    layer.current_edge_width = max(1, min(plane.shape) / 200)
    return layer
