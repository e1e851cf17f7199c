"""Count and measure the cells of a stored result."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.measuring import measuring
from napari_unet.arrays.region import Region
from napari_unet.events import Note, Preparing
from napari_unet.jobs.measuring import lengths_of
from napari_unet.jobs.stored_work import Request
from napari_unet.storage.cut import cut
from napari_unet.storage.pairs import like_image
from napari_unet.storage.read import open_labels
from napari_unet.storage.table import write_table


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
    """Measure the cells of a finished request in their image, into a table."""
    image = request.open()
    image = cut(image, Region.of(image, request.part))
    cells = like_image(open_labels(request.target), image)
    lengths = lengths_of(cells) if cells.unit != "pixel" else lengths_of(image)
    write_table((yield from measuring(cells, image, flat=flat, lengths=lengths)), table)
    when = request.target.stat().st_mtime_ns
    os.utime(table, ns=(when, when))  # see `is_own_table`


def is_measured(request: Request, table: Path) -> bool:
    """Tell whether a table is there that is not older than its cells."""
    return table.is_file() and table.stat().st_mtime_ns >= request.target.stat().st_mtime_ns


def is_own_table(request: Request, table: Path) -> bool:
    """Tell whether a table is as `measure_cells` has written it: it has the time of its cells."""
    return request.target.exists() and table.stat().st_mtime_ns == request.target.stat().st_mtime_ns
