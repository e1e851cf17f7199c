"""The plan of a prediction: which blocks are written, and which tiles are computed for each of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product

from napari_unet.arrays import tiles
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Range, Region, onward
from napari_unet.arrays.tiles import Fit, Tile
from napari_unet.errors import UserError
from napari_unet.learn.memory import ENOUGH
from napari_unet.nets import geometry_of
from napari_unet.nets.geometry import Axis
from napari_unet.spec import NetSpec, TilingSpec

CHUNK = 1024
"""Longest chunk of an output along Y and X; blocks consist of whole chunks."""
CHUNK_Z = 16
"""Longest chunk along Z."""
ONE_CHANNEL = (
    "; choose one: --channel, in the window Options > Channel of the dock for batches, or a layer of one channel"
)
SLICE = 4 * 1024 * 1024
"""Pixels of the largest block that is whole slices, unless the user sets the tile. Its tiles have one shape: then
the memory that one leaves fits the next."""
BATCH = 32
"""Most tiles that are computed at once."""


@dataclass(frozen=True)
class Plan:
    """A region, cut into blocks of whole chunks, each computed from one or more tiles.

    Everything is arithmetic of these few numbers, so that any process can compute any block by itself.
    """

    region: Region
    """What is predicted."""
    size: tuple[int, int, int]
    """The image's lengths along Z, Y, X."""
    block: tuple[int, int, int]
    """Lengths of a block along Z, Y, X; the last ones along an axis may be shorter."""
    tile: tuple[int, int, int]
    """Largest lengths of an input tile, halo included."""
    fits: tuple[Fit, Fit, Fit]
    """What the network needs of a tile along each axis."""
    ndim: int
    """2: every slice by itself, 3: volumes."""
    batch: int = 1
    """Tiles computed at once."""

    def __len__(self) -> int:
        return math.prod(self.counts)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Number of blocks along T, Z, Y, X."""
        lengths = (1, *self.block)
        t, z, y, x = (-(-n // b) for n, b in zip(self.region.shape, lengths, strict=True))
        return t, z, y, x

    def block_at(self, number: int) -> Region:
        """Where a block lies in the image; T runs slowest, X fastest."""
        ranges: list[Range] = []
        for (start, stop), length, count in zip(
            reversed(self.region.ranges), (*reversed(self.block), 1), reversed(self.counts), strict=True
        ):
            number, at = divmod(number, count)
            first = start + at * length
            ranges.append((first, min(stop, first + length)))
        return Region(*reversed(ranges))

    def numbers_from(self, view: tuple[int, int]) -> list[int]:
        """Order the blocks for someone who looks at a plane (t, z): from there on, then what is before it.

        Each axis for itself, where the plane lies in the region: at every time its z comes first.
        """
        many_t, many_z, *plane = self.counts
        t, z = (at - start for at, (start, _) in zip(view, self.region.ranges[:2], strict=True))
        orders = onward((0, many_t), t), onward((0, many_z), z // self.block[0]), range(math.prod(plane))
        return [(t * many_z + z) * math.prod(plane) + n for t, z, n in product(*orders)]

    def tiles_of(self, block: Region) -> list[Tile]:
        """Tiles (Z, Y, X) that together keep a block."""
        return tiles.cut(self.size, self.tile, self.fits, block.ranges[1:])

    def batches_of(self, block: Region) -> Iterator[list[Tile]]:
        """Yield the tiles of a block, those of one shape together."""
        for _, same in groupby(self.tiles_of(block), key=lambda tile: [s.outer_length for s in tile]):
            alike = list(same)
            for first in range(0, len(alike), self.batch):
                yield alike[first : first + self.batch]

    @property
    def total(self) -> int:
        """Number of tiles in all."""
        return self.counts[0] * sum(len(self.tiles_of(b)) for b in self._of_first_time())

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Lengths of the chunks of an output, along Z, Y, X: a block consists of whole ones."""
        z, y, x = self.block
        thick = math.gcd(z, CHUNK_Z) if z < self.region.shape[1] else min(z, CHUNK_Z)
        return thick if self.ndim == 3 else 1, -(-y // _parts(y)), -(-x // _parts(x))

    @property
    def computed(self) -> int:
        """Pixels computed for every time, halos included."""
        found = (tile for b in self._of_first_time() for tile in self.tiles_of(b))
        return sum(math.prod(s.outer_length for s in tile) for tile in found)

    def _of_first_time(self) -> Iterator[Region]:
        return (self.block_at(n) for n in range(len(self) // self.counts[0]))


def _parts(length: int) -> int:
    """Count the chunks, not longer than `CHUNK`, that a block consists of."""
    return -(-length // CHUNK)


def _of_whole_chunks(core: int, extent: int, stride: int) -> int:
    """Shorten a block, unless it is the only one along its axis, so that equal chunks make it up.

    Examples
    --------
    >>> _of_whole_chunks(928, 4096, 8), _of_whole_chunks(3082, 43125, 2), _of_whole_chunks(1500, 1500, 8)
    (928, 3080, 1500)
    """
    step = _parts(core) * stride
    return core if core >= extent else max(step, core // step * step)


def check_tile(image: Image, net: NetSpec, tiling: TilingSpec, region: Region) -> None:
    """Raise `UserError` if the image or the tile does not fit the network; of ``auto`` with the least halo."""
    make_plan(image, net, tiling, region, halo=(0, 0, 0) if tiling.halo == "auto" else None)


def make_plan(
    image: Image,
    net: NetSpec,
    tiling: TilingSpec,
    region: Region | None = None,
    *,
    halo: Sequence[int] | None = None,
    budget: int | None = None,
    batch: int = 1,
    planes: bool = False,
    chunks: Sequence[int] = (1, 1, 1),
) -> Plan:
    """Plan a prediction.

    Parameters
    ----------
    image
        What will be predicted.
    net
        Its geometry rules alignment and halo.
    tiling
        Tile and halo as the user wants them; ``auto`` counts as exact unless ``halo`` is given.
    region
        What is predicted of the image; None: everything.
    halo
        Along Z, Y, X, in place of the network's exact one (padded networks only).
    budget
        Pixels (voxels) of an input tile; None: what pays on a CPU.
    batch
        Slices of a 2D network in a block, computed at once.
    planes
        A block has to hold a whole slice (2D networks) or volume of the region, since cells are made of it.
    chunks
        Lengths along Z, Y, X of which blocks have to consist.

    Raises
    ------
    UserError
        If the channels differ from the network's, or the tile is too small for its halo.
    """
    if image.size("C") != net.in_channels:
        cure = ONE_CHANNEL if net.in_channels == 1 else ""
        raise UserError(f"the model needs {_channels(net.in_channels)}, {image.name} has {image.size('C')}{cure}")
    region = region or Region.of(image)
    size = image.shape[2:]
    axes = geometry_of(net).axes
    fits = [_fit(axis, tiling, None if halo is None else halo[a - net.ndim]) for a, axis in enumerate(axes)]
    within, shape = region.ranges[-net.ndim :], size[-net.ndim :]
    budget = ENOUGH[net.ndim] if budget is None else budget
    whole, block = region.shape[1:], tuple(stop - start for start, stop in within)
    in_one = net.ndim == 2 and tiling.tile is None and math.prod(block) * chunks[0] <= SLICE
    if planes or in_one:
        lengths = tiles.choose_tile(within, shape, fits, budget, largest=tiling.tile)
    else:
        block = _choose_blocks(within, shape, fits, budget, tiling.tile, chunks[-net.ndim :])
        lengths = _longest(within, shape, fits, block, tiling.tile)
    together = max(1, min(batch, budget // math.prod(lengths)))
    if net.ndim == 2:
        alone = not planes and block == whole[1:] and len(tiles.cut(shape, lengths, fits, within)) == 1
        fits, lengths, block = [Fit(1, 0), *fits], (1, *lengths), (together if alone else 1, *block)
    if not planes:  # blocks of whole chunks, if need be of several tiles
        block = tuple(
            min(n, tiles.round_up(b, c)) if b < n else b for b, c, n in zip(block, chunks, whole, strict=True)
        )
    z, y, x = fits
    return Plan(region, size, _three(block), _three(lengths), (z, y, x), net.ndim, together)


def _choose_blocks(
    within: Sequence[Range],
    shape: Sequence[int],
    fits: Sequence[Fit],
    budget: int,
    largest: int | None,
    chunks: Sequence[int],
) -> tuple[int, ...]:
    """Choose lengths of blocks that consist of whole chunks, one tile each if that takes no more memory."""
    blocks = tiles.choose_blocks(within, shape, fits, budget, largest=largest)
    if max(chunks) > 1:
        aligned = tiles.choose_blocks(within, shape, fits, budget, largest=largest, multiples=chunks)
        fitting = math.prod(_longest(within, shape, fits, aligned, largest)) <= budget
        return aligned if fitting else blocks
    return tuple(
        _of_whole_chunks(core, stop - start, fit.stride)
        for core, (start, stop), fit in zip(blocks, within, fits, strict=True)
    )


def _longest(
    within: Sequence[Range], shape: Sequence[int], fits: Sequence[Fit], cores: Sequence[int], largest: int | None
) -> tuple[int, ...]:
    """Longest input tiles that blocks with these cores need."""
    found = []
    for (start, stop), size, fit, core in zip(within, shape, fits, cores, strict=True):
        parts = [(at, min(stop, at + core)) for at in range(start, stop, core)]
        limit = largest if largest is not None else max(size, core) + fit.surplus + 2 * fit.stride
        found.append(max(s.outer_length for p in parts for s in tiles.cut_axis(size, limit, fit, p)))
    return tuple(found)


def _three(lengths: Sequence[int]) -> tuple[int, int, int]:
    z, y, x = lengths
    return z, y, x


def _fit(axis: Axis, tiling: TilingSpec, halo: int | None) -> Fit:
    """Tell what tiles need along an axis: the network's exact halo, or what the user wants instead."""
    stride = axis.stride
    if axis.valid:
        rest = (axis.output_length(axis.input_length(stride)) or 0) % stride
        return Fit(stride, axis.halo, axis.margin, rest)
    if halo is None and isinstance(tiling.halo, int):
        halo = tiling.halo
    return Fit(stride, axis.halo if halo is None else min(axis.halo, tiles.round_up(halo, stride)))


def _channels(count: int) -> str:
    return f"{count} channel" + ("s" if count != 1 else "")
