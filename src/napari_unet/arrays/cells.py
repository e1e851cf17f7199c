"""From the probabilities of classes to boundaries and separate cells.

Two kinds of image, told apart by the roles of the classes:

- *Tissue* (no class ``background``): cells fill the image and boundaries are membranes or walls between them.
  Cells are separated by lines of 0, one pixel wide.
- *Objects* (classes ``cell`` and ``background``): nuclei or cells on a background, with or without a boundary
  class for their rims. The rim belongs to the cell; where two touch, only their ids differ.

Both go the same way: fragments (see `napari_unet.arrays.fragments`), joined where the boundary between them is
weak (see `napari_unet.arrays.joining`). Rims of objects are thin, so networks give them low probabilities, which
they share with the background. For objects the boundary is therefore weighed against ``cell`` alone, and necks of
their shape count as boundary, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.blockwise import Blockwise
from napari_unet.arrays.evidence import Floats, check_shape, checked, role_probability
from napari_unet.arrays.fragments import relative_spacing
from napari_unet.errors import UserError
from napari_unet.spec import CellSpec, ClassSpec

Labels = npt.NDArray[np.int32]


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
    probabilities = np.asarray(probabilities)
    check_shape(probabilities.shape, classes)
    shape = probabilities.shape[1:]
    cells = np.zeros(shape, np.int32)
    if probabilities.size:
        pixel, scratch = relative_spacing(spacing, len(shape)), np.zeros(shape, np.int32)
        maker = Blockwise(
            lambda box: probabilities[(slice(None), *box)], shape, classes, spec, pixel, cells, scratch
        )
        for _ in maker.run():
            pass
    return cells


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
        raise UserError(f"none of the classes ({names}) is a boundary: leave out the output 'boundaries'")
    return role_probability(checked(probabilities, classes), classes, "boundary")


def boundary_mask(
    probabilities: npt.NDArray[Any], classes: Sequence[ClassSpec], threshold: float = 0.5
) -> npt.NDArray[np.uint8]:
    """Mask of the boundaries: 1 where their probability is ``threshold`` or more, else 0.

    Takes and raises the same as `boundary_probability`.
    """
    return (boundary_probability(probabilities, classes) >= threshold).astype(np.uint8)
