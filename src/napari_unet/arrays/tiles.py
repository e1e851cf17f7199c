"""Tile geometry: integers per axis, then their product, so that 2D and 3D are one piece of code.

Along one axis of length ``size``, padded at its end to a multiple of the network's stride::

    0        inner.start          inner.stop       size  padded
    |------------|====================|--------------|....|
             |...|   kept by this tile |...|
          outer.start              outer.stop         (halo = context that is computed and thrown away)

Tiled equals whole if every outer start is a multiple of the stride (pooling then sees the same groups of
pixels) and the halo covers the radius of the receptive field. At the image's border the tile ends where the
image ends, so that the network's own zero padding is the same as for the whole image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from napari_unet.errors import UserError


@dataclass(frozen=True)
class Span:
    """A tile along one axis: ``[outer_start, outer_stop)`` is computed, ``[start, stop)`` is kept."""

    outer_start: int
    outer_stop: int
    start: int
    stop: int

    @property
    def kept(self) -> slice:
        """What is kept, in coordinates of the tile."""
        return slice(self.start - self.outer_start, self.stop - self.outer_start)


Tile = tuple[Span, ...]


def round_up(value: int, multiple: int) -> int:
    """Round up to a multiple.

    Examples
    --------
    >>> round_up(44, 8), round_up(48, 8)
    (48, 48)
    """
    return -(-value // multiple) * multiple


def cut_axis(size: int, tile: int, halo: int, stride: int) -> list[Span]:
    """Cut one axis into spans of nearly equal length.

    Parameters
    ----------
    size
        Length of the axis.
    tile
        Largest length of an input tile, halo included.
    halo
        Context on both sides, a multiple of ``stride``.
    stride
        Alignment of the network (2^depth).

    Raises
    ------
    UserError
        If the tile has no room for anything but its halo.

    Examples
    --------
    >>> [(s.outer_start, s.outer_stop, s.start, s.stop) for s in cut_axis(20, 16, 4, 4)]
    [(0, 12, 0, 8), (4, 20, 8, 16), (12, 20, 16, 20)]
    """
    padded = round_up(size, stride)
    if padded <= tile:
        return [Span(0, padded, 0, size)]
    core = (tile - 2 * halo) // stride * stride
    if core < stride:
        least = 2 * halo + stride
        raise UserError(f"a tile of {tile} has no room beside its halo of {halo}; use a tile of at least {least}")
    count = -(-size // core)
    core = round_up(-(-size // count), stride)
    starts = range(0, size, core)
    return [Span(max(0, s - halo), min(padded, s + core + halo), s, min(size, s + core)) for s in starts]


def around(position: int, size: int, halo: int, stride: int) -> Span:
    """Give the shortest span on the grid that computes one position; arguments as in `cut_axis`.

    Examples
    --------
    >>> around(9, 20, 4, 4)
    Span(outer_start=4, outer_stop=16, start=9, stop=10)
    """
    first = position // stride * stride
    last = min(round_up(size, stride), first + stride + halo)
    return Span(max(0, first - halo), last, position, position + 1)


def cut(shape: Sequence[int], tile: Sequence[int], halo: Sequence[int], stride: Sequence[int]) -> list[Tile]:
    """Cut a plane or volume into tiles; arguments as in `cut_axis`, one entry per axis."""
    axes = [cut_axis(*along) for along in zip(shape, tile, halo, stride, strict=True)]
    return list(product(*axes))


def choose_tile(
    shape: Sequence[int], halo: Sequence[int], stride: Sequence[int], budget: int, largest: int | None = None
) -> tuple[int, ...]:
    """Choose a tile size: the whole shape if it fits, else its longest axes are halved until it does.

    Parameters
    ----------
    shape, halo, stride
        Per axis, as in `cut_axis`.
    budget
        Largest number of pixels (voxels) in an input tile, halo included.
    largest
        Largest length per axis, if the user set one.

    Examples
    --------
    >>> choose_tile((4096, 4096), (48, 48), (8, 8), 1024 * 1024)
    (1024, 1024)
    """
    least = [2 * h + s for h, s in zip(halo, stride, strict=True)]
    tile = [round_up(n, s) for n, s in zip(shape, stride, strict=True)]
    if largest is not None:
        tile = [min(t, max(largest // s * s, s)) for t, s in zip(tile, stride, strict=True)]
    while _volume(tile) > budget:
        axis = max(range(len(tile)), key=lambda a: tile[a] / least[a])
        smaller = max(least[axis], round_up(tile[axis] // 2, stride[axis]))
        if smaller >= tile[axis]:
            break
        tile[axis] = smaller
    return tuple(tile)


def _volume(shape: Sequence[int]) -> int:
    volume = 1
    for n in shape:
        volume *= n
    return volume
