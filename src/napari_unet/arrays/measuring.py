"""Tables of cells: a row for each, measured part by part, so that the image need not fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays import neighbours
from napari_unet.arrays.axes import Image
from napari_unet.arrays.cell_columns import Columns, Lengths, channel_columns, columns_of, merged
from napari_unet.arrays.cell_shapes import UNKNOWN, shape_of
from napari_unet.arrays.cell_sums import Integers, Sums, sums_of, together
from napari_unet.arrays.grey import looks_grey
from napari_unet.arrays.numbering import numbered_by_slice
from napari_unet.errors import UserError
from napari_unet.events import Note, Preparing

if TYPE_CHECKING:
    import pandas as pd

PIECE = 2**22
"""Pixels that are worked on at once; about 100 bytes are needed for each."""
DEEP = 8
"""Pieces that are read at once, so that they are thick: what lies between two pieces is looked at twice."""
READ = 2**26
"""Pixels that are read at once, where they are stored in thick chunks; also the largest box of a cell that is read
for its shape."""
LOOKED_AT = 8
"""Slices that are looked at to tell how they are numbered."""
FEW = 32
"""Parts whose sums are kept before they are added up."""

Measuring = Generator[Preparing | Note, None, "pd.DataFrame"]
Box = Sequence[slice]


def measuring(
    cells: Image,
    image: Image | None = None,
    *,
    flat: bool | None = None,
    lengths: Lengths | None = None,
    channels: Sequence[str] = (),
    piece: int = PIECE,
    read: int = READ,
) -> Measuring:
    """Measure cells; the table is what the generator returns.

    Parameters
    ----------
    cells
        Ids of cells, axes T, Z, Y, X as far as they are there; 0 is none. Every time is measured for itself.
    image
        Its grey values are measured: as long as ``cells`` along T, Z, Y and X, of any number of channels.
    flat
        The ids start anew in every slice, so that slices are measured one by one (in 2D), rather than volumes.
        None: as `is_flat` tells.
    lengths
        Of a pixel; None: the spacing of ``cells`` in pixels.
    channels
        Names of the image's channels.
    piece, read
        Pixels that are worked on, and read, at once. The table does not depend on ``piece``.

    Yields
    ------
    Preparing, Note
        How far it is, and what could not be measured.

    Returns
    -------
    pandas.DataFrame
        A row for each cell. ``label``, ``t`` and ``z`` (of a slice) tell which it is. Lengths, areas and volumes
        have their unit in their name: ``area_um2``; where a pixel is all that is known, there are only ``pixels``
        (``voxels``). ``_px`` are pixels, counted from 0: the middle, and the first and last along each axis, which
        tell the bounding box. Neighbours are cells that touch or that one pixel separates.
        What is not defined is "not a number", such as the eccentricity of a single pixel, or the grey values of
        a cell of which a pixel is not a number.

    Raises
    ------
    UserError
        If ``cells`` are not whole numbers, or ``image`` does not have their shape.

    Examples
    --------
    >>> cells = Image(np.array([[1, 1, 0], [1, 1, 7]]), "YX", (1.0, 0.5, 0.5))
    >>> table = finish(measuring(cells, lengths=Lengths(cells.spacing, "micrometer")))
    >>> table[["label", "area_um2", "y_px", "x_um", "neighbour_ids"]].values.tolist()
    [[1, 1.0, 0.5, 0.25, '7'], [7, 0.25, 1.0, 1.0, '1']]
    """
    import pandas as pd

    _check(cells, image)
    if len(channels) > (0 if image is None else image.size("C")):
        there = 0 if image is None else image.size("C")
        raise UserError(f"{len(channels)} names of channels were given ({', '.join(channels)}), there are {there}")
    flat = is_flat(cells) if flat is None else flat
    lengths = lengths or Lengths(cells.spacing)
    if flat and not math.isclose(*lengths.spacing[-2:]):
        yield Note("the perimeter is left out, which is known of square pixels only", warning=True)
    names = channel_columns(image.size("C"), channels) if image is not None else []
    units = [_Unit(cells, image, t, z) for t, z in _places(cells, flat)]
    total = sum(unit.shape[0] for unit in units)
    parts: list[Columns] = []
    done = left_out = 0
    for unit in units:
        sums, pairs = yield from _summed(unit, done, total, piece, read)
        columns = columns_of(sums, unit.shape, pairs, lengths, names)
        rim, solidity, missing = yield from _shapes(unit, sums, lengths, done, total, read)
        left_out += missing
        done += unit.shape[0]
        edge = f"perimeter_{lengths.suffix}" if len(unit.shape) == 2 else f"surface_{lengths.suffix}2"
        where = {"label": sums.ids} | unit.where(len(sums.ids))
        parts.append(where | columns | {edge: rim, "solidity": solidity})
    if left_out:
        yield Note(f"{left_out} cells are too large for their outline and solidity to be measured", warning=True)
    return _ordered(pd.DataFrame(merged(parts)))


def finish(events: Measuring, on_event: Callable[[Preparing | Note], None] = lambda _: None) -> pd.DataFrame:
    """Run to the end, and return the table."""
    while True:
        try:
            on_event(next(events))
        except StopIteration as stop:
            table: pd.DataFrame = stop.value
            return table


def is_flat(cells: Image) -> bool:
    """Tell whether the ids start anew in every slice, by some slices in the middle of the stack.

    Examples
    --------
    >>> slices = np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]])
    >>> is_flat(Image(slices, "ZYX")), is_flat(Image(slices[[0, 0]], "ZYX")), is_flat(Image(slices[0], "YX"))
    (True, False, True)
    """
    z = cells.size("Z")
    if z == 1:
        return True
    first = max(0, (z - LOOKED_AT) // 2)
    t = cells.size("T") // 2
    return numbered_by_slice(cells.read(t, slice(first, first + LOOKED_AT))[0].astype(np.int64))


@dataclass(frozen=True)
class _Unit:
    """A plane (Y, X) or a volume (Z, Y, X), whose ids are its own.

    Parameters
    ----------
    cells, image
        What is measured.
    t, z
        Its place; z is None for a volume.
    """

    cells: Image
    image: Image | None
    t: int
    z: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.cells.shape[-2 if self.z is not None else -3 :]

    def labels(self, box: Box) -> npt.NDArray[Any]:
        """Read ids of cells."""
        found: npt.NDArray[Any] = self._read(self.cells, box)[0]
        return found.astype(np.uint8) if found.dtype == bool else found

    def channels(self, box: Box) -> npt.NDArray[Any]:
        """Read grey values, the channels first."""
        if self.image is None:
            return np.zeros((0, *(s.stop - s.start for s in box)), np.uint8)
        return self._read(self.image, box)

    def _read(self, image: Image, box: Box) -> npt.NDArray[Any]:
        if self.z is None:
            return image.read(self.t, *box)
        return image.read(self.t, slice(self.z, self.z + 1), *box)[:, 0]

    def where(self, n: int) -> Columns:
        """Columns that tell where n cells are."""
        told = {"T": self.t, "Z": self.z}
        return {a.lower(): np.full(n, at) for a, at in told.items() if at is not None and a in self.cells.axes}

    def rows(self, pixels: int) -> int:
        """Rows along the first axis that are read at once: whole chunks, if they are no more than ``pixels``."""
        row = math.prod(self.shape[1:])
        chunks = getattr(self.cells.data, "chunks", None)
        axis = self.cells.axes.find("ZYX"[-len(self.shape)])
        length = chunks[axis] if isinstance(chunks, tuple) and axis >= 0 else 1
        length = length if isinstance(length, int) else max(length, default=1)
        return max(1, min(length, pixels // row))


def _places(cells: Image, flat: bool) -> Iterator[tuple[int, int | None]]:
    for t in range(cells.size("T")):
        yield from ((t, z) for z in range(cells.size("Z"))) if flat or cells.size("Z") == 1 else ((t, None),)


def _check(cells: Image, image: Image | None) -> None:
    if np.dtype(cells.data.dtype).kind not in "iub" or "C" in cells.axes or "S" in cells.axes:
        raise UserError(
            f"{cells.name} cannot be measured: cells are a whole number for every pixel, along T, Z, Y and X; "
            f"these are {np.dtype(cells.data.dtype)} along {cells.axes}"
        )
    middle = cells.read(cells.size("T") // 2, slice(cells.size("Z") // 2, cells.size("Z") // 2 + 1))[0, 0]
    if looks_grey(middle):
        raise UserError(
            f"{cells.name} holds grey values and no cells, as they change from pixel to pixel: give the label "
            "image as cells, and this one as the image"
        )
    if image is not None and [image.size(a) for a in "TZYX"] != [cells.size(a) for a in "TZYX"]:
        one, two = (tuple(i.size(a) for a in "TZYX") for i in (cells, image))
        raise UserError(
            f"{image.name} has {two} pixels along T, Z, Y and X, the cells have {one}; they have to be the same"
        )


def _summed(
    unit: _Unit, done: int, total: int, piece: int, read: int
) -> Generator[Preparing, None, tuple[Sums, Integers]]:
    """Add up a plane or a volume: some rows at a time (planes of a volume), and of them band after band."""
    height, width = unit.shape[:2]
    across = tuple(slice(0, n) for n in unit.shape[1:])
    rows = max(unit.rows(read), DEEP * piece // math.prod(unit.shape[1:]))
    sums: list[Sums] = []
    pairs: list[Integers] = []
    before: npt.NDArray[Any] | None = None
    for start in range(0, height, rows):
        box = (slice(start, min(height, start + rows)), *across)
        labels, channels = unit.labels(box), unit.channels(box)
        near = labels if before is None else np.concatenate([before, labels])
        step = max(1, piece * width // near.size)
        for first in range(0, width, step):
            band = slice(first, first + step)
            sums.append(sums_of(labels[:, band], channels[:, :, band], (start, first, 0)[: len(unit.shape)]))
            pairs.append(neighbours.contacts(near[:, max(0, first - neighbours.OVERLAP) : band.stop]))
            if len(sums) > FEW:
                sums, pairs = [together(sums)], [neighbours.joined(pairs)]
            part = min(1, band.stop / width)
            yield Preparing("measuring", done + int(start + len(labels) * part) // 2, total)
        before = near[-neighbours.OVERLAP :]
    return together(sums), neighbours.joined(pairs)


def _shapes(
    unit: _Unit, sums: Sums, lengths: Lengths, done: int, total: int, read: int
) -> Generator[Preparing, None, tuple[npt.NDArray[Any], npt.NDArray[Any], int]]:
    """Measure what takes all pixels of a cell at once; also tells how many cells were too large."""
    found = np.full((len(sums.ids), 2), np.nan)
    missing = 0
    spacing = lengths.spacing[-len(unit.shape) :]
    for order, (i, mask) in enumerate(_masks(unit, sums, read)):
        missing += mask is None
        found[i] = UNKNOWN if mask is None or not mask.any() else shape_of(mask, spacing)
        part = 0.5 + 0.5 * (order + 1) / len(found)
        yield Preparing("measuring", done + int(part * unit.shape[0]), total)
    return found[:, 0], found[:, 1], missing


def _masks(unit: _Unit, sums: Sums, read: int) -> Iterator[tuple[int, npt.NDArray[np.bool_] | None]]:
    """Give every cell within its bounding box; None for those whose box is too large.

    Cells that lie in the same rows are cut from one reading of them.
    """
    row = math.prod(unit.shape[1:])
    across = tuple(slice(0, n) for n in unit.shape[1:])
    window, start, stop = None, 0, 0
    for i in np.argsort(sums.low[:, 0], kind="stable").tolist():
        box = tuple(slice(a, b + 1) for a, b in zip(sums.low[i].tolist(), sums.high[i].tolist(), strict=True))
        if math.prod(s.stop - s.start for s in box) > read:
            yield i, None
        elif (box[0].stop - box[0].start) * row > read:
            yield i, unit.labels(box) == sums.ids[i]
        else:
            if window is None or box[0].stop > stop:
                start, stop = box[0].start, min(unit.shape[0], max(box[0].stop, box[0].start + read // row))
                window = unit.labels((slice(start, stop), *across))
            inside = (slice(box[0].start - start, box[0].stop - start), *box[1:])
            yield i, window[inside] == sums.ids[i]


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Put shape before neighbours: what tells most comes first."""
    shape = [c for c in table.columns if c.startswith(("perimeter", "surface")) or c == "solidity"]
    others = [c for c in table.columns if c not in shape]
    at = others.index("extent")
    return table[[*others[:at], *shape, *others[at:]]]
