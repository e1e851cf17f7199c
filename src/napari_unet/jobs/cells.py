"""Cells of probabilities that are there already: no network is needed, nor that they fit into memory."""

from __future__ import annotations

import itertools
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image, Writable
from napari_unet.arrays.blockwise import Blockwise, Store, Target
from napari_unet.arrays.boxes import Box, block_of, is_large
from napari_unet.arrays.evidence import check_shape
from napari_unet.arrays.fragments import relative_spacing
from napari_unet.arrays.joining import check_method
from napari_unet.arrays.region import Region, onward
from napari_unet.errors import UserError
from napari_unet.events import CellsDone, Event, Finished, Preparing
from napari_unet.jobs.inputs import Source, as_image, with_spacing
from napari_unet.spec import DEFAULT_CLASSES, CellSpec, ClassSpec, MakingCells
from napari_unet.storage import budget
from napari_unet.storage.opened import FileImage
from napari_unet.storage.records import as_creator, facts_of, new_record, told_axes
from napari_unet.storage.write import check_output, create_output


def cells_of(
    probabilities: Source,
    classes: Sequence[ClassSpec | str] | None = None,
    axes: str | None = None,
    *,
    cells: CellSpec | None = None,
    volume: bool = False,
    spacing: Sequence[float] | None = None,
    out: Any = None,
) -> Any:
    """Make separate cells of the probabilities of classes.

    Parameters
    ----------
    probabilities
        As `napari_unet.Model.predict` gives them, with the axis C for the classes: float, or uint8 from 0 to 255.
        An array (numpy, dask, zarr) of any size, or the name of a file.
    classes
        Their names, or specs; those named cell, boundary and background are just that, others belong to the
        cells of a tissue. None: two are cell and boundary, three cell, boundary and background.
    axes
        Such as ``"CZYX"``; None: the classes come first.
    cells
        How boundaries become cells.
    volume
        Cells go through the slices; else those of each slice are numbered from 1.
    spacing
        Size of a voxel along (Z,) Y, X, in any unit: distances in a volume follow it. None: as the file says; an
        array says nothing, and its voxels are taken for cubes.
    out
        Integer array for the cells, such as a zarr; None: one is made.

    Returns
    -------
    int32 array
        With the axes of the probabilities, without C; or ``out``.

    Raises
    ------
    UserError
        If the classes do not fit, or the method needs a library that is not installed.

    Examples
    --------
    >>> boundary = np.tile(np.float32([0, 0, 0.2, 0.9, 0.9, 0.1, 0, 0, 0]), (5, 1))
    >>> cells_of(np.stack([1 - boundary, boundary]), ("cell", "boundary"), cells=CellSpec(min_size=4))[0]
    array([1, 1, 1, 0, 2, 2, 2, 2, 2], dtype=int32)
    """
    if axes is None and not isinstance(probabilities, Image | str | Path) and hasattr(probabilities, "shape"):
        axes = "C" + "TZYX"[5 - len(probabilities.shape) :]
    image = as_image(probabilities, axes, "probabilities")
    if spacing is not None:
        image = with_spacing(image, spacing)
    if out is None:
        out = np.zeros(image.result_shape, np.int32)
    if tuple(out.shape) != image.result_shape or np.dtype(out.dtype).kind not in "iu" or out.dtype.itemsize < 4:
        raise UserError(
            f"the array for the cells needs the shape {image.result_shape} and a type such as int32, has "
            f"{tuple(out.shape)} and {out.dtype}"
        )
    for _ in make_cells(image, _named(classes, image.size("C")), out, cells or CellSpec(), volume=volume):
        pass
    return out


def cells_file(
    probabilities: Image,
    target: Path,
    cells: CellSpec,
    *,
    volume: bool,
    classes: Sequence[ClassSpec | str] | None = None,
) -> Iterator[Event]:
    """Make cells of probabilities and write them to a file, which appears when it is whole.

    Parameters
    ----------
    probabilities, cells, volume, classes
        As in `cells_of`.
    target
        ``.tif``, ``.ome.tif``, ``.zarr`` or ``.ome.zarr``.

    Yields
    ------
    Event
        As `make_cells`.

    Raises
    ------
    UserError
        As `make_cells`; or if the file cannot be written.
    """
    check_output(target)
    named, axes, shape = (
        _named(classes, probabilities.size("C")),
        probabilities.result_axes,
        probabilities.result_shape,
    )
    unit = probabilities.unit if isinstance(probabilities, FileImage) else "pixel"
    names = None if classes is None else tuple(c if isinstance(c, str) else c.name for c in classes)
    settings = MakingCells(cells=cells, volume=volume, classes=names, axes=told_axes(probabilities))
    creator = as_creator(new_record(settings, facts_of(probabilities)))
    form = shape, np.int32, axes, probabilities.spacing
    with create_output(target, *form, unit=unit, cells=True, where=probabilities.where, creator=creator) as out:
        yield from make_cells(probabilities, named, out, cells, volume=volume, scratch=target.parent)


def make_cells(
    probabilities: Image,
    classes: Sequence[ClassSpec],
    out: Target,
    cells: CellSpec,
    *,
    volume: bool,
    scratch: Path | None = None,
    view: tuple[int, int] | None = None,
) -> Iterator[Event]:
    """Make cells, slice by slice or volume by volume, of which large ones block by block.

    Parameters
    ----------
    probabilities
        With the axis C for the classes.
    classes, cells, volume
        As in `cells_of`.
    out
        Takes the cells, with ``probabilities.result_shape``; only written to.
    scratch
        Folder for what does not fit into memory; None: the system's.
    view
        The plane (t, z) to begin with; what comes before it comes last.

    Yields
    ------
    Event
        `Preparing` after each step within a large slice or volume, `CellsDone` after each, `Finished` last.

    Raises
    ------
    UserError
        If the classes do not fit or the method needs a library that is not installed; at once.
    """
    if "C" not in probabilities.axes:
        raise UserError(
            f"{probabilities.name} has the axes {probabilities.axes} and no C for the classes: give "
            "probabilities, as 'napari-unet predict --output probabilities' writes them"
        )
    volume = volume and "Z" in probabilities.axes
    shape = [probabilities.size(a) for a in ("ZYX" if volume else "YX")]
    check_shape((probabilities.size("C"), *shape), classes)
    check_method(cells.method)
    if not {"cell", "boundary"} & {c.role for c in classes}:
        names = ", ".join(c.name for c in classes)
        raise UserError(
            f"none of the classes ({names}) is a cell or a boundary: call them cell, boundary, background"
        )
    _check_room(shape, scratch)
    return _make(probabilities, classes, out, cells, shape, scratch, view or (0, 0))


def _check_room(shape: Sequence[int], scratch: Path | None) -> None:
    if is_large(shape):
        folder = scratch or Path(tempfile.gettempdir())
        budget.check_disk(folder, budget.stored_size(8 * math.prod(shape), np.int32), "making cells")


def _make(
    probabilities: Image,
    classes: Sequence[ClassSpec],
    out: Target,
    cells: CellSpec,
    shape: Sequence[int],
    scratch: Path | None,
    view: tuple[int, int],
) -> Iterator[Event]:
    began, found = time.perf_counter(), 0
    times, depths = (onward((0, probabilities.size(a)), at) for a, at in zip("TZ", view, strict=True))
    slices = depths if len(shape) == 2 else [None]
    places = list(itertools.product(times, slices))
    pixel = relative_spacing(probabilities.spacing, len(shape))
    with _stores(shape, scratch) as (store, numbers):
        for done, (t, z) in enumerate(places, start=1):
            final = _Part(out, [i for a, i in (("T", t), ("Z", z)) if i is not None and a in probabilities.axes])
            read = _reader(probabilities, t, z)
            maker = Blockwise(read, shape, classes, cells, pixel, store, numbers, final=final)
            for step in maker.run():
                if maker.steps > 3:
                    yield Preparing("making cells", step, maker.steps)
            found += maker.cells
            yield CellsDone(done, len(places), maker.cells)
    yield Finished("1 cell" if found == 1 else f"{found} cells", seconds=time.perf_counter() - began)


def _reader(probabilities: Image, t: int, z: int | None) -> Callable[[Box], npt.NDArray[Any]]:
    """Give what reads boxes of a slice, or of a volume (z is None), with the classes first."""
    if z is None:
        return lambda box: probabilities.read(t, *box)
    return lambda box: probabilities.read(t, slice(z, z + 1), *box)[:, 0]


class _Part:
    """A slice or volume of an array that is written to."""

    def __init__(self, array: Target, lead: Sequence[int]) -> None:
        self._array, self._lead = array, tuple(lead)

    def __setitem__(self, key: Box, value: Any) -> None:
        self._array[(*self._lead, *key)] = value


class Shifted:
    """A region of an array that is written to.

    Parameters
    ----------
    array
        With ``image.result_shape``.
    image, region
        Tell where the region begins.
    """

    def __init__(self, array: Writable, image: Image, region: Region) -> None:
        starts = dict(zip("TZYX", (first for first, _ in region.ranges), strict=True))
        self._array, self._starts = array, [starts[a] for a in image.result_axes]

    def __setitem__(self, key: tuple[int | slice, ...], value: Any) -> None:
        self._array[tuple(_shifted(k, by) for k, by in zip(key, self._starts, strict=True))] = value


def _shifted(key: int | slice, by: int) -> int | slice:
    return slice(key.start + by, key.stop + by) if isinstance(key, slice) else key + by


@contextmanager
def _stores(shape: Sequence[int], scratch: Path | None) -> Iterator[tuple[Store, Store]]:
    """Give two arrays for numbers of pieces: in memory, or for large ones in a folder that goes afterwards."""
    dtype = np.int32 if math.prod(shape) < 2**31 else np.int64
    if not is_large(shape):
        yield np.zeros(tuple(shape), dtype), np.zeros(tuple(shape), dtype)
        return
    import zarr

    with tempfile.TemporaryDirectory(prefix="napari-unet-cells-", dir=scratch) as folder:
        chunks = tuple(min(c, n) for c, n in zip((16, 256, 256)[-len(shape) :], block_of(shape), strict=True))
        one, other = (
            zarr.create_array(Path(folder, name), shape=tuple(shape), dtype=dtype, chunks=chunks, fill_value=0)
            for name in ("pieces", "fragments")
        )
        yield one, other


def _named(classes: Sequence[ClassSpec | str] | None, number: int) -> list[ClassSpec]:
    """Give names their specs."""
    if classes is None:
        return list(DEFAULT_CLASSES[: max(2, min(number, 3))])
    known = {c.name: c for c in DEFAULT_CLASSES}
    return [known.get(c, ClassSpec(name=c)) if isinstance(c, str) else c for c in classes]
