"""From the probabilities of classes to boundaries and separate cells.

Two kinds of image, told apart by the roles of the classes:

- *Tissue* (no class ``background``): cells fill the image and boundaries are membranes or walls between them.
  Cells are separated by lines of 0, one pixel wide.
- *Objects* (classes ``cell`` and ``background``): nuclei or cells on a background, with or without a boundary
  class for their rims. The rim belongs to the cell; where two touch, only their ids differ.

Both go the same way: `fragments`, joined where the boundary between them is weak (see `agglomeration`). Rims of
objects are thin, so networks give them low probabilities, which they share with the background. For objects the
boundary is therefore weighed against ``cell`` alone, and necks of their shape count as boundary, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.measure import label
from skimage.segmentation import watershed

from napari_unet.arrays.agglomeration import contacts, has_elf, join_by_elf, join_by_mean, narrowed
from napari_unet.arrays.fragments import distance_to_boundary, fragments, relative_spacing, rims_last
from napari_unet.arrays.lines import draw_lines
from napari_unet.errors import UserError
from napari_unet.spec import CellSpec, ClassSpec, Role

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

LEAST_INSIDE = 0.25
"""An object needs a pixel with at least this probability of being the inside of a cell,"""
MIDDLE = 0.5
"""Part of the contact of two fragments of objects that is not their rims."""
THICKEST_RIM = 3.0
"""unless it is at most twice this thick, in pixels."""


def cells_from_probabilities(
    probabilities: npt.NDArray[Any],
    classes: Sequence[ClassSpec],
    spec: CellSpec,
    *,
    spacing: Sequence[float] | None = None,
) -> Labels:
    """Separate cells.

    Parameters
    ----------
    probabilities
        ``(K, [Z,] Y, X)``: of every class, summing to 1; float, or uint8 scaled by 255. Three axes give cells in
        2D, four in 3D; call once per slice for the slices of a stack.
    classes
        The K classes. Pixels of a class ``other`` belong to the cells of a tissue, and not to objects.
    spec
        Method and limits.
    spacing
        Size of a voxel along ([Z,] Y, X), in any unit; matters for 3D. None: the same along all axes.

    Returns
    -------
    int32 array
        ``([Z,] Y, X)``: ids 1 to n, each one 4-connected (in 3D 6-connected) piece of at least ``spec.min_size``
        pixels; 0 is background, a line between two cells, or boundary farther than ``spec.grow`` from a cell.

    Raises
    ------
    UserError
        If the classes do not fit the array, or the method needs a library that is not installed.

    Examples
    --------
    >>> from napari_unet.spec import BOUNDARY, CELL
    >>> boundary = np.tile(np.float32([0, 0, 0.2, 0.9, 0.9, 0.1, 0, 0, 0]), (5, 1))
    >>> cells_from_probabilities(np.stack([1 - boundary, boundary]), (CELL, BOUNDARY), CellSpec(min_size=4))[0]
    array([1, 1, 1, 0, 2, 2, 2, 2, 2], dtype=int32)
    """
    probabilities = _checked(probabilities, classes)
    pixel = relative_spacing(spacing, probabilities.ndim - 1)
    mask, boundary = _mask_and_boundary(probabilities, classes)
    free = mask & (boundary < spec.threshold)
    if is_tissue(classes) and not free.any():
        return np.zeros(
            free.shape, np.int32
        )  # An object may be all rim, a tissue that is all membrane has no cell.
    if spec.method == "components":
        cells = _components(boundary, free, mask, pixel, objects=not is_tissue(classes))
    else:
        cells = _agglomerate(boundary, free, mask, spec, pixel, objects=not is_tissue(classes))
    if not free.all():
        cells = np.where(_within(free, cells > 0, spec.grow, pixel), cells, 0)
    if is_tissue(classes):
        cells = draw_lines(cells)
    else:
        cells = _with_inside(cells, role_probability(probabilities, classes, "cell"), pixel)
    return _tidy(cells, spec.min_size)


def boundary_probability(probabilities: npt.NDArray[Any], classes: Sequence[ClassSpec]) -> Floats:
    """Probability of being boundary.

    Parameters
    ----------
    probabilities
        ``(K, [Z,] Y, X)``, float, or uint8 scaled by 255.
    classes
        The K classes; those with the role ``boundary`` are added up.

    Returns
    -------
    float32 array
        ``([Z,] Y, X)``.

    Raises
    ------
    UserError
        If no class is a boundary, or the classes do not fit the array.

    Examples
    --------
    >>> from napari_unet.spec import BOUNDARY, CELL
    >>> boundary_probability(np.float32([[[0.25]], [[0.75]]]), (CELL, BOUNDARY))
    array([[0.75]], dtype=float32)
    """
    if not any(c.role == "boundary" for c in classes):
        names = ", ".join(c.name for c in classes)
        raise UserError(f"none of the classes ({names}) is a boundary; give one of them the role 'boundary'")
    return role_probability(_checked(probabilities, classes), classes, "boundary")


def boundary_mask(
    probabilities: npt.NDArray[Any], classes: Sequence[ClassSpec], threshold: float = 0.5
) -> npt.NDArray[np.uint8]:
    """Mask of the boundaries: 1 where their probability is ``threshold`` or more, else 0.

    Takes and raises the same as `boundary_probability`.
    """
    return (boundary_probability(probabilities, classes) >= threshold).astype(np.uint8)


def is_tissue(classes: Sequence[ClassSpec]) -> bool:
    """Tell whether cells fill the image (True) or lie on a background.

    Examples
    --------
    >>> from napari_unet.spec import BACKGROUND, BOUNDARY, CELL
    >>> is_tissue((CELL, BOUNDARY)), is_tissue((CELL, BOUNDARY, BACKGROUND)), is_tissue((BOUNDARY, BACKGROUND))
    (True, False, True)
    """
    # Who names a boundary and "background" only means: membrane, and everything else.
    return not {"cell", "background"} <= {c.role for c in classes}


def role_probability(probabilities: Floats, classes: Sequence[ClassSpec], role: Role) -> Floats:
    """Sum the probabilities of the classes with a role: 0 where there is none."""
    chosen = [i for i, c in enumerate(classes) if c.role == role]
    return np.asarray(probabilities[chosen].sum(axis=0), dtype=np.float32)


def _checked(probabilities: npt.NDArray[Any], classes: Sequence[ClassSpec]) -> Floats:
    """Return float32 probabilities of the right shape."""
    array = np.asarray(probabilities)
    if array.ndim not in (3, 4):
        raise UserError(f"probabilities need the axes (class, [Z,] Y, X), these have the shape {array.shape}")
    if len(array) != len(classes):
        raise UserError(f"there are {len(classes)} classes but probabilities of {len(array)}: {array.shape}")
    scale = 255 if array.dtype == np.uint8 else 1
    return np.asarray(array / np.float32(scale), dtype=np.float32)


def _mask_and_boundary(probabilities: Floats, classes: Sequence[ClassSpec]) -> tuple[Mask, Floats]:
    """Find where cells and their boundaries may be, and how probable a boundary is there."""
    boundary = role_probability(probabilities, classes, "boundary")
    if is_tissue(classes):
        return np.ones(boundary.shape, bool), boundary
    cell = role_probability(probabilities, classes, "cell")
    inside = boundary + cell
    # The class that wins, as the preview shows it: cell and boundary together are too large where neither does.
    outside = [p for p, c in zip(probabilities, classes, strict=True) if c.role not in ("cell", "boundary")]
    mask = np.maximum(cell, boundary) > np.max(outside, axis=0)
    return mask, np.where(mask, boundary / np.maximum(inside, 1e-6), boundary)


def _components(boundary: Floats, free: Mask, mask: Mask, pixel: tuple[float, ...], *, objects: bool) -> Labels:
    """Take the connected pieces without boundary and grow them over the rest of the mask."""
    seeds = label(free, connectivity=1)
    landscape = rims_last(boundary, free, pixel) if objects else boundary
    return np.asarray(watershed(landscape, seeds, mask=mask, connectivity=1), dtype=np.int32)


def _agglomerate(
    boundary: Floats, free: Mask, mask: Mask, spec: CellSpec, pixel: tuple[float, ...], *, objects: bool
) -> Labels:
    """Cut the mask into fragments and join them to cells."""
    pieces = fragments(boundary, free, mask, pixel, rims=objects)
    if objects:
        graph = narrowed(contacts(pieces, boundary, MIDDLE), pieces, distance_to_boundary(mask, pixel))
    else:
        graph = contacts(pieces, boundary)
    if spec.method == "watershed" or (spec.method == "auto" and not has_elf()):
        cell_of = join_by_mean(graph, 1 - spec.beta)
    else:
        cell_of = join_by_elf(graph, "multicut" if spec.method == "multicut" else "gasp", spec.beta)
    # Ids from python-elf start at 0, which here is the outside.
    return np.where(pieces > 0, cell_of[pieces] + 1, 0).astype(np.int32)


def _within(free: Mask, taken: Mask, grow: int, pixel: tuple[float, ...]) -> Mask:
    """Tell which pixels lie at most ``grow`` from a free one, or in a piece that has none."""
    near = ndi.distance_transform_edt(~free, sampling=pixel) <= grow if free.any() else np.zeros_like(free)
    pieces = label(taken, connectivity=1)
    has_free = np.zeros(int(pieces.max()) + 1, bool)
    has_free[pieces[free]] = True
    return np.asarray(near | ~has_free[pieces])


def _with_inside(cells: Labels, inside: Floats, pixel: tuple[float, ...]) -> Labels:
    """Drop objects that are nowhere likely to be the inside of a cell, such as background taken for boundary.

    Thin ones stay: a small cell may be nothing but rim.
    """
    highest, thickest = (np.zeros(int(cells.max()) + 1, np.float32) for _ in range(2))
    np.maximum.at(highest, cells.ravel(), inside.ravel())
    np.maximum.at(thickest, cells.ravel(), distance_to_boundary(cells > 0, pixel).ravel())
    if (cells > 0).all():
        thickest[:] = np.inf
    keep = (highest >= LEAST_INSIDE) | (thickest <= THICKEST_RIM)
    return np.where(keep[cells], cells, 0)


def _tidy(cells: Labels, min_size: int) -> Labels:
    """Keep the connected pieces of cells that are large enough, numbered from 1."""
    pieces = label(cells, connectivity=1)
    keep = np.bincount(pieces.ravel()) >= min_size
    keep[0] = False
    new = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return np.asarray(new[pieces])
