"""What shows others that a model runs as it should: an image and what the model makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.arrays.tiles import round_up
from napari_unet.errors import UserError
from napari_unet.jobs.model import Model
from napari_unet.learn.converting import WithProbabilities
from napari_unet.nets import geometry_of
from napari_unet.nets.geometry import Axis
from napari_unet.spec import NetSpec
from napari_unet.storage.bioimageio.describing import Length
from napari_unet.storage.samples import load_sample

SAMPLE = {2: "nuclei-5", 3: "nuclei-3d"}
"""Where the test input comes from, if nobody gives an image: both are CC0."""
WANTED = {2: (256, 256), 3: (16, 64, 64)}
"""Shortest lengths of a test input, unless the network needs more."""
MOST = 2**20
"""Voxels of a test input, beyond which a halo is told that is shorter than the exact one."""


@dataclass(frozen=True)
class Example:
    """An image, as the network sees it, and what comes out; (1, C, [Z,] Y, X), float32."""

    lengths: tuple[Length, ...]
    image: npt.NDArray[np.float32]
    seen: npt.NDArray[np.float32]
    output: npt.NDArray[np.float32]


def make_example(model: Model, image: Image | None) -> Example:
    """Cut a test input out of the middle of an image, and predict it in one piece.

    Raises
    ------
    UserError
        If the image has other channels than the model, or its middle shows nothing.
    """
    net = model.spec.net
    if image is not None and image.size("C") != net.in_channels:
        raise UserError(f"the model needs {net.in_channels} channel(s), {image.name} has {image.size('C')}")
    lengths = lengths_of(net)
    image = image or load_sample(SAMPLE[net.ndim]).pair()[0]
    raw = _cut(image, _shape(net, lengths))
    _check_pixels(raw, image.name)
    raw = np.ascontiguousarray(np.broadcast_to(raw, (net.in_channels, *raw.shape[1:])), np.float32)
    axes = "CZYX" if net.ndim == 3 else "CYX"
    seen = intensity.fit(Image(raw, axes), model.spec.normalisation, blank=True).apply(raw)[None]
    with torch.inference_mode():
        output = WithProbabilities(model.trained.network, net)(torch.from_numpy(seen))
    return Example(lengths, raw[None], seen, output.numpy())


def _check_pixels(raw: npt.NDArray[np.float32], name: str) -> None:
    """Raise `UserError` if a test input shows nothing, or if other programs compute nothing of it."""
    if not np.isfinite(raw).all():
        found = "holds pixels that are NaN or infinite"
    elif all(channel.min() == channel.max() for channel in raw):
        found = f"is constant (every pixel is {raw.flat[0]:g})"
    else:
        return
    raise UserError(
        f"the middle of {name}, which becomes the test input, {found}: give another image, or none, for a sample "
        "of nuclei"
    )


def lengths_of(net: NetSpec) -> tuple[Length, ...]:
    """Tell the lengths that a network takes along its axes, and its halo; shortened until an input can be small.

    Examples
    --------
    >>> from napari_unet.spec import UNetSpec
    >>> lengths_of(UNetSpec())[0]
    Length(name='y', least=104, step=8, margin=0, halo=48)
    """
    axes = geometry_of(net).axes
    part = 1
    while True:
        found = tuple(_length(name, axis, part) for name, axis in zip("zyx"[-net.ndim :], axes, strict=True))
        if math.prod(a.least for a in found) <= MOST:
            return found
        part *= 2


def _length(name: str, axis: Axis, part: int) -> Length:
    if axis.valid:
        return Length(name, axis.input_length(1), axis.stride, axis.margin, 0)
    halo = axis.halo // part
    return Length(name, round_up(2 * halo + 1, axis.stride), axis.stride, 0, halo)


def _shape(net: NetSpec, lengths: Sequence[Length]) -> tuple[int, ...]:
    wanted = [max(n, a.least - 2 * a.margin) for n, a in zip(WANTED[net.ndim], lengths, strict=True)]
    return geometry_of(net).input_shape(wanted)


def _cut(image: Image, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Cut the middle out of an image's first time; mirrored where the image is too short. Axes (C, [Z,] Y, X)."""
    _, _, *sizes = image.shape
    lengths = shape if len(shape) == 3 else (1, *shape)
    starts = [max(0, (size - n) // 2) for size, n in zip(sizes, lengths, strict=True)]
    box = [slice(at, min(at + n, size)) for at, n, size in zip(starts, lengths, sizes, strict=True)]
    block = np.asarray(image.read(0, *box), np.float32)
    missing = [n - have for n, have in zip(lengths, block.shape[1:], strict=True)]
    block = np.pad(block, [(0, 0), *((m // 2, m - m // 2) for m in missing)], mode="symmetric")
    return block if len(shape) == 3 else block[:, 0]
