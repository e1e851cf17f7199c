"""Is there room? Asked before anything is decoded or written."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_unet.errors import UserError

_MEMORY_SHARE = 0.6
"""Part of the free memory that one decoded image may take."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def human(size: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> human(5), human(5_242_880), human(2.5e12)
    ('5 bytes', '5.2 MB', '2.5 TB')
    """
    power = min(int(math.log(max(size, 1), 1000)), len(_UNITS) - 1)
    return f"{size / 1000**power:.{1 if power else 0}f} {_UNITS[power]}"


def nbytes(shape: Sequence[int], dtype: Any) -> int:
    """Return the bytes that an array takes in memory (exact, whatever the size)."""
    return math.prod(int(n) for n in shape) * int(np.dtype(dtype).itemsize)


def available_memory() -> int:
    """Return the bytes of memory that are free now."""
    return int(psutil.virtual_memory().available)


def check_memory(size: int, what: str, cure: str) -> None:
    """Raise a UserError if ``size`` bytes do not fit into the free memory.

    Parameters
    ----------
    size
        Bytes that are about to be decoded at once.
    what
        What claims that size, for the message: "a.tif" or "one chunk of a.zarr".
    cure
        What the user can do about it.
    """
    free = available_memory()
    if size > free * _MEMORY_SHARE:
        raise UserError(f"{what} needs {human(size)} of memory, {human(free)} are free; {cure}")


LABELS_SHRINK = 20
"""Label images, which are constant over large areas, become at least this many times smaller by compression."""


def stored_size(size: int, dtype: Any) -> int:
    """Return the bytes that ``size`` bytes of an array take at least on a disk, where they are compressed.

    A disk that is full none the less loses nothing, so this need not be an upper limit.

    Examples
    --------
    >>> stored_size(4000, "int32"), stored_size(4000, "float32")
    (200, 4000)
    """
    return size // LABELS_SHRINK if np.dtype(dtype).kind in "bui" else size


def check_disk(folder: Path, size: int, what: str) -> None:
    """Raise a UserError if ``size`` bytes do not fit onto the disk that holds ``folder``."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UserError(
            f"{what} may need {human(size)}, the disk of {folder} has {human(free)} free; "
            "free some space or write elsewhere"
        )


def is_full(error: OSError) -> bool:
    """Tell whether an error says that no more can be written: the disk, or the user's share of it, is full.

    Examples
    --------
    >>> is_full(OSError(errno.ENOSPC, "no space")), is_full(OSError(errno.ENOENT, "no file"))
    (True, False)
    """
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
