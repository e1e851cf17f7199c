"""What is painted, block by block: a TIFF each, named by where it begins and by what it holds.

Strokes are few and images are large: blocks without paint have no file, and only blocks that have changed are
written. As no file ever changes, an older ``project.json`` goes on naming what it means. A slice of up to `SIDE`
pixels is one file, which any program for images opens.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_unet.arrays.targets import check_labels_dtype
from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.storage import budget
from napari_unet.storage.project import FILE, Annotation, Block, inside
from napari_unet.storage.tiff import open_tiff

SIDE = 4096
"""Length of a block along Y and X; along all other axes it is 1."""
FOLDER = "annotations"


def zeros(shape: Sequence[int], repeated: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Make an empty array to paint into; along the axes ``repeated`` it has one and the same memory.

    Examples
    --------
    >>> array = zeros((3, 4, 5), [0], "uint8")
    >>> array[1, 2, 2] = 7
    >>> array[:, 2, 2].tolist()
    [7, 7, 7]
    """
    single = [1 if axis in repeated else n for axis, n in enumerate(shape)]
    array = np.zeros(single, dtype)
    strides = [0 if axis in repeated else s for axis, s in enumerate(array.strides)]
    return np.lib.stride_tricks.as_strided(array, tuple(shape), strides, writeable=True)


def repeated_axes(array: Any) -> tuple[int, ...]:
    """Tell the axes before Y and X along which an array has one and the same memory."""
    if not isinstance(array, np.ndarray):
        return ()
    return tuple(axis for axis, n in enumerate(array.shape[:-2]) if n > 1 and array.strides[axis] == 0)


def write_blocks(
    project: Path, number: int, array: Any, repeated: Sequence[int] = (), known: Mapping[str, Block] | None = None
) -> dict[str, Block]:
    """Write the painted blocks of an annotation that are not there yet.

    Parameters
    ----------
    project
        Its folder.
    number
        Of the annotation.
    array
        Numpy, or anything that is indexed like it; copied block by block, so that painting may go on meanwhile.
    repeated
        Axes of which one element is enough.
    known
        Blocks that are written already.

    Returns
    -------
    dict
        All painted blocks, by where they begin.
    """
    folder = project / FOLDER / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for begin, place in places(array.shape, repeated):
        pixels = np.array(_plain(np.asarray(array[_one(place)])), order="C")  # the brush goes on meanwhile
        if not pixels.any():
            continue
        sha256 = hashlib.sha256(pixels.data).hexdigest()
        before = (known or {}).get(begin)
        if before is None or before.sha256 != sha256 or not (project / before.file).is_file():
            before = Block(file=f"{FOLDER}/{number}/{begin}-{sha256[:16]}.tif", sha256=sha256)
            with replacing(project / before.file) as path:
                tifffile.imwrite(
                    path, pixels, compression="zlib", photometric="minisblack", metadata=None, software=False
                )
        found[begin] = before
    return found


def read_blocks(project: Path, annotation: Annotation) -> npt.NDArray[Any]:
    """Read an annotation.

    Returns
    -------
    ndarray
        Of the shape and type that were kept.

    Raises
    ------
    UserError
        If a file is missing, damaged, or lies outside of the project, or the annotation is larger than the memory.
    """
    name = f"the annotation '{annotation.look.name}' of {project}"
    dtype = _dtype(annotation.dtype, name)
    single = [1 if axis in annotation.repeated else n for axis, n in enumerate(annotation.shape)]
    budget.check_memory(budget.nbytes(single, dtype), name, "close other programs")
    array = zeros(annotation.shape, annotation.repeated, dtype)
    known = dict(places(annotation.shape, annotation.repeated, only=annotation.blocks))
    for begin, block in annotation.blocks.items():
        if begin not in known:
            raise UserError(
                f"{project / FILE} is damaged: {name} has no block {begin!r}; take an older copy of it"
            )
        array[known[begin]] = _read(project, begin, block, array[known[begin]])
    return array


def remove_others(project: Path, annotations: Sequence[Annotation]) -> None:
    """Remove the blocks of an earlier state of annotations, once ``project.json`` does not name them any more."""
    for annotation in annotations:
        named = {Path(block.file).name for block in annotation.blocks.values()}
        for path in (project / FOLDER / str(annotation.id)).glob("[0-9]*.tif"):
            if path.name not in named:
                path.unlink(missing_ok=True)


def places(
    shape: Sequence[int], repeated: Sequence[int] = (), only: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, tuple[int | slice, ...]]]:
    """Give where the blocks of an array begin, as a name, and their index; whole along the axes ``repeated``.

    Parameters
    ----------
    shape, repeated
        Of the array.
    only
        Names that are wanted; of a claimed shape of any size no others are gone through.

    Examples
    --------
    >>> [name for name, _ in places((2, 3, 5000, 64), repeated=[1])]
    ['0-0-0-0', '0-0-4096-0', '1-0-0-0', '1-0-4096-0']
    >>> list(places((3, 64, 64), only={"2-0-0": None, "9-0-0": None, "1-5-0": None, "x": None}))
    [('2-0-0', (2, slice(0, 64, None), slice(0, 64, None)))]
    """
    steps = [SIDE if axis >= len(shape) - 2 else 1 for axis in range(len(shape))]
    ranges = [range(0, 1 if a in repeated else n, s) for a, (n, s) in enumerate(zip(shape, steps, strict=True))]
    starts = itertools.product(*ranges) if only is None else _starts(only, ranges)
    for start in starts:
        lead = tuple(slice(None) if axis in repeated else start[axis] for axis in range(len(shape) - 2))
        rows, columns = (slice(i, min(i + SIDE, n)) for i, n in zip(start[-2:], shape[-2:], strict=True))
        yield "-".join(map(str, start)), (*lead, rows, columns)


def _one(index: tuple[int | slice, ...]) -> tuple[int | slice, ...]:
    """Take the first of those that are the same."""
    return (*(0 if isinstance(i, slice) else i for i in index[:-2]), *index[-2:])


def _starts(names: Mapping[str, Any], ranges: Sequence[range]) -> Iterator[tuple[int, ...]]:
    for name in names:
        parts = name.split("-")
        if len(parts) == len(ranges) and all(p.isascii() and p.isdigit() and len(p) < 19 for p in parts):
            start = tuple(int(p) for p in parts)
            if all(i in r for i, r in zip(start, ranges, strict=True)):
                yield start


def _plain(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give values as they are stored: little-endian, bool as uint8."""
    return pixels.astype(np.uint8 if pixels.dtype == bool else pixels.dtype.newbyteorder("<"), copy=False)


def _dtype(name: str, what: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(name)
        check_labels_dtype(dtype)
    except (TypeError, ValueError) as error:
        raise UserError(f"{what} is damaged: {name[:50]!r} is no type of labels") from error
    return dtype


def _read(project: Path, begin: str, block: Block, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    path = inside(project, block.file)
    cure = f'copy it from a backup, or remove the entry "{begin}" from {FILE} to open what else was painted'
    if not path.is_file():
        raise UserError(f"{path} is missing, a part of what was painted: {cure}")
    try:
        pixels = np.asarray(open_tiff(path).data)
    except UserError as error:
        raise UserError(f"{path} is damaged, a part of what was painted ({error}): {cure}") from error
    pixels = _plain(pixels)
    plane = like[tuple(0 for _ in range(like.ndim - 2))]
    same = pixels.shape == plane.shape and pixels.dtype == _plain(plane[:0]).dtype
    if not same or hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest() != block.sha256:
        raise UserError(f"{path} is damaged, a part of what was painted: {cure}")
    return pixels.astype(like.dtype)
