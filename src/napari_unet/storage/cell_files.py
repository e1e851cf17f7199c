"""Cells as files that other programs expect: ImageJ, Cellpose, QuPath; or as OME files, or their outlines.

All are written slice by slice, and take their names when they are whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.lines import outline
from napari_unet.arrays.numbering import planes_of
from napari_unet.arrays.steps import Steps, Tell, nobody
from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.spec import Record
from napari_unet.storage import budget
from napari_unet.storage.cell_shapes import write_geojson, write_rois
from napari_unet.storage.creator import Facts, as_description, as_info, write_side_file
from napari_unet.storage.formats import SUFFIXES, WRITABLE, CellFormat, stem_of, suffix_of
from napari_unet.storage.records import as_creator
from napari_unet.storage.units import seconds
from napari_unet.storage.write import check_file, check_output, create_output

ENDINGS: dict[CellFormat, str] = {
    "cells": ".ome.tif",
    "outlines": "_outlines.ome.tif",
    "imagej": ".tif",
    "cellpose": "_cp_masks.tif",
    "rois": "_rois.zip",
    "geojson": ".geojson",
}
"""How the names of files end."""

EXACT = 2**24
"""Whole numbers up to this are told apart in float32, the largest type of ImageJ."""
IMAGEJ_LIMIT = 2**32 - 2**20
"""Bytes: what the offsets in an ImageJ TIFF can reach."""


@dataclass(frozen=True)
class Cells:
    """What is written.

    Parameters
    ----------
    data
        Integer ids, read slice by slice.
    axes
        T, Z, Y, X as far as there are.
    spacing, unit
        Size of a voxel along Z, Y, X; "micrometer" or "pixel".
    where
        Place of the first voxel and times of the frames, for OME files; ImageJ learns of the times.
    record
        How they were made: kept in the file, or beside it.
    """

    data: ArrayLike
    axes: str
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: str = "pixel"
    where: Where = UNPLACED
    record: Record | None = None

    def __post_init__(self) -> None:
        if "".join(a for a in "TZYX" if a in self.axes) != self.axes:
            raise UserError(
                f"cells need the axes T, Z, Y, X, in this order, as far as there are; not '{self.axes}'"
            )

    @property
    def planes(self) -> int:
        """Number of slices."""
        return int(np.prod(self.data.shape[:-2]))

    @property
    def creator(self) -> Facts:
        """What files keep of how the cells were made."""
        return as_creator(self.record)


def holds_cells(cells: Cells) -> bool:
    """Tell whether there is a cell at all; read slice by slice, up to the first.

    Examples
    --------
    >>> holds_cells(Cells(np.array([[0, 7]]), "YX")), holds_cells(Cells(np.zeros((3, 4, 4), int), "ZYX"))
    (True, False)
    """
    return any(plane.any() for plane in planes_of(cells.data))


def told_by(path: Path) -> CellFormat:
    """Tell the format that a file name asks for.

    Examples
    --------
    >>> [told_by(Path(p)) for p in ("a.zip", "a.geojson", "a_cp_masks.tif", "a.ome.zarr")]
    ['rois', 'geojson', 'cellpose', 'cells']
    """
    name = path.name.lower()
    ends: dict[str, CellFormat] = {
        ".zip": "rois",
        ".geojson": "geojson",
        ".json": "geojson",
        "_cp_masks.tif": "cellpose",
    }
    return next((known for end, known in ends.items() if name.endswith(end)), "cells")


def check_cells(path: Path, kind: CellFormat, source: Path | None = None, *, asked: bool = False) -> Path:
    """Check that cells can be written, before any work is done; returns the file's name.

    Parameters
    ----------
    path
        As the user gave it; a name for Cellpose gets the ending that it goes by.
    kind
        What is to be written.
    source
        The file that must not be overwritten.
    asked
        As of `napari_unet.storage.write.check_output`.

    Raises
    ------
    UserError
        As of `napari_unet.storage.write.check_output`.
    """
    if kind in ("cells", "outlines"):
        if suffix_of(path) not in SUFFIXES:
            raise UserError(
                f"{path}: cannot write this kind of file; end the name in {WRITABLE}, .zip (ImageJ's ROIs) or "
                ".geojson (QuPath)"
            )
        return check_output(path, source, asked=asked)
    if kind == "cellpose" and not path.name.endswith("_cp_masks.tif"):
        check_file(path, (".tif", ".tiff"), source, asked=True)
        path = path.with_name(f"{stem_of(path)}_cp_masks.tif")
    endings = {"rois": (".zip",), "geojson": (".geojson", ".json")}
    return check_file(path, endings.get(kind, (".tif", ".tiff")), source, asked=asked)


def write_cells(cells: Cells, path: Path, kind: CellFormat, tell: Tell = nobody) -> None:
    """Write cells.

    Parameters
    ----------
    cells
        See `Cells`.
    path
        See `check_cells`.
    kind
        ``cells``: OME-TIFF or OME-Zarr. ``outlines``: the same, 1 on lines around cells (see
        `napari_unet.arrays.lines.outline`). ``imagej``: a TIFF hyperstack with the size of pixels. ``cellpose``:
        a label TIFF. ``rois``: polygons for ImageJ's ROI manager. ``geojson``: polygons for QuPath.
    tell
        Told how much is done, from 0 to 1.

    Raises
    ------
    UserError
        If the format cannot hold the cells.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "cells_cp_masks.tif")
    >>> write_cells(Cells(np.array([[1, 1, 0, 70000]]), "YX"), path, "cellpose")
    >>> tifffile.imread(path)
    array([[    1,     1,     0, 70000]], dtype=uint32)
    """
    writers: dict[CellFormat, Callable[[Cells, Path, Tell], None]] = {
        "cells": _write_ome,
        "outlines": _write_outlines,
        "imagej": _write_imagej,
        "cellpose": _write_cellpose,
        "rois": lambda c, p, t: write_rois(c.data, c.axes, p, t),
        "geojson": lambda c, p, t: write_geojson(c.data, c.axes, p, t),
    }
    writers[kind](cells, path, tell)
    if kind in ("rois", "geojson"):
        write_side_file(path, cells.creator)


def _write_ome(cells: Cells, path: Path, tell: Tell) -> None:
    given = np.dtype(cells.data.dtype)
    if given.kind in "ui" and given.itemsize < 8:
        _fill(cells, path, given, np.asarray, Steps(cells.planes, tell))
        return
    steps = Steps(2 * cells.planes, tell)  # OME knows no larger type: are there larger ids?
    highest = _highest(cells.data, steps)
    _check_below(2**32, highest, "OME files")
    smallest = np.uint8 if given.kind == "b" else np.int32 if highest < 2**31 else np.uint32
    _fill(cells, path, np.dtype(smallest), np.asarray, steps)


def _write_outlines(cells: Cells, path: Path, tell: Tell) -> None:
    _fill(cells, path, np.dtype(np.uint8), outline, Steps(cells.planes, tell))


def _fill(
    cells: Cells,
    path: Path,
    dtype: np.dtype[Any],
    change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    steps: Steps,
) -> None:
    shape = tuple(cells.data.shape)
    form = path, shape, dtype, cells.axes, cells.spacing
    with create_output(*form, unit=cells.unit, where=cells.where, cells=True, creator=cells.creator) as out:
        for index in np.ndindex(shape[:-2]):
            steps.next()
            out[index] = change(np.asarray(cells.data[index]))


def _write_imagej(cells: Cells, path: Path, tell: Tell) -> None:
    steps = Steps(2 * cells.planes, tell)
    highest = _highest(cells.data, steps)
    if highest > EXACT:
        raise UserError(
            f"ImageJ cannot tell ids above {EXACT:,} apart, the highest is {highest:,}: number the cells anew, or "
            "save them as OME-TIFF"
        )
    dtype = np.dtype(np.uint16 if highest < 2**16 else np.float32)
    size = budget.nbytes(cells.data.shape, dtype)
    if size > IMAGEJ_LIMIT:
        raise UserError(f"ImageJ's TIFFs hold 4 GB, the cells need {budget.human(size)}: save them as OME-TIFF")
    micrometres = cells.unit == "micrometer"
    metadata: dict[str, Any] = {"axes": cells.axes, "min": 0.0, "max": float(highest)} | as_info(cells.creator)
    if micrometres:
        metadata |= {"unit": "micron", "spacing": cells.spacing[0]}
    if cells.where.time_unit and "T" in cells.axes:
        metadata["finterval"] = cells.where.step * seconds(cells.where.time_unit)
    _write_tiff(
        cells,
        path,
        dtype,
        steps,
        imagej=True,
        resolution=(1 / cells.spacing[2], 1 / cells.spacing[1]) if micrometres else None,
        metadata=metadata,
    )


def _write_cellpose(cells: Cells, path: Path, tell: Tell) -> None:
    steps = Steps(2 * cells.planes, tell)
    highest = _highest(cells.data, steps)
    _check_below(2**32, highest, "Cellpose's masks")
    dtype = np.dtype(np.uint16 if highest < 2**16 else np.uint32)
    large = budget.nbytes(cells.data.shape, dtype) > 2**31
    _write_tiff(
        cells,
        path,
        dtype,
        steps,
        compression="zlib",
        bigtiff=large,
        metadata={"axes": cells.axes} | as_description(cells.creator),
    )


def _highest(data: ArrayLike, steps: Steps) -> int:
    """Highest id."""
    highest = 0
    for plane in planes_of(data):
        steps.next()
        low, high = int(plane.min()), int(plane.max())
        if low < 0:
            raise UserError(f"ids must not be negative, this one is {low}: number the cells anew")
        highest = max(highest, high)
    return highest


def _check_below(limit: int, highest: int, what: str) -> None:
    if highest >= limit:
        power = limit.bit_length() - 1
        raise UserError(f"{what} hold ids below 2^{power}, the highest is {highest:,}: number the cells anew")


def _write_tiff(cells: Cells, path: Path, dtype: np.dtype[Any], steps: Steps, **options: Any) -> None:
    def planes() -> Iterator[npt.NDArray[Any]]:
        for plane in planes_of(cells.data):
            steps.next()
            yield plane.astype(dtype)

    shape: Sequence[int] = tuple(cells.data.shape)
    budget.check_disk(
        path.parent, budget.nbytes(shape, dtype) // (4 if "compression" in options else 1), str(path)
    )
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, planes(), shape=shape, dtype=dtype, photometric="minisblack", **options)
