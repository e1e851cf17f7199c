"""Link the cells of slices or frames: of an array, or of a file into another."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.arrays.axes import Image, Writable
from napari_unet.arrays.linking import GAP, Along, Linked, in_words, linked, memory_needed
from napari_unet.errors import UserError
from napari_unet.events import CellsLinked, Event, Finished, Note
from napari_unet.jobs.inputs import Source, as_image
from napari_unet.spec import Linking
from napari_unet.storage.budget import check_memory
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_labels
from napari_unet.storage.records import as_creator, facts_of, new_record
from napari_unet.storage.write import check_output, create_output

DTYPE = np.int32
FEW = 0.5
"""Part of the cells that are found again; if there are fewer, a warning tells of it."""


def link(
    cells: Source,
    along: Along = "z",
    axes: str | None = None,
    *,
    least_overlap: float | None = None,
    gap: int = GAP,
    out: Any = None,
) -> Any:
    """Give cells that were found slice by slice, or frame by frame, one number through the stack.

    Parameters
    ----------
    cells
        Integer ids, 0 is none: an array (numpy, dask, zarr), or the name of a file. Read plane by plane.
    along
        ``z``: slices of a stack become cells in 3D. ``t``: cells of a time series are followed.
    axes
        One letter per axis of ``cells``, such as ``"TYX"``; None: from the file, else TZYX or, of three axes, the
        first is that along which is linked.
    least_overlap
        Above 0, at most 1. Along z, of the smaller of two cells; along t, intersection over union. None: 0.8
        along z, 0.1 along t.
    gap
        A cell that is missing from so many planes at most keeps its number.
    out
        Array to fill; may be ``cells`` itself. None: a new one.

    Returns
    -------
    array
        int32, or ``out``: axes ([T,] [Z,] Y, X). Numbers are 1, 2, 3 ... in the order in which cells appear; along
        z they start anew at every time point.

    Raises
    ------
    UserError
        If there is nothing to link along, the values are no ids, or ``out`` cannot hold them.

    Examples
    --------
    >>> slices = np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]])
    >>> link(slices, "z").tolist()
    [[[1, 1, 0, 2]], [[1, 0, 2, 2]]]
    """
    image = cells_of(cells, along, axes)
    if out is None:
        out = np.zeros(image.result_shape, DTYPE)
    for _ in linking(image, out, along, least_overlap=least_overlap, gap=gap):
        pass
    return out


def cells_of(cells: Source, along: Along, axes: str | None = None) -> Image:
    """Tell the axes of cells, or open a file; arguments as of `link`.

    Examples
    --------
    >>> cells_of(np.zeros((5, 8, 8), int), "t").axes
    'TYX'
    """
    known = open_labels(cells, axes) if isinstance(cells, str | os.PathLike) else as_image(cells, axes, "cells")
    told = axes is not None or isinstance(cells, Image) or getattr(known, "axes_source", None) == "file"
    guess = {3: f"{along.upper()}YX", 4: "TZYX"}.get(len(known.data.shape))
    return known if told or guess is None else replace(known, axes=guess)


def linking(
    cells: Image, out: Writable, along: Along, *, least_overlap: float | None = None, gap: int = GAP
) -> Iterator[Event]:
    """Link cells into an array of ``cells.result_shape``; arguments as of `link`.

    Yields
    ------
    Event
        `CellsLinked` after every plane (volume) that is written, a `Note` if few cells are found again, `Finished`
        last.

    Raises
    ------
    UserError
        See `link`; raised at once, but for ids that ``out`` cannot hold.
    """
    pieces = linked(cells, along, least_overlap, gap)
    if tuple(out.shape) != cells.result_shape:
        raise UserError(f"the array for the cells needs shape {cells.result_shape}, has {tuple(out.shape)}")
    if np.dtype(out.dtype).kind not in "iu":
        raise UserError(f"the array for the cells has the type {out.dtype}, which cannot hold them; use int32")
    what = f"linking the {'slices' if along == 'z' else 'volumes'} of {cells.name}"
    check_memory(memory_needed(cells, along, gap), what, "cut out a part of it")

    def run() -> Iterator[Event]:
        began, most = time.perf_counter(), np.iinfo(out.dtype).max
        for piece in pieces:
            if piece.after > most:
                raise UserError(f"{out.dtype} cannot hold more than {most} cells; use int32 or int64")
            out[piece.index] = piece.cells
            yield CellsLinked(piece.done, piece.total, piece.before, piece.after)
        if (part := found_again(piece)) < FEW:
            planes = "slice" if along == "z" else "frame"
            yield Note(
                f"of the cells, {part:.0%} are found again in the next {planes}, by their overlap: a lower "
                "--least-overlap may help, or images in which they move less",
                warning=True,
            )
        yield Finished(in_words(piece, along), seconds=time.perf_counter() - began)

    return run()


def found_again(piece: Linked) -> float:
    """Tell which part of the cells is found again in the next plane, once all are linked; 1 if there is none.

    Examples
    --------
    >>> found_again(Linked((), np.zeros((1, 1), int), 11, 11, 110, 60))
    0.5
    """
    with_next = piece.before * (piece.total - 1) / piece.total
    return (piece.before - piece.after) / with_next if with_next else 1.0


def link_file(
    source: Path,
    target: Path,
    along: Along,
    axes: str | None = None,
    *,
    least_overlap: float | None = None,
    gap: int = GAP,
) -> Iterator[Event]:
    """Link the cells of a file into another, which appears when it is whole; arguments as of `link`.

    Raises
    ------
    UserError
        If the target cannot be written; else as `linking`. Raised at once.
    """
    check_output(target, source)
    image = cells_of(source, along, axes)
    linked(image, along, least_overlap, gap)
    settings = Linking(along=along, least_overlap=least_overlap, gap=gap, axes=axes)
    unit = image.unit if isinstance(image, FileImage) else "pixel"
    creator = as_creator(new_record(settings, facts_of(image)))

    def run() -> Iterator[Event]:
        form = image.result_shape, DTYPE, image.result_axes, image.spacing
        with create_output(target, *form, unit=unit, cells=True, where=image.where, creator=creator) as out:
            yield from linking(image, out, along, least_overlap=least_overlap, gap=gap)

    return run()
