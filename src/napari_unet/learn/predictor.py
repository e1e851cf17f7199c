"""The tiled predictor: reads a tile with its halo, computes it, keeps its inside. No seams, no blending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_unet.arrays import tiles
from napari_unet.arrays.axes import Image
from napari_unet.arrays.intensity import Normalisation
from napari_unet.arrays.tiles import Span, Tile
from napari_unet.errors import UserError
from napari_unet.learn.data import cut_crop
from napari_unet.learn.device import memory_format
from napari_unet.learn.inference import prepare
from napari_unet.nets import geometry_of
from napari_unet.nets.geometry import Axis
from napari_unet.nets.head import probabilities
from napari_unet.spec import NetSpec, TilingSpec

__all__ = ["BUDGET", "Piece", "Plan", "make_plan", "predict", "prepare"]

BUDGET = {2: 1024 * 1024, 3: 96 * 160 * 160}
"""Pixels (voxels) of an input tile: about where CPUs are fastest, and 1 to 2 GB for the default networks."""


@dataclass(frozen=True)
class Piece:
    """Probabilities (classes, Z, Y, X), float32, of the box ``z, y, x`` at time ``t``."""

    t: int
    z: slice
    y: slice
    x: slice
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """Which tiles make the prediction: the same ``tiles`` at every place.

    A place is a time and, along Z, the span of a plane or of a whole volume. Tiles of planes have spans along Y
    and X, tiles of volumes along Z, Y and X.
    """

    places: tuple[tuple[int, Span], ...]
    tiles: tuple[Tile, ...]
    ndim: int

    @property
    def flat(self) -> bool:
        """Whether the places are planes; a 3D network computes their neighbours too, and throws them away."""
        return len(self.tiles[0]) == 2

    @property
    def total(self) -> int:
        """Number of tiles in all."""
        return len(self.places) * len(self.tiles)


def make_plan(
    image: Image, net: NetSpec, tiling: TilingSpec, planes: Sequence[tuple[int, int]] | None = None
) -> Plan:
    """Plan a prediction.

    Parameters
    ----------
    image
        What will be predicted.
    net
        Its geometry rules alignment and halo.
    tiling
        Tile and halo as the user wants them.
    planes
        The (t, z) to predict; None: all.

    Raises
    ------
    UserError
        If the channels differ from the network's, or the tile is too small for its halo.
    """
    if image.size("C") != net.in_channels:
        raise UserError(f"the model needs {_channels(net.in_channels)}, {image.name} has {image.size('C')}")
    t, _, z, y, x = image.shape
    fits = [_fit(axis, tiling) for axis in geometry_of(net).axes]
    volumes = net.ndim == 3 and planes is None
    if volumes:
        places = [(n, Span(0, tiles.round_up(z, fits[0].stride), 0, z)) for n in range(t)]
    else:
        along_z = fits[0] if net.ndim == 3 else tiles.Fit(stride=1, halo=0)
        wanted = np.ndindex(t, z) if planes is None else planes
        places = [(int(n), tiles.around(int(at), z, along_z)) for n, at in wanted]
    thickest = max((span.outer_stop - span.outer_start for _, span in places), default=1)
    tile = tiles.choose_tile((thickest, y, x)[-net.ndim :], fits, BUDGET[net.ndim], tiling.tile)
    first = -3 if volumes else -2
    grid = tiles.cut(image.shape[first:], tile[first:], fits[first:])
    return Plan(tuple(places), tuple(grid), net.ndim)


def _fit(axis: Axis, tiling: TilingSpec) -> tiles.Fit:
    """Tell what tiles need along an axis: the network's exact halo, or what the user wants instead."""
    stride = axis.stride
    if axis.valid:
        rest = (axis.output_length(axis.input_length(stride)) or 0) % stride
        return tiles.Fit(stride, axis.halo, axis.margin, rest)
    if tiling.halo == "auto":
        return tiles.Fit(stride, tiles.round_up(axis.halo // 2, stride))
    if isinstance(tiling.halo, int):
        return tiles.Fit(stride, tiles.round_up(tiling.halo, stride))
    return tiles.Fit(stride, axis.halo)


def _channels(count: int) -> str:
    return f"{count} channel" + ("s" if count != 1 else "")


def predict(
    network: nn.Module, net: NetSpec, image: Image, normalisation: Normalisation, plan: Plan, device: torch.device
) -> Iterator[Piece]:
    """Predict tile by tile.

    Parameters
    ----------
    network
        In evaluation mode on ``device``, best from `prepare`.
    net
        What it is; tells how its outputs become probabilities.
    image
        Only the tile at hand is read.
    normalisation
        Fitted once for the whole image.
    plan
        From `make_plan`.

    Yields
    ------
    Piece
        Every pixel of the planned planes exactly once.
    """
    for t, along_z in plan.places:
        for tile in plan.tiles:
            spans = (along_z, *tile) if plan.flat else tile
            block = normalisation.apply(_read(image, t, spans))
            values = _compute(network, net, block if plan.ndim == 3 else block[:, 0], device)
            if plan.ndim == 2:
                values = values[:, None]
            kept = values[(slice(None), *(s.kept for s in spans))]
            in_z, in_y, in_x = (slice(s.start, s.stop) for s in spans)
            yield Piece(t, in_z, in_y, in_x, kept)


def _read(image: Image, t: int, spans: Sequence[Span]) -> npt.NDArray[Any]:
    """Read the outer box of a tile; beyond the image's end it is mirrored."""
    sizes = image.shape[2:]
    box = [slice(max(0, s.outer_start), min(s.outer_stop, n)) for s, n in zip(spans, sizes, strict=True)]
    block = image.read(t, *box)
    start = [min(0, s.outer_start) for s in spans]
    wanted = [s.outer_stop - s.outer_start for s in spans]
    return cut_crop(block, start, wanted, "reflect")


@torch.inference_mode()
def _compute(
    network: nn.Module, net: NetSpec, block: npt.NDArray[np.float32], device: torch.device
) -> npt.NDArray[np.float32]:
    x = torch.from_numpy(np.ascontiguousarray(block))[None].to(device)
    x = x.contiguous(memory_format=memory_format(block.ndim - 1))
    with torch.autocast("cuda", torch.float16, enabled=device.type == "cuda"):
        outputs = network(x)
    found: npt.NDArray[np.float32] = probabilities(outputs, net)[0].cpu().numpy()
    return found
