"""Write an image piece by piece into a file that appears only when it is whole."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import check_axes
from napari_unet.errors import UserError
from napari_unet.leftovers import temporary as name_temporary
from napari_unet.storage import budget
from napari_unet.storage.export import export_tiff
from napari_unet.storage.formats import SUFFIXES, WRITABLE, stem_of, suffix_of
from napari_unet.storage.reordered import Reordered

CHUNK = 512
"""Default length of a chunk along Y and X; along all other axes it is 1."""

_ALLOCATED = getattr(os, "posix_fallocate", None)


class Writable(Protocol):
    """What `create_output` gives: an array to write regions into."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


def check_output(path: str | os.PathLike[str]) -> Path:
    """Check that an image can be written at ``path``, before any work is done.

    Raises
    ------
    UserError
        For an unknown suffix, a missing or read-only folder, or a folder in the way.
    """
    path = Path(path)
    kind = SUFFIXES.get(suffix_of(path))
    if kind not in ("tiff", "zarr"):
        raise UserError(f"{path}: cannot write this kind of file; end the name in {WRITABLE}")
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist; make it first")
    if kind == "tiff" and path.is_dir():
        raise UserError(f"{path}: is a folder; choose another name")
    if kind == "zarr" and path.is_file():
        raise UserError(f"{path}: is a file, not a zarr folder; choose another name")
    if kind == "zarr" and path.is_dir() and not _is_own(path):
        raise UserError(f"{path}: this folder holds more than an output of this program; choose another name")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot write into the folder {path.parent} ({error.strerror})") from error
    return path


def _is_own(path: Path) -> bool:
    from napari_unet.storage.layout import is_own  # half a second that TIFFs need not wait

    return is_own(path)


@contextmanager
def create_output(
    path: str | os.PathLike[str],
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    axes: str,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    unit: str = "pixel",
    chunks: Sequence[int] | None = None,
    cells: bool = False,
    classes: Sequence[str] = (),
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    creator: Mapping[str, Any] | None = None,
) -> Iterator[Writable]:
    """Give an array to write into; the file takes its name when the block ends without an error.

    Parameters
    ----------
    path
        ``.zarr`` or ``.ome.zarr``: OME-Zarr 0.5, written chunk by chunk and stored with the axes in the order
        T, C, Z, Y, X, which its specification demands; smaller levels are added at the end. ``.tif`` or
        ``.ome.tif``: compressed OME-TIFF, gathered in a file in the same folder.
    shape, dtype
        Of the array.
    axes
        One letter per axis, such as ``"CZYX"``.
    spacing, unit
        Size of a voxel along Z, Y, X; "micrometer" or "pixel".
    chunks
        Of a zarr; None: one plane of 512 x 512.
    cells
        The values are labels, class ids or a mask, never to be averaged (zarr: image-label metadata, and the
        folders that `napari_unet.storage.layout` describes).
    classes
        Names of the channels.
    origin
        Place of the first voxel along Z, Y, X in ``unit``.
    creator
        What makes the image (zarr only, see `napari_unet.storage.ome_zarr.metadata`).

    Yields
    ------
    array
        With ``shape``, ``dtype`` and ``array[slices] = values``; zeros where nothing is written.

    Raises
    ------
    UserError
        See `check_output`; or if the disk is too full. An older file at ``path`` stays as it was on any error.

    Examples
    --------
    >>> import tempfile
    >>> from napari_unet.storage.read import open_image
    >>> path = Path(tempfile.mkdtemp()) / "mask.tif"
    >>> with create_output(path, (2, 4, 4), "uint8", "ZYX", (2, 0.5, 0.5), unit="micrometer") as mask:
    ...     mask[1] = 1
    >>> image = open_image(path)
    >>> image.axes, image.spacing, int(image.data.sum())
    ('ZYX', (2.0, 0.5, 0.5), 16)
    """
    path, axes = check_output(path), check_axes(axes, shape)
    shape, dtype = tuple(int(n) for n in shape), np.dtype(dtype)
    size = budget.nbytes(shape, dtype)
    if SUFFIXES[suffix_of(path)] == "zarr":
        from napari_unet.storage import layout, ome_zarr, pyramid  # half a second that TIFFs need not wait

        stored = ome_zarr.ordered(axes)
        lengths = dict(zip(axes, zip(shape, chunks or _chunks(axes), strict=True), strict=True))
        counts, pieces = zip(*(lengths[a] for a in stored), strict=True)
        budget.check_disk(path.parent, size * 4 // 3, str(path))
        known = ome_zarr.metadata(
            stored,
            spacing,
            unit,
            stem_of(path),
            cells=cells,
            classes=classes,
            origin=origin,
            white=255.0 if dtype == np.uint8 else 1.0,
            creator=creator or {},
        )
        with _replacing_folder(path) as folder:
            group = layout.new_image(folder, known, counts, pieces, dtype)
            made: Any = group["0"]
            yield made if stored == axes else Reordered(made, axes, stored)
            pyramid.add_levels(group)
    else:
        budget.check_disk(path.parent, 2 * size, str(path))
        with _scratch(path, shape, dtype) as array:
            yield array
            export_tiff(array, path, axes, spacing, unit=unit, classes=classes, origin=origin)


def _chunks(axes: str) -> list[int]:
    return [CHUNK if a in "YX" else 1 for a in axes]


@contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that takes its place when the block ends well."""
    temporary, old = name_temporary(path, "partial"), name_temporary(path, "old")
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _scratch(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[npt.NDArray[Any]]:
    """Give an array of zeros that lives in a file beside ``path`` and vanishes afterwards.

    The space is reserved at once: a disk that fills up later would end the process without a message,
    for that is what happens to memory-mapped files.
    """
    name = name_temporary(path, "scratch")
    try:
        with name.open("xb+") as file:
            _reserve(file.fileno(), budget.nbytes(shape, dtype))
        array = np.memmap(name, dtype, "r+", shape=shape)
        try:
            yield array
        finally:
            del array
    finally:
        name.unlink(missing_ok=True)


def _reserve(handle: int, size: int) -> None:
    """Make an open file ``size`` bytes long and, where the system can, reserve the space for them."""
    if _ALLOCATED is not None:
        try:
            _ALLOCATED(handle, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    os.ftruncate(handle, size)
