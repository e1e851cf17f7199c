"""What a network needs of its input: alignment, receptive field, exact halo. Computed, not measured."""

from __future__ import annotations

from napari_unet.arrays.tiles import round_up
from napari_unet.spec import NetSpec

Interval = tuple[int, int]


def stride(net: NetSpec) -> tuple[int, ...]:
    """Alignment of tiles per axis: the product of the poolings."""
    return (2**net.depth,) * net.ndim


def halo(net: NetSpec) -> tuple[int, ...]:
    """Context per axis that makes aligned tiles exact, a multiple of the stride.

    What is kept of a tile starts and ends on the grid of the stride, so only the first and the last pixel of a
    cell of that grid count, not every phase as in `receptive_field`.

    Examples
    --------
    >>> from napari_unet.spec import UNetSpec
    >>> [halo(UNetSpec(depth=d))[0] for d in (3, 4, 5)]
    [48, 96, 192]
    """
    last = 2**net.depth - 1
    low, high = _needs(net.depth, 0, (0, last))
    return tuple(round_up(max(-low, high - last), s) for s in stride(net))


def receptive_field(net: NetSpec) -> int:
    """Side of the centred square (cube) that holds whatever an output pixel of any phase depends on, in pixels."""
    reach = 0
    for pixel in range(2**net.depth):
        low, high = _needs(net.depth, 0, (pixel, pixel))
        reach = max(reach, pixel - low, high - pixel)
    return 2 * reach + 1


def _needs(depth: int, level: int, wanted: Interval) -> Interval:
    """Input pixels behind ``wanted`` pixels of the decoder at a level (two 3x3 convolutions a block)."""
    low, high = wanted
    if level == depth:
        return _encoder_needs(level, wanted)
    joined = (low - 2, high + 2)
    skip = _encoder_needs(level, joined)
    below = _needs(depth, level + 1, (joined[0] // 2, joined[1] // 2))
    return min(skip[0], below[0]), max(skip[1], below[1])


def _encoder_needs(level: int, wanted: Interval) -> Interval:
    low, high = wanted[0] - 2, wanted[1] + 2
    if level == 0:
        return low, high
    return _encoder_needs(level - 1, (2 * low, 2 * high + 1))
