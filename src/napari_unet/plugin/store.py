"""Where the arrays of results are: in memory, or on disk where they are large."""

from __future__ import annotations

import atexit
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.leftovers import temporary
from napari_unet.plugin.layers import Geometry, zeros
from napari_unet.storage.budget import check_disk, stored_size

IN_MEMORY = 2**26
"""Bytes; larger stacks are written into a temporary zarr on disk. Below, painting is quicker in memory."""
FEW = 4
"""Slices; so few stay in memory up to `FEW_IN_MEMORY` bytes."""
FEW_IN_MEMORY = 2**30
CHUNK = 512
"""Longest chunk along Y and X: short enough to be painted in, long enough for a slice to be read at once. Blocks
of a prediction are larger and do not depend on it, so that few chunks are written more than once."""


class Store:
    """Makes the arrays of result layers: in memory, or in a temporary folder that goes when the program does."""

    def __init__(self, limit: int = IN_MEMORY, limit_of_few: int = FEW_IN_MEMORY) -> None:
        self._limit, self._limit_of_few = limit, limit_of_few
        self._folder: Path | None = None
        self._made = 0

    @property
    def place(self) -> Path:
        """Folder in which results are kept that are not in memory."""
        return Path(tempfile.gettempdir())

    def array(self, geometry: Geometry, dtype: npt.DTypeLike) -> Any:
        """Make an array of zeros.

        Raises
        ------
        UserError
            If it fits neither into the memory allowed nor onto the disk.
        """
        size = math.prod(geometry.only("TZYX").shape) * np.dtype(dtype).itemsize
        planes = math.prod(geometry.only("TZ").shape)
        if size <= (self._limit_of_few if planes <= FEW else self._limit):
            return zeros(geometry, dtype)
        import zarr

        if self._folder is None:
            self._folder = temporary(Path(tempfile.gettempdir(), "napari-unet-results"), "scratch")
            self._folder.mkdir(mode=0o700)
            # Not when this store goes: its layers may outlive the dock.
            atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        check_disk(self._folder, stored_size(size, dtype), "the result")
        self._made += 1
        chunks = tuple(
            chunk_length(n) if a in "YX" else n if a == "C" else 1
            for a, n in zip(geometry.axes, geometry.shape, strict=True)
        )
        return zarr.create_array(
            store=self._folder / f"{self._made}.zarr",
            shape=geometry.shape,
            dtype=dtype,
            chunks=chunks,
            fill_value=0,
        )


def chunk_length(length: int) -> int:
    """Cut an axis into chunks that are nearly equal and not longer than `CHUNK`.

    Examples
    --------
    >>> chunk_length(300), chunk_length(520), chunk_length(2048)
    (300, 260, 512)
    """
    return -(-length // -(-length // CHUNK))
