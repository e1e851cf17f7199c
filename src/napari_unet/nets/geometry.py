"""What a network needs of its input: alignment, receptive field, exact halo, margin. Computed, not measured.

A U-shaped network is described per axis by its levels. What an output pixel depends on is then interval
arithmetic: a convolution widens an interval, pooling and up-sampling change its scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_unet.arrays.tiles import round_up

Interval = tuple[int, int]
"""First and last position, both included."""


def conv(kernel: int, times: int = 1) -> Interval:
    """Tell the inputs that an output of some convolutions with an odd kernel depends on, relative to it.

    Examples
    --------
    >>> conv(3, times=2)
    (-2, 2)
    """
    return -(kernel // 2) * times, kernel // 2 * times


@dataclass(frozen=True)
class Level:
    """One level of a U-shaped network along one axis. Positions are in pixels of the level."""

    encoder: Interval
    """What the convolutions on the way down look at, relative to their output."""
    decoder: Interval = (0, 0)
    """The same for those on the way up, after the join."""
    stride: int = 1
    """How many pixels the next level makes one of."""
    down: Interval | None = None
    """Pixels behind the first pixel of the next level; None: the ``stride`` pixels that it covers."""
    up: Interval = (0, 0)
    """What a convolution after up-sampling to this level looks at."""

    @property
    def pooled(self) -> Interval:
        """Pixels behind the first pixel of the next level."""
        return (0, self.stride - 1) if self.down is None else self.down


@dataclass(frozen=True)
class Axis:
    """A network along one axis: its levels from the top, and whether its convolutions are valid (not padded)."""

    levels: tuple[Level, ...]
    valid: bool = False

    @property
    def stride(self) -> int:
        """Alignment of tiles: the product of the poolings."""
        return math.prod(level.stride for level in self.levels)

    @property
    def halo(self) -> int:
        """Context that makes aligned tiles exact, a multiple of the stride.

        What is kept of a tile starts and ends on the grid of the stride, so only the first and the last pixel of
        a cell of that grid count, not every phase as in `reach`.
        """
        low, high = self._needs(0, (0, self.stride - 1))
        return round_up(max(-low, high - self.stride + 1), self.stride)

    @property
    def reach(self) -> int:
        """Farthest that any output pixel looks to either side."""
        spans = [(p, self._needs(0, (p, p))) for p in range(self.stride)]
        return max(max(p - low, high - p) for p, (low, high) in spans)

    @property
    def margin(self) -> int:
        """Pixels that valid convolutions take from each side of the input; 0 for padded ones."""
        if not self.valid:
            return 0
        total, scale = 0, 1
        for level in self.levels:
            total += scale * (level.encoder[1] + level.decoder[1])
            scale *= level.stride
        return total

    def output_length(self, length: int) -> int | None:
        """Output length for an input length; None if the network cannot take it."""
        if not self.valid:
            return length if length % self.stride == 0 else None
        skips = []
        for level in self.levels[:-1]:
            length -= 2 * level.encoder[1]
            skips.append(level)
            if length <= 0 or length % level.stride:
                return None
            length //= level.stride
        length -= 2 * self.levels[-1].encoder[1]
        for level in reversed(skips):
            length = length * level.stride - 2 * level.decoder[1]
        return length if length > 0 else None

    def input_length(self, wanted: int) -> int:
        """Shortest input length whose output has at least ``wanted`` pixels."""
        length = wanted + 2 * self.margin
        while (self.output_length(length) or 0) < wanted:
            length += 1
        return length

    def _needs(self, n: int, wanted: Interval) -> Interval:
        """Input pixels behind ``wanted`` pixels of the decoder at level ``n``."""
        level = self.levels[n]
        if n == len(self.levels) - 1:
            return self._encoder_needs(n, wanted)
        joined = _widen(wanted, level.decoder)
        skip = self._encoder_needs(n, joined)
        up = _widen(joined, level.up)
        below = self._needs(n + 1, (up[0] // level.stride, up[1] // level.stride))
        return min(skip[0], below[0]), max(skip[1], below[1])

    def _encoder_needs(self, n: int, wanted: Interval) -> Interval:
        low, high = _widen(wanted, self.levels[n].encoder)
        if n == 0:
            return low, high
        above = self.levels[n - 1]
        first, last = above.pooled
        return self._encoder_needs(n - 1, (above.stride * low + first, above.stride * high + last))


def _widen(interval: Interval, by: Interval) -> Interval:
    return interval[0] + by[0], interval[1] + by[1]


@dataclass(frozen=True)
class Geometry:
    """A network's geometry: one `Axis` per axis of its input."""

    axes: tuple[Axis, ...]

    @property
    def stride(self) -> tuple[int, ...]:
        """Alignment of tiles per axis, pixels."""
        return tuple(a.stride for a in self.axes)

    @property
    def halo(self) -> tuple[int, ...]:
        """Exact halo per axis, pixels; see `Axis.halo`."""
        return tuple(a.halo for a in self.axes)

    @property
    def margin(self) -> tuple[int, ...]:
        """Pixels per side that valid convolutions take away."""
        return tuple(a.margin for a in self.axes)

    @property
    def context(self) -> tuple[int, ...]:
        """Pixels around a tile that make it exact: the margin of a valid network, else the halo."""
        return tuple(a.margin or a.halo for a in self.axes)

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """Sides of the centred box that holds whatever an output pixel of any phase depends on, pixels."""
        return tuple(2 * a.reach + 1 for a in self.axes)

    def input_shape(self, wanted: Sequence[int]) -> tuple[int, ...]:
        """Smallest input whose output covers ``wanted`` pixels per axis."""
        return tuple(a.input_length(n) for a, n in zip(self.axes, wanted, strict=True))

    def output_shape(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """Output for an input; None if the network cannot take it."""
        found = [a.output_length(n) for a, n in zip(self.axes, shape, strict=True)]
        return None if None in found else tuple(n for n in found if n is not None)


def u_shape(
    depth: int, *, kernel: int = 3, valid: bool = False, up: Interval = (0, 0), head: Interval = (0, 0)
) -> Axis:
    """Two convolutions per level down and up, pooling by 2: an axis of the classical U-Net.

    Parameters
    ----------
    depth
        Number of poolings.
    kernel
        Of the convolutions, odd.
    valid
        Convolutions without padding.
    up
        What a convolution after up-sampling looks at.
    head
        What the last layers look at, after the last join's convolutions.

    Examples
    --------
    >>> u_shape(4, valid=True).margin, u_shape(4, valid=True).output_length(572)
    (92, 388)
    >>> [u_shape(d).halo for d in (3, 4, 5)]
    [48, 96, 192]
    """
    twice = conv(kernel, 2)
    levels = [Level(twice, twice, 2, up=up) for _ in range(depth)]
    levels[0] = Level(twice, _widen(twice, head), 2, up=up)
    return Axis((*levels, Level(twice)), valid)
