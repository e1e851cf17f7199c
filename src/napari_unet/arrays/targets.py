"""From painted labels to a target for every pixel.

A target holds the index of a class, or `IGNORE` where nothing is annotated. Class ``i`` is label value ``i + 1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import label as connected_components
from skimage.measure import regionprops

from napari_unet.errors import UserError
from napari_unet.spec import BACKGROUND, BOUNDARY, CELL, DEFAULT_CLASSES, ClassSpec, TargetSpec

IGNORE = -1
Target = npt.NDArray[np.int8]
Labels = npt.NDArray[np.integer[Any]]
Unpainted = Literal["ignore", "background", "boundary"]

THIN = 8
"""Pixels; unpainted pixels that are all this close to a cell are lines between cells, not a background."""
_MASK = "choose the style 'cells' and dense labels (--style cells --dense)"


def check_labels_dtype(dtype: Any, name: str = "labels") -> None:
    """Raise `UserError` unless ``dtype`` is an integer or bool.

    Examples
    --------
    >>> check_labels_dtype(np.float32)
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: labels hold float32 values; labels must be integers ...
    """
    if np.dtype(dtype).kind not in "bui":
        raise UserError(
            f"{name} hold {np.dtype(dtype)} values; labels must be integers (napari: Layers > Convert to Labels)"
        )


def count_values(labels: npt.NDArray[Any]) -> dict[int, int]:
    """Count the pixels of every value but 0.

    Examples
    --------
    >>> count_values(np.array([[0, 2], [2, 7]]))
    {2: 2, 7: 1}
    """
    painted = labels[labels != 0]
    values, counts = np.unique(painted, return_counts=True)
    return {int(v): int(n) for v, n in zip(values, counts, strict=True)}


def derive_classes(spec: TargetSpec, values: Iterable[int], unpainted: Unpainted) -> tuple[ClassSpec, ...]:
    """Tell which classes the labels annotate.

    Parameters
    ----------
    spec
        Annotation style; its ``classes``, if given, are taken as they are.
    values
        Label values that occur, without 0.
    unpainted
        What unpainted pixels mean, see `what_unpainted_means`.

    Raises
    ------
    UserError
        If nothing is annotated, only one class is, or a value has no class.
    """
    present = sorted(set(values))
    if not present:
        raise UserError("the labels are empty: paint some strokes first (every value but 0 counts)")
    if present[0] < 0:
        raise UserError(f"the labels hold the negative value {present[0]}; label values start at 1")
    if spec.style == "cells":
        return _classes_of_cells(spec, present, unpainted)
    classes = spec.classes or _default_classes(present)
    if present[-1] > len(classes):
        known = ", ".join(f"{i} = {c.name}" for i, c in enumerate(classes, start=1))
        raise UserError(f"the labels hold the value {present[-1]}, which is no class ({known})")
    if len(present) == 1:
        name, mask = classes[present[0] - 1].name, f"or, if the labels are a mask of the cells, {_MASK}"
        raise UserError(f"only one class is painted ({name}): paint some strokes of another class as well, {mask}")
    return classes


def _default_classes(present: Sequence[int]) -> tuple[ClassSpec, ...]:
    highest = present[-1]
    if highest > len(DEFAULT_CLASSES):
        wrong = f"the labels hold the value {highest}, but the classes are 1 to {len(DEFAULT_CLASSES)}"
        if len(present) == 1:
            raise UserError(f"{wrong}: if they are a mask of the cells, {_MASK}")
        cells = "choose the style 'cells' (--style cells, and --dense if all cells are painted)"
        raise UserError(f"{wrong}: {cells} if every value is one cell, else name the classes (--classes)")
    return DEFAULT_CLASSES[: max(2, highest)]


def _classes_of_cells(spec: TargetSpec, present: Sequence[int], unpainted: Unpainted) -> tuple[ClassSpec, ...]:
    if spec.background_value is not None and list(present) == [spec.background_value]:
        raise UserError(f"only background (value {spec.background_value}) is painted: paint some cells as well")
    has_background = unpainted == "background" or spec.background_value in present
    return (CELL, BOUNDARY, BACKGROUND) if has_background else (CELL, BOUNDARY)


def what_unpainted_means(spec: TargetSpec, planes: Iterable[Labels]) -> Unpainted:
    """Tell what label 0 means.

    Not annotated, unless the labels are dense. In dense labels it is what ``spec.unpainted`` says. If that is
    ``auto``, it is the background, but where nearly all of it is thin lines between cells (a membrane mask, say),
    it is the boundary.

    Parameters
    ----------
    spec
        Annotation style.
    planes
        Label planes, axes Y, X (or volumes); only looked at for dense labels that leave it open.
    """
    if not spec.dense:
        return "ignore"
    if spec.unpainted != "auto":
        return spec.unpainted
    unpainted = near = 0
    for plane in planes:
        empty = plane == 0
        if not empty.all():
            unpainted += int(empty.sum())
            near += int((ndimage.distance_transform_edt(empty)[empty] <= THIN).sum())
    return "boundary" if unpainted and near >= 0.95 * unpainted and spec.background_value is None else "background"


def separate_mask(labels: Labels) -> Labels:
    """Turn a mask into numbered parts; labels with more than one value are returned as they are.

    Examples
    --------
    >>> separate_mask(np.array([255, 0, 255, 255], np.uint8))
    array([1, 0, 2, 2], dtype=int32)
    """
    painted = labels[labels != 0]
    if painted.size == 0 or (painted != painted[0]).any():
        return labels
    numbered: Labels = connected_components(labels != 0, connectivity=1).astype(np.int32)
    return numbered


def class_target(labels: Labels, classes: int) -> Target:
    """Target of the style ``classes``.

    Parameters
    ----------
    labels
        Any shape; 0 is not annotated.
    classes
        Number of classes.

    Examples
    --------
    >>> class_target(np.array([0, 1, 2]), 2)
    array([-1,  0,  1], dtype=int8)
    """
    target = np.full(labels.shape, IGNORE, np.int8)
    known = (labels > 0) & (labels <= classes)
    target[known] = labels[known] - 1
    return target


def cell_target(labels: Labels, spec: TargetSpec, unpainted: Unpainted) -> Target:
    """Target of the style ``cells``: cells inside, their rims as boundary, background where it is known.

    Parameters
    ----------
    labels
        One value per cell, axes [Z,] Y, X.
    spec
        ``rim`` and ``background_value``.
    unpainted
        What 0 means.

    Examples
    --------
    >>> labels = np.array([[0, 0, 4, 4, 4, 4, 7, 7, 7]])
    >>> cell_target(labels, TargetSpec(style="cells"), "ignore")
    array([[-1, -1,  1,  0,  0,  1,  1,  0,  0]], dtype=int8)
    """
    background = labels == spec.background_value if spec.background_value is not None else labels < 0
    cells = (labels > 0) & ~background
    target = np.full(labels.shape, IGNORE, np.int8)
    target[cells] = 0
    target[cells & near_other_value(labels, spec.rim)] = 1
    target[background] = 2
    if unpainted != "ignore":
        target[labels == 0] = 1 if unpainted == "boundary" else 2
    return target


def near_other_value(labels: Labels, distance: int) -> npt.NDArray[np.bool_]:
    """Mark pixels that have another value within ``distance`` pixels along an axis or diagonal."""
    if labels.size and labels.max() > 2**53:  # the filters compute in double precision
        labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    size = 2 * distance + 1
    lowest = ndimage.minimum_filter(labels, size=size, mode="nearest")
    highest = ndimage.maximum_filter(labels, size=size, mode="nearest")
    different: npt.NDArray[np.bool_] = lowest != highest
    return different


def target_of(labels: Labels, spec: TargetSpec, classes: Sequence[ClassSpec], unpainted: Unpainted) -> Target:
    """Target of one plane or volume in either annotation style."""
    if spec.style == "classes":
        return class_target(labels, len(classes))
    if spec.dense and spec.background_value is None:
        labels = separate_mask(labels)
    if unpainted == "boundary":
        return np.where(labels == 0, np.int8(1), cell_target(labels, spec, "ignore"))
    return cell_target(labels, spec, unpainted)


def instances_of(labels: Labels, target: Target, style: str) -> npt.NDArray[np.int32]:
    """Give every cell a number for `border_weights`, without rims and background.

    Examples
    --------
    >>> instances_of(np.array([7, 7, 9, 9]), np.array([0, 1, 1, 0], np.int8), "cells")
    array([1, 0, 0, 2], dtype=int32)
    """
    inside = target == 0
    if style == "classes":
        numbered: npt.NDArray[np.int32] = connected_components(inside, connectivity=1).astype(np.int32)
        return numbered
    values = np.unique(np.where(inside, labels, 0), return_inverse=True)
    first = 0 if values[0][0] == 0 else 1
    return (values[1].reshape(labels.shape) + first).astype(np.int32)


def border_weights(instances: Labels, w0: float = 10.0, sigma: float = 5.0) -> npt.NDArray[np.float32]:
    """Weights that make narrow gaps between cells count more.

    Equation 2 of Ronneberger et al. 2015 (arXiv:1505.04597) with class weight 1:
    ``1 + w0 * exp(-(d1 + d2)^2 / (2 sigma^2))``, d1 and d2 the distances to the nearest and second nearest cell.

    Parameters
    ----------
    instances
        Cells, axes [Z,] Y, X; 0 is background.
    w0, sigma
        Weight and width in pixels. Beyond 6 sigma the weight is taken as 1 (error below 2e-7 w0).

    Returns
    -------
    ndarray
        float32, the shape of ``instances``; 1 inside cells.
    """
    reach = int(np.ceil(6 * sigma)) + 1
    nearest = np.full(instances.shape, np.inf)
    second = np.full(instances.shape, np.inf)
    for region in regionprops(instances):
        box = tuple(
            slice(max(0, s.start - reach), min(n, s.stop + reach))
            for s, n in zip(region.slice, instances.shape, strict=True)
        )
        distance = ndimage.distance_transform_edt(instances[box] != region.label)
        second[box] = np.minimum(second[box], np.maximum(nearest[box], distance))
        nearest[box] = np.minimum(nearest[box], distance)
    weights = 1 + w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    weights[instances > 0] = 1
    result: npt.NDArray[np.float32] = weights.astype(np.float32)
    return result
