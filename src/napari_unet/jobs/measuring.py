"""Measure cells."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_unet.arrays import measuring
from napari_unet.arrays.axes import Image, check_axes
from napari_unet.arrays.cell_columns import Lengths
from napari_unet.events import Event
from napari_unet.jobs.inputs import Source, as_image, as_labels
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_labels

if TYPE_CHECKING:
    import pandas as pd


def measure(
    cells: Source,
    image: Source | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "micrometer",
    per_slice: bool | None = None,
    channels: Sequence[str] = (),
    on_event: Callable[[Event], None] | None = None,
) -> pd.DataFrame:
    """Measure cells: size, shape, grey values, neighbours.

    Parameters
    ----------
    cells
        Ids, 0 is no cell: an array (numpy, dask, zarr), an `Image`, or a file. It is read part by part.
    image
        Its grey values are measured.
    axes
        Of the image, or of the cells if there is none: one letter per axis. None: as the file says, else guessed.
    spacing
        Size of a pixel along Z, Y, X, or Y, X. None: as the files say.
    unit
        Of ``spacing``.
    per_slice
        An id is another cell in every slice, as 2D networks number them, and slices are measured in 2D; or the
        same cell through the stack. None: told by the ids.
    channels
        Names of the image's channels, for the names of the columns.
    on_event
        Called with every event: how far it is. An exception that it raises ends the work.

    Returns
    -------
    pandas.DataFrame
        A row for each cell; see `napari_unet.arrays.measuring.measuring` for the columns.

    Raises
    ------
    UserError
        If cells and image do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> table = measure(np.array([[1, 1, 0, 2]]), np.array([[10, 20, 90, 30]]), spacing=(0.5, 0.5))
    >>> table[["label", "area_um2", "intensity_mean", "neighbours"]].values.tolist()
    [[1.0, 0.5, 15.0, 1.0], [2.0, 0.25, 30.0, 1.0]]
    """
    grey = as_image(image, axes) if image is not None else None
    labels = _labels(cells, grey, axes)
    lengths = next((n for n in map(lengths_of, (labels, grey or labels)) if n.unit != "pixel"), lengths_of(labels))
    if spacing is not None:
        z, y, x = [1.0, *map(float, spacing)][-3:]
        lengths = Lengths((z, y, x), unit)
    events = measuring.measuring(labels, grey, flat=per_slice, lengths=lengths, channels=channels)
    return measuring.finish(events, on_event or (lambda _: None))


def lengths_of(image: Image) -> Lengths:
    """Tell the size of a pixel, as far as the file of an image tells it."""
    return Lengths(image.spacing, image.unit if isinstance(image, FileImage) else "pixel")


def _labels(cells: Source, image: Image | None, axes: str | None) -> Image:
    if image is not None:
        return as_labels(cells, image)
    if isinstance(cells, str | os.PathLike):
        return open_labels(cells, axes)
    found = as_image(cells, axes, "cells")
    return found if axes is None else replace(found, axes=check_axes(axes, found.data.shape))
