"""Images that have no file of their own: a plain zarr array each, of any type and any axes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.errors import UserError
from napari_unet.storage import budget
from napari_unet.storage.write import CHUNK, replacing_folder

FOLDER = "images"
LARGEST = 2 * 2**30
"""Bytes of an image that is copied without being asked for."""
IN_MEMORY = 2**28
"""Bytes up to which a copy is read at once; larger ones are read chunk by chunk as they are looked at."""


def write_copy(path: Path, data: Any, axes: str) -> None:
    """Copy an image into a zarr array, which takes its name when it is whole.

    Parameters
    ----------
    path
        Of the folder to make; its own folder is made as well.
    data
        Anything that is indexed like numpy; read plane by plane.
    axes
        One letter per axis.

    Raises
    ------
    UserError
        If the disk is too full.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "images" / "1.zarr"
    >>> write_copy(path, np.eye(3, dtype=bool), "YX")
    >>> read_copy(path).sum()
    np.int64(3)
    """
    import zarr

    path.parent.mkdir(parents=True, exist_ok=True)
    shape, dtype = tuple(int(n) for n in data.shape), np.dtype(data.dtype)
    budget.check_disk(path.parent, budget.nbytes(shape, dtype), str(path))
    chunks = tuple(n if a == "S" else min(n, CHUNK) if a in "YX" else 1 for a, n in zip(axes, shape, strict=True))
    with replacing_folder(path) as folder:
        array = zarr.create_array(
            folder,
            shape=shape,
            dtype=dtype.newbyteorder("="),
            chunks=chunks,
            dimension_names=[a.lower() for a in axes],
            zarr_format=3,
        )
        steps = [CHUNK if a == "Y" else 1 if a in "TCZ" else n for a, n in zip(axes, shape, strict=True)]
        for start in itertools.product(*(range(0, n, s) for n, s in zip(shape, steps, strict=True))):
            part = tuple(slice(i, i + s) for i, s in zip(start, steps, strict=True))
            array[part] = np.asarray(data[part])


def read_copy(path: Path) -> Any:
    """Open a copy: numpy if it is small, else zarr.

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    from napari_unet.storage.ome_zarr import open_zarr

    if not path.is_dir():
        raise UserError(f"{path} is missing, an image of the project; copy it from a backup")
    data = open_zarr(path).data
    if budget.nbytes(data.shape, data.dtype) > IN_MEMORY:
        return data
    return np.asarray(data[...])
