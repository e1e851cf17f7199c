"""Count and measure the cells of a stored result."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.measuring import measuring
from napari_unet.arrays.region import Region
from napari_unet.events import Note, Preparing
from napari_unet.jobs.measuring import lengths_of
from napari_unet.jobs.stored_work import Request
from napari_unet.spec import Measuring, Predicting, Record
from napari_unet.storage.creator import write_side_file
from napari_unet.storage.cut import cut
from napari_unet.storage.opened import FileImage
from napari_unet.storage.pairs import like_image
from napari_unet.storage.read import open_image, open_labels
from napari_unet.storage.records import as_creator, facts_of, new_record
from napari_unet.storage.table import write_table

PART = "the grey values are those of a part of {image} ({options}): save it as a file, and name it with --grey"


def count_cells(cells: Image, *, flat: bool) -> int:
    """Count cells, slice by slice.

    Parameters
    ----------
    cells
        Ids; 0 is no cell.
    flat
        The ids start anew in every slice; else only in every time point.

    Examples
    --------
    >>> stack = Image(np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]]), "ZYX")
    >>> count_cells(stack, flat=True), count_cells(stack, flat=False)
    (4, 2)
    """
    count = 0
    for t in range(cells.size("T")):
        known: set[int] = set()
        for z in range(cells.size("Z")):
            ids = np.unique(cells.read(t, slice(z, z + 1)))
            if flat:
                count += int(np.count_nonzero(ids))
            else:
                known.update(ids[ids > 0].tolist())
        count += len(known)
    return count


def measure_cells(request: Request, table: Path, *, flat: bool) -> Generator[Preparing | Note]:
    """Measure the cells of a finished request in their image, into a table; a file beside it tells how."""
    image = request.open()
    image = cut(image, Region.of(image, request.part))
    cells = like_image(open_labels(request.target), image)
    lengths = lengths_of(cells) if cells.unit != "pixel" else lengths_of(image)
    write_table((yield from measuring(cells, image, flat=flat, lengths=lengths)), table)
    write_side_file(table, as_creator(_record(request, cells, image, flat=flat)))
    when = request.target.stat().st_mtime_ns
    os.utime(table, ns=(when, when))  # see `is_own_table`


def _record(request: Request, cells: Image, image: FileImage, *, flat: bool) -> Record:
    """Tell how a table is made again; ``measure`` knows neither parts nor channels, so those have to be saved."""
    grey, notes = image, list[str]()
    if image.data.shape != open_image(request.image, request.axes).data.shape:
        grey = _as_saved(image, request.channel)
        options = Predicting(output="cells", part=request.part, channel=request.channel).of_image()
        notes.append(PART.format(image=request.image, options=" ".join(options)))
    settings = Measuring(image=facts_of(grey), per_slice=flat, axes=request.axes)
    return new_record(settings, facts_of(cells), not_repeated=tuple(notes))


def _as_saved(part: FileImage, channel: int | None) -> FileImage:
    """See a part of an image as a file of its own will hold it: one channel has no axis."""
    at = max(part.axes.find("C"), part.axes.find("S"))
    if channel is None or at < 0:
        return replace(part, path=Path())
    data = part.data[(slice(None),) * at + (0,)]
    return replace(part, data=data, axes=part.axes[:at] + part.axes[at + 1 :], path=Path())


def is_measured(request: Request, table: Path) -> bool:
    """Tell whether a table is there that is not older than its cells."""
    return table.is_file() and table.stat().st_mtime_ns >= request.target.stat().st_mtime_ns


def is_own_table(request: Request, table: Path) -> bool:
    """Tell whether a table is as `measure_cells` has written it: it has the time of its cells."""
    return request.target.exists() and table.stat().st_mtime_ns == request.target.stat().st_mtime_ns
