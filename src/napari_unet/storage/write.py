"""Write an image piece by piece into a file that appears only when it is whole."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Writable, check_axes
from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.errors import UserError
from napari_unet.files import replace_folder
from napari_unet.leftovers import temporary as name_temporary
from napari_unet.storage import budget
from napari_unet.storage.export import export_tiff
from napari_unet.storage.foreign import check_not_foreign
from napari_unet.storage.formats import SUFFIXES, WRITABLE, stem_of, suffix_of

CHUNK = 512
"""Default length of a chunk along Y and X; along all other axes it is 1."""

_ALLOCATED = getattr(os, "posix_fallocate", None)


def check_output(path: str | os.PathLike[str], source: Path | None = None, *, asked: bool = False) -> Path:
    """Check that an image can be written at ``path``, before any work is done.

    Parameters
    ----------
    path
        Of the output.
    source
        The image that it is made of, which must not be overwritten.
    asked
        Whether a file of others may be replaced has been asked, and allowed; folders never are.

    Raises
    ------
    UserError
        For an unknown suffix, a missing or read-only folder, a folder in the way, a path that is, holds or lies
        in the source, or what others have written.
    """
    path = Path(path)
    _check_source(path, source)
    kind = SUFFIXES.get(suffix_of(path))
    if kind not in ("tiff", "zarr"):
        raise UserError(f"{path}: cannot write this kind of file; end the name in {WRITABLE}")
    if kind == "zarr" and path.is_file():
        raise UserError(f"{path}: is a file, not a zarr folder; choose another name")
    if kind == "zarr" and path.is_dir() and not _is_own(path):
        raise UserError(f"{path}: this folder holds more than an output of this program; choose another name")
    return _check_folder(path, folder=kind == "zarr", asked=asked)


def check_file(path: Path, suffixes: Sequence[str], source: Path | None = None, *, asked: bool = False) -> Path:
    """Check that a file with one of some suffixes can be written, before any work is done.

    Parameters
    ----------
    path, source, asked
        As of `check_output`.
    suffixes
        Those that the name may end in.

    Raises
    ------
    UserError
        As of `check_output`.
    """
    _check_source(path, source)
    if not path.name.lower().endswith(tuple(suffixes)):
        raise UserError(f"{path}: cannot write this kind of file; end the name in {' or '.join(suffixes)}")
    return _check_folder(path, folder=False, asked=asked)


def _check_source(path: Path, source: Path | None) -> None:
    if source is not None:
        inside, outside = source.resolve(), path.resolve()
        if inside.is_relative_to(outside) or outside.is_relative_to(inside):
            raise UserError(f"{path} is or holds the image, or lies in it; choose another place for the output")


def _check_folder(path: Path, *, folder: bool, asked: bool) -> Path:
    """Check that the folder of ``path`` can be written into, and that nothing is in the way of a file."""
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not folder and path.is_dir():
        raise UserError(f"{path}: is a folder; choose another name")
    if not asked:
        check_not_foreign(path)
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
    where: Where = UNPLACED,
    creator: Mapping[str, Any] | None = None,
) -> Iterator[Writable]:
    """Give an array to write into; the file takes its name when the block ends without an error.

    Parameters
    ----------
    path
        ``.zarr`` or ``.ome.zarr``: OME-Zarr 0.5, written chunk by chunk and stored with the axes in the order
        T, C, Z, Y, X, which its specification demands; smaller levels are added at the end. ``.tif`` or
        ``.ome.tif``: compressed OME-TIFF, gathered in a file in the same folder. An older TIFF is replaced,
        whoever has written it: callers check that with `check_output`.
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
    where
        Place of the first voxel, its origin in ``unit``, and the times of the frames.
    creator
        What makes the image, kept in the file: see `napari_unet.storage.creator`.

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
    path, axes = check_output(path, asked=True), check_axes(axes, shape)
    shape, dtype = tuple(int(n) for n in shape), np.dtype(dtype)
    size = budget.nbytes(shape, dtype)
    if SUFFIXES[suffix_of(path)] == "zarr":
        from napari_unet.storage import layout, pyramid  # half a second that TIFFs need not wait

        budget.check_disk(path.parent, budget.stored_size(size, dtype) * 4 // 3, str(path))
        with replacing_folder(path) as folder:
            group, array = layout.new_ordered(
                folder,
                axes,
                shape,
                chunks or _chunks(axes),
                dtype,
                spacing=spacing,
                unit=unit,
                name=stem_of(path),
                cells=cells,
                classes=classes,
                where=where,
                creator=creator or {},
            )
            yield array
            pyramid.add_levels(group)
    else:
        budget.check_disk(path.parent, 2 * size, str(path))
        with _scratch(path, shape, dtype) as array:
            yield array
            export_tiff(array, path, axes, spacing, unit=unit, classes=classes, where=where, creator=creator)


def _chunks(axes: str) -> list[int]:
    return [CHUNK if a in "YX" else 1 for a in axes]


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that takes its place when the block ends well."""
    temporary = name_temporary(path, "partial")
    temporary.mkdir()
    try:
        yield temporary
        replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
