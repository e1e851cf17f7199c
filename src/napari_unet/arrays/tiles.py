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
strategy of Ronneberger et al. 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

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
    def outer_length(self) -> int:
        """Pixels that are computed."""
        return self.outer_stop - self.outer_start

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


def cut_axis(size: int, tile: int, fit: Fit, within: tuple[int, int] | None = None) -> list[Span]:
    """Cut one axis into as few spans as will do, which are all of one length.

    Parameters
    ----------
    size
        Length of the axis.
    tile
        Largest length of an input tile, halo included.
    fit
        What the network needs.
    within
        Only this part (start, stop) is kept; None: everything.

    Raises
    ------
    UserError
        If the tile has no room for anything but its halo.

    Examples
    --------
    >>> [(s.outer_start, s.outer_stop, s.start, s.stop) for s in cut_axis(28, 20, Fit(stride=4, halo=4))]
    [(0, 20, 0, 16), (8, 28, 16, 28)]
    >>> cut_axis(20, 16, Fit(stride=4, halo=4), within=(9, 11))
    [Span(outer_start=4, outer_stop=16, start=9, stop=11, margin=0)]

    The published U-Net: 572 pixels give 388, of which 384 lie on the grid of 16.

    >>> [(s.outer_start, s.outer_stop, s.kept) for s in cut_axis(512, 572, Fit(16, 96, margin=92, rest=4))]
    [(-92, 352, slice(0, 256, None)), (164, 608, slice(0, 256, None))]
    """
    begin, end = within or (0, size)
    whole = _whole(begin, end, size, fit)
    if whole.outer_length <= tile:
        return [whole]
    if tile < fit.least:
        raise UserError(
            f"a tile of {tile} has no room beside its halo of {fit.margin or fit.halo}; "
            f"use a tile of at least {fit.least}"
        )
    count, length = _equal(whole.outer_length, -(-(whole.outer_length - fit.surplus) // _step(tile, fit)), fit)
    step, first, last = length - fit.surplus, whole.outer_start, whole.outer_stop - length
    edges = [begin, *(first + (fit.margin or fit.halo) + n * step for n in range(1, count)), end]
    starts = [min(first + n * step, last) for n in range(count)]
    return [Span(at, at + length, *kept, fit.margin) for at, kept in zip(starts, pairwise(edges), strict=True)]


def _step(tile: int, fit: Fit) -> int:
    """Distance of tiles that lie side by side."""
    return (tile - fit.surplus) // fit.stride * fit.stride


def _equal(whole: int, count: int, fit: Fit) -> tuple[int, int]:
    """Tell number and length of equal tiles that cover ``whole`` pixels: ``count``, or fewer by rounding."""
    step = round_up(-(-(whole - fit.surplus) // count), fit.stride)
    return -(-(whole - fit.surplus) // step), step + fit.surplus


def _whole(start: int, stop: int, size: int, fit: Fit) -> Span:
    """Span that keeps a part of an axis whole."""
    first, last = start // fit.stride * fit.stride, round_up(stop, fit.stride)
    if fit.margin:
        return Span(first - fit.margin, last + fit.rest + fit.margin, start, stop, fit.margin)
    return Span(max(0, first - fit.halo), min(round_up(size, fit.stride), last + fit.halo), start, stop)


def cut(
    shape: Sequence[int],
    tile: Sequence[int],
    fits: Sequence[Fit],
    within: Sequence[tuple[int, int]] | None = None,
) -> list[Tile]:
    """Cut a plane or volume into tiles; arguments as in `cut_axis`, one entry per axis."""
    parts = within or [(0, n) for n in shape]
    axes = [cut_axis(*along) for along in zip(shape, tile, fits, parts, strict=True)]
    return list(product(*axes))


def halve(tile: Tile, shape: Sequence[int], fits: Sequence[Fit]) -> list[Tile]:
    """Cut a tile into smaller ones that need nothing beyond it; none if it is the smallest that there is.

    Parameters
    ----------
    tile
        Of an image of ``shape``.
    shape, fits
        Per axis, as in `cut_axis`.

    Examples
    --------
    >>> (tile,) = cut((64,), (64,), [Fit(stride=4, halo=8)])
    >>> [(s.outer_start, s.outer_stop) for (s,) in halve(tile, (64,), [Fit(stride=4, halo=8)])]
    [(0, 32), (16, 48), (32, 64)]
    """
    lengths = [s.outer_length for s in tile]
    axis = max(range(len(tile)), key=lambda a: lengths[a] / fits[a].least)
    lengths[axis] = max(fits[axis].least, round_up(lengths[axis] // 2, fits[axis].stride))
    pieces = cut(shape, lengths, fits, [(s.start, s.stop) for s in tile])
    smaller = len(pieces) > 1 or pieces[0][axis].outer_length < tile[axis].outer_length
    return pieces if smaller else []


PER_TILE = 4096
"""What a tile costs beside its pixels, in pixels: calls, reading, writing."""


@dataclass(frozen=True)
class _Way:
    """A way to cut one axis: length of a block, longest tile, and pixels computed in all."""

    block: int
    tile: int
    computed: int
    count: int


def choose_blocks(
    within: Sequence[tuple[int, int]],
    shape: Sequence[int],
    fits: Sequence[Fit],
    budget: int,
    *,
    largest: int | None = None,
    multiples: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Choose the lengths of blocks, one tile each, so that the least is computed in vain.

    Parameters
    ----------
    within
        What is to be cut, (start, stop) per axis; blocks begin at its start.
    shape, fits
        Per axis, as in `cut_axis`.
    budget
        Largest number of pixels (voxels) in an input tile, halo included.
    largest
        Largest length of an input tile, if the user set one.
    multiples
        Of which the blocks must be, per axis, because they are written into chunks of this length.

    Returns
    -------
    tuple
        The whole length along an axis that is not cut. If nothing fits the budget, the smallest blocks.

    Raises
    ------
    UserError
        If ``largest`` has no room for the halo.

    Examples
    --------
    >>> choose_blocks([(0, 2048)] * 2, (2048, 2048), [Fit(stride=8, halo=48)] * 2, 1024 * 1024)
    (1024, 688)
    >>> choose_blocks([(0, 500), (0, 700)], (500, 700), [Fit(stride=8, halo=48)] * 2, 10**6)
    (500, 700)
    """
    ways = [
        _ways(part, size, fit, largest, multiple)
        for part, size, fit, multiple in zip(within, shape, fits, multiples or [1] * len(shape), strict=True)
    ]
    return tuple(along.block for along in _best(ways, budget))


def choose_tile(
    within: Sequence[tuple[int, int]],
    shape: Sequence[int],
    fits: Sequence[Fit],
    budget: int,
    *,
    largest: int | None = None,
) -> tuple[int, ...]:
    """Choose the lengths of the tiles of one block, all of one shape, so that the least is computed in vain.

    Takes and raises the same as `choose_blocks`.

    Examples
    --------
    >>> choose_tile([(0, 2048)] * 2, (2048, 2048), [Fit(stride=8, halo=48)] * 2, 1024 * 1024)
    (1072, 752)
    """
    ways = [_cuts(part, size, fit, largest) for part, size, fit in zip(within, shape, fits, strict=True)]
    return tuple(along.tile for along in _best(ways, budget))


def _best(ways: Sequence[list[_Way]], budget: int) -> tuple[_Way, ...]:
    """Choose a way for every axis; if nothing fits the budget, the one with the smallest tiles."""
    found = [w for w in product(*ways) if math.prod(along.tile for along in w) <= budget]
    return min(found, key=_cost) if found else tuple(min(along, key=lambda w: w.tile) for along in ways)


def _cost(ways: Sequence[_Way]) -> tuple[int, int]:
    """Pixels that are computed, and what tiles cost beside them; of equals, the one with the squarest tiles."""
    count = math.prod(along.count for along in ways)
    return math.prod(along.computed for along in ways) + PER_TILE * count, max(along.tile for along in ways)


def _cuts(part: tuple[int, int], size: int, fit: Fit, largest: int | None) -> list[_Way]:
    """List ways to cut an axis into tiles of one block, from a single tile to the smallest ones."""
    whole = _whole(*part, size, fit).outer_length
    ways, count = [_Way(part[1] - part[0], whole, whole, 1)], 1
    while ways[-1].tile > fit.least:
        count = max(count + 1, int(1.08 * count))
        number, length = _equal(whole, count, fit)
        ways.append(_Way(part[1] - part[0], length, number * length, number))
    if largest is None:
        return ways
    spans = cut_axis(size, largest, fit, part)
    longest = _Way(part[1] - part[0], spans[0].outer_length, len(spans) * spans[0].outer_length, len(spans))
    return [longest, *(w for w in ways if w.tile < longest.tile)]


def _ways(part: tuple[int, int], size: int, fit: Fit, largest: int | None, multiple: int) -> list[_Way]:
    """List ways to cut an axis, from one block to the smallest ones."""
    extent, step = part[1] - part[0], math.lcm(fit.stride, multiple)
    ways: list[_Way] = []
    block, count = extent, 1
    while True:
        spans = [_whole(at, min(part[1], at + block), size, fit) for at in range(part[0], part[1], block)]
        longest = max(s.outer_length for s in spans)
        if largest is None or longest <= largest:
            ways.append(_Way(block, longest, sum(s.outer_length for s in spans), len(spans)))
        if block <= step:
            break
        count = max(count + 1, int(1.08 * count))  # neighbours among many small ones hardly differ
        block = min(block - 1, round_up(-(-extent // count), step)) // step * step
    if not ways and largest is not None:  # chunks are longer than a tile may be: several tiles for each
        spans = cut_axis(size, largest, fit, part)
        computed = sum(s.outer_length for s in spans)
        ways = [_Way(block, max(s.outer_length for s in spans), computed, len(spans))]
    return ways
