"""Tile geometry: integers per axis, then their product, so that 2D and 3D are one piece of code.

Along one axis of length ``size``, padded at its end to a multiple of the network's stride::

    0        inner.start          inner.stop       size  padded
    |------------|====================|--------------|....|
             |...|   kept by this tile |...|
          outer.start              outer.stop         (halo = context that is computed and thrown away)

Tiled equals whole if every outer start is a multiple of the stride (pooling then sees the same groups of
pixels) and the halo covers the radius of the receptive field. At the image's border the tile ends where the
image ends, so that the network's own zero padding is the same as for the whole image.

A network with valid convolutions gives less than it takes: ``margin`` pixels fewer on each side. Its tiles reach
that far beyond what is kept, beyond the image's border as well (where the image is mirrored: the overlap-tile
strategy of Ronneberger et al. 2015), and all have the same size.
"""

from __future__ import annotations

import math
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
    margin: int = 0
    """What a valid network takes away from each side."""

    @property
    def kept(self) -> slice:
        """What is kept, in coordinates of the network's output."""
        first = self.outer_start + self.margin
        return slice(self.start - first, self.stop - first)


Tile = tuple[Span, ...]


def round_up(value: int, multiple: int) -> int:
    """Round up to a multiple.

    Examples
    --------
    >>> round_up(44, 8), round_up(48, 8)
    (48, 48)
    """
    return -(-value // multiple) * multiple


@dataclass(frozen=True)
class Fit:
    """What a network needs of its tiles along one axis."""

    stride: int
    """Alignment (the product of the poolings)."""
    halo: int
    """Context on both sides, a multiple of ``stride``; not used by valid networks, whose margin is their halo."""
    margin: int = 0
    """What a valid network takes away from each side; 0 for a padded one."""
    rest: int = 0
    """Valid networks: the output's length is a multiple of the stride plus this."""

    @property
    def surplus(self) -> int:
        """Pixels of a tile in the middle of the image that are computed but not kept."""
        return 2 * self.margin + self.rest if self.margin else 2 * self.halo

    @property
    def least(self) -> int:
        """Length of the smallest tile that keeps anything."""
        return self.surplus + self.stride

    def whole(self, size: int) -> int:
        """Length of the tile that holds a whole axis."""
        return round_up(size, self.stride) + (self.surplus if self.margin else 0)


def cut_axis(size: int, tile: int, fit: Fit) -> list[Span]:
    """Cut one axis into spans of nearly equal length.

    Parameters
    ----------
    size
        Length of the axis.
    tile
        Largest length of an input tile, halo included.
    fit
        What the network needs.

    Raises
    ------
    UserError
        If the tile has no room for anything but its halo.

    Examples
    --------
    >>> [(s.outer_start, s.outer_stop, s.start, s.stop) for s in cut_axis(20, 16, Fit(stride=4, halo=4))]
    [(0, 12, 0, 8), (4, 20, 8, 16), (12, 20, 16, 20)]

    The published U-Net: 572 pixels give 388, of which 384 lie on the grid of 16.

    >>> [(s.outer_start, s.outer_stop, s.kept) for s in cut_axis(512, 572, Fit(16, 96, margin=92, rest=4))]
    [(-92, 352, slice(0, 256, None)), (164, 608, slice(0, 256, None))]
    """
    padded = round_up(size, fit.stride)
    if fit.whole(size) <= tile:
        core = padded
    else:
        most = (tile - fit.surplus) // fit.stride * fit.stride
        if most < fit.stride:
            raise UserError(
                f"a tile of {tile} has no room beside its halo of {fit.margin or fit.halo}; "
                f"use a tile of at least {fit.least}"
            )
        core = round_up(-(-size // -(-size // most)), fit.stride)
    return [_span(start, min(size, start + core), start, core, padded, fit) for start in range(0, size, core)]


def _span(start: int, stop: int, first: int, core: int, padded: int, fit: Fit) -> Span:
    """Span that keeps ``start`` to ``stop``, a part of the ``core`` pixels from ``first`` on."""
    if fit.margin:
        return Span(first - fit.margin, first + core + fit.rest + fit.margin, start, stop, fit.margin)
    return Span(max(0, first - fit.halo), min(padded, first + core + fit.halo), start, stop)


def around(position: int, size: int, fit: Fit) -> Span:
    """Give the shortest span on the grid that computes one position; arguments as in `cut_axis`.

    Examples
    --------
    >>> around(9, 20, Fit(stride=4, halo=4))
    Span(outer_start=4, outer_stop=16, start=9, stop=10, margin=0)
    """
    first = position // fit.stride * fit.stride
    return _span(position, position + 1, first, fit.stride, round_up(size, fit.stride), fit)


def cut(shape: Sequence[int], tile: Sequence[int], fits: Sequence[Fit]) -> list[Tile]:
    """Cut a plane or volume into tiles; arguments as in `cut_axis`, one entry per axis."""
    axes = [cut_axis(*along) for along in zip(shape, tile, fits, strict=True)]
    return list(product(*axes))


def choose_tile(
    shape: Sequence[int], fits: Sequence[Fit], budget: int, largest: int | None = None
) -> tuple[int, ...]:
    """Choose a tile size: the whole shape if it fits, else its longest axes are halved until it does.

    Parameters
    ----------
    shape, fits
        Per axis, as in `cut_axis`.
    budget
        Largest number of pixels (voxels) in an input tile, halo included.
    largest
        Largest length per axis, if the user set one.

    Examples
    --------
    >>> choose_tile((4096, 4096), [Fit(stride=8, halo=48)] * 2, 1024 * 1024)
    (1024, 1024)
    """
    tile = [f.whole(n) for n, f in zip(shape, fits, strict=True)]
    if largest is not None:
        tile = [min(t, largest) for t in tile]
    while math.prod(tile) > budget:
        axis = max(range(len(tile)), key=lambda a: tile[a] / fits[a].least)
        smaller = max(fits[axis].least, round_up(tile[axis] // 2, fits[axis].stride))
        if smaller >= tile[axis]:
            break
        tile[axis] = smaller
    return tuple(tile)
