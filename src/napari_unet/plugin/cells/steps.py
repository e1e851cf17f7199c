"""What is done to cells: each function writes one step into the history of their layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from skimage.draw import line as line_between

from napari_unet.arrays import correcting
from napari_unet.errors import UserError
from napari_unet.plugin.cells.accepted import CellKey, accepted_in
from napari_unet.plugin.cells.stack import Body, Box, Cells, CellStack, Place
from napari_unet.plugin.words import count


def cell_at(stack: CellStack, place: Place) -> int:
    """Return the number of the cell at a place.

    Raises
    ------
    UserError
        If there is none.
    """
    number = stack.number(place)
    if number == 0:
        raise UserError("there is no cell here: point at one")
    return number


def merge(stack: CellStack, first: Place, number: int, place: Place) -> str:
    """Give the cell at a place the number of another one; tells what was done.

    Parameters
    ----------
    stack
        The cells.
    first, number
        Where the other one is, and its number.
    place
        Where the cell is that is merged into it.

    Raises
    ------
    UserError
        If there is no cell, or it is of another slice or time.
    """
    other = cell_at(stack, place)
    if stack.key(first, 0) != stack.key(place, 0):
        raise UserError("the two cells are of different slices or times: click at cells of one and the same")
    body = stack.body(place, other)
    box = stack.wider(body.box, 2)
    now = stack.crop(place.t, box)
    new = correcting.merged(now, number, other)
    touching = correcting.hang_together(new == number, now == number, now == other)
    lost = _write(stack, place, box, new, [body.key, stack.key(place, number)])
    return f"Merged cell {other} into cell {number}.{'' if touching else ' They do not touch.'}{lost}"


def split(stack: CellStack, places: Sequence[Place], number: int) -> set[int]:
    """Cut a cell by seeds at some places of it; returns the numbers of the parts.

    Raises
    ------
    UserError
        If fewer than two parts come of it.
    """
    body = stack.body(places[0], number)
    seeds = np.zeros(body.mask.shape, np.int32)
    for value, place in enumerate(places, start=1):
        seeds[tuple(i - s.start for i, s in zip((place.z, place.y, place.x), body.box, strict=True))] = value
    return _cut(stack, places[-1], body, seeds)


def split_by_line(stack: CellStack, place: Place, corners: npt.NDArray[np.float64]) -> tuple[int, set[int]]:
    """Cut the cell that a line crosses; returns its number, and those of the parts.

    Parameters
    ----------
    stack
        The cells.
    place
        In the slice in which the line is; in a volume the parts beside it are the seeds.
    corners
        Of the line, (row, column).

    Raises
    ------
    UserError
        If it crosses none.
    """
    plane = stack.plane(place.t, place.z)
    number, sides = correcting.cut_by(plane, drawn(corners, plane.shape))
    body = stack.body(place, number)
    seeds = np.zeros(body.mask.shape, np.int32)
    seeds[place.z - body.box[0].start] = sides[body.box[1:]]
    return number, _cut(stack, place, body, seeds)


def _cut(stack: CellStack, place: Place, body: Body, seeds: npt.NDArray[np.int32]) -> set[int]:
    """Cut a cell; the largest part keeps its number."""
    parts = correcting.split(body.mask, seeds, stack.boundary(place.t, body.box), stack.spacing)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    free, number = stack.next_number(place), body.key[2]
    others = [p for p in range(1, len(sizes)) if p != sizes.argmax()]
    numbers = np.full(len(sizes), number, np.int64)
    numbers[others] = np.arange(free, free + len(others))
    now = stack.crop(place.t, body.box)
    _write(stack, place, body.box, np.where(body.mask, numbers[parts], now), [body.key])
    stack.number_taken(place, int(numbers.max()))
    return {int(n) for n in numbers[1:]}


def delete(stack: CellStack, place: Place) -> str:
    """Delete the cell at a place."""
    body = stack.body(place, cell_at(stack, place))
    now = stack.crop(place.t, body.box)
    lost = _write(stack, place, body.box, np.where(body.mask, 0, now), [body.key])
    return f"Deleted cell {body.key[2]}.{lost}"


def fill(stack: CellStack, place: Place) -> str:
    """Fill the holes of the cell at a place, slice by slice; or the gap between cells that is there."""
    number = stack.number(place)
    if number == 0:
        return _fill_gap(stack, place)
    body = stack.body(place, number)
    now = stack.crop(place.t, body.box)
    free = np.stack([correcting.holes(plane, number) for plane in now])
    if not free.any():
        raise UserError(f"cell {number} has no holes")
    _write(stack, place, body.box, np.where(free, number, now), ())
    return f"Filled the holes of cell {number}: {_pixels(free)}."


def _fill_gap(stack: CellStack, place: Place) -> str:
    """Fill a gap in the slice with the only cell around it, or else with a new one."""
    plane = stack.plane(place.t, place.z)
    gap = correcting.gap_at(plane, place.y, place.x)
    if gap is None:
        raise UserError("this background is not enclosed by cells: click into a gap between them")
    around = correcting.neighbours(plane, gap)
    alone = len(around) == 1
    number = around.pop() if alone else stack.next_number(place)
    box = (slice(place.z, place.z + 1), slice(0, stack.size("Y")), slice(0, stack.size("X")))
    _write(stack, place, box, np.where(gap, number, plane)[np.newaxis], ())
    stack.number_taken(place, number)
    return f"Filled the {'hole of' if alone else 'gap with a new'} cell {number}: {_pixels(gap)}."


def _write(stack: CellStack, place: Place, box: Box, new: Cells, gone: Iterable[CellKey]) -> str:
    """Write a box as one step; cells that are not what they were are not accepted any more, which is told."""
    accepted = accepted_in(stack.layer)
    lost = {k for t, z, n in gone for k in accepted.at(t, z, n)}
    with stack.layer.block_history():
        stack.write(place.t, box, new)
        accepted.change(remove=lost)
    if not lost:
        return ""
    what = "It was" if len(lost) == 1 else f"{len(lost)} of them were"
    return f" {what} accepted, and {'is' if len(lost) == 1 else 'are'} no longer."


def _pixels(mask: npt.NDArray[np.bool_]) -> str:
    return count(int(mask.sum()), "pixel", "pixels")


def drawn(corners: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Draw a line over corners (row, column) into a mask; what lies beside is left out.

    Examples
    --------
    >>> drawn(np.array([[0.2, -1.0], [0.2, 1.0], [1.0, 2.0]]), (2, 4)).astype(int).tolist()
    [[1, 1, 0, 0], [0, 0, 1, 0]]
    """
    mask = np.zeros(shape, bool)
    points = np.round(corners).astype(int)
    for start, end in pairwise(points):
        rows, columns = line_between(*start.tolist(), *end.tolist())
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        mask[rows[inside], columns[inside]] = True
    return mask
