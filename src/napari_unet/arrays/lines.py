"""Lines of one pixel: drawn between touching cells or around all, thinned where they are wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.measure import label
from skimage.segmentation import find_boundaries, watershed

Labels = npt.NDArray[Any]


def fill_gaps(labels: Labels, within: npt.NDArray[np.bool_] | None = None, *, lines: bool = True) -> Labels:
    """Grow all labels evenly into the gaps, until lines of one pixel are left where they would meet.

    A watershed over a flat landscape, with 4-connected (in 3D 6-connected) neighbours.

    Parameters
    ----------
    labels
        Integer ids, 0 where there is none. Labels that already touch stay as they are.
    within
        The gaps that are filled; None: all.
    lines
        Leave the lines; else the labels meet.

    Returns
    -------
    array
        Same shape and type.

    Examples
    --------
    >>> fill_gaps(np.array([[1, 1, 0, 0, 0, 2], [1, 0, 0, 0, 0, 2]]))
    array([[1, 1, 1, 0, 2, 2],
           [1, 1, 1, 0, 2, 2]])
    >>> fill_gaps(np.array([[1, 1, 0, 0, 0, 0, 2]]), lines=False)
    array([[1, 1, 1, 1, 2, 2, 2]])
    """
    gaps = labels == 0 if within is None else (labels == 0) & within
    if not gaps.any() or gaps.all():
        return labels
    # Only labels at a gap can grow: the others would merely fill the queue.
    active = ndi.binary_dilation(gaps)
    grown = watershed(
        np.zeros(labels.shape, np.uint8),
        markers=np.where(active, labels, 0),
        mask=active if within is None else gaps | (active & (labels != 0)),
        connectivity=1,
        watershed_line=lines,
    )
    filled: Labels = np.where(gaps, grown, labels).astype(labels.dtype, copy=False)
    if not lines:
        return filled
    # Where two labels meet at corners, scikit-image lets single pixels jump over the line: they are line, too.
    pieces = label(filled, connectivity=1)
    grown_from = np.zeros(int(pieces.max()) + 1, bool)
    grown_from[pieces[labels != 0]] = True
    thinned: Labels = np.where(grown_from[pieces], filled, 0).astype(labels.dtype, copy=False)
    return thinned


def draw_lines(labels: Labels) -> Labels:
    """Set to 0 one pixel of every pair of face neighbours that belong to different labels.

    Afterwards no two labels touch, so the 4-connected (in 3D 6-connected) components of ``labels > 0`` are
    pieces of single labels.

    Parameters
    ----------
    labels
        Integer ids, 0 where there is none.

    Returns
    -------
    array
        Same shape and type; the first of two touching pixels is 0.

    Examples
    --------
    >>> draw_lines(np.array([[1, 1, 2, 2, 0, 3]]))
    array([[1, 0, 2, 2, 0, 3]])
    """
    touching = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        first = [slice(None)] * labels.ndim
        second = first.copy()
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        a, b = labels[tuple(first)], labels[tuple(second)]
        touching[tuple(first)] |= (a != b) & (a != 0) & (b != 0)
    return np.where(touching, 0, labels).astype(labels.dtype, copy=False)


def outline(labels: Labels) -> npt.NDArray[np.bool_]:
    """Mark the rims of cells by lines of one pixel, and where cells touch by a single line.

    Parameters
    ----------
    labels
        Integer ids, 0 where there is none: (Y, X).

    Returns
    -------
    array
        The rims lie in the cells; there is none where a cell leaves the image.

    Examples
    --------
    >>> outline(np.array([[1, 1, 2, 2, 2, 0, 0]] * 3)).astype(int)[1]
    array([0, 1, 0, 0, 1, 0, 0])
    """
    rims: npt.NDArray[np.bool_] = find_boundaries(labels != 0, connectivity=1, mode="inner")
    touching: npt.NDArray[np.bool_] = draw_lines(labels) != labels
    return rims | touching
