"""Augmentation of patches: parameters are drawn first, then applied to image and target together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_unet.spec import AugmentSpec

CROP_FACTOR = 1.25
"""A crop is this much larger than the patch cut from it, so that rotated corners find pixels."""


@dataclass(frozen=True)
class Change:
    """Drawn parameters of one patch. Angles in radians, displacements in pixels (2, rows, columns)."""

    flips: tuple[bool, ...]
    angle: float
    scale: float
    displacement: npt.NDArray[np.float32] | None
    gain: float
    shift: float
    noise: float


def draw(spec: AugmentSpec, ndim: int, rng: np.random.Generator, *, square: bool = True) -> Change:
    """Draw the parameters for one patch.

    Parameters
    ----------
    spec
        How much of what.
    ndim
        2 or 3; a 3D patch is turned and deformed in its Y-X plane only.
    rng
        Source of randomness; the same state gives the same change.
    square
        Y and X have the same length; else only half turns are drawn.
    """
    flips = tuple(bool(rng.integers(2)) and spec.flip for _ in range(ndim))
    turns = int(rng.integers(4)) if spec.rotate90 else 0
    angle = math.pi / 2 * (turns if square else turns // 2 * 2)
    scale, displacement = 1.0, None
    if rng.random() < spec.probability:
        angle += math.radians(rng.uniform(-spec.rotation, spec.rotation))
        scale = rng.uniform(1 - spec.scale, 1 + spec.scale)
        grid = (2, spec.elastic_grid, spec.elastic_grid)
        displacement = rng.normal(0, spec.elastic, grid).astype(np.float32) if spec.elastic else None
    gain = rng.uniform(1 - spec.contrast, 1 + spec.contrast)
    shift = rng.uniform(-spec.brightness, spec.brightness)
    return Change(flips, angle, scale, displacement, gain, shift, rng.uniform(0, spec.noise))


def identity(ndim: int) -> Change:
    """Change nothing."""
    return Change((False,) * ndim, 0.0, 1.0, None, 1.0, 0.0, 0.0)


def crop_size(patch: Sequence[int], spec: AugmentSpec | None) -> tuple[int, ...]:
    """Size of the crop that a patch is cut from; differs from the patch by an even number in Y and X."""
    if spec is None or spec.probability == 0:
        return tuple(patch)
    grown = [n + 2 * math.ceil((CROP_FACTOR - 1) * n / 2) for n in patch[-2:]]
    return (*patch[:-2], *grown)


def sampling_grid(change: Change, patch: Sequence[int], crop: Sequence[int]) -> Tensor:
    """Positions in a crop that the pixels of a patch are taken from, as `grid_sample` wants them.

    Returns
    -------
    Tensor
        (*patch, ndim), the last axis in the order x, y[, z], -1 to 1 from the first to the last pixel's centre.
    """
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in patch]
    offsets = list(torch.meshgrid(*axes, indexing="ij"))
    offsets = [-o if flip else o for o, flip in zip(offsets, change.flips, strict=True)]
    y, x = offsets[-2] / change.scale, offsets[-1] / change.scale
    cos, sin = math.cos(change.angle), math.sin(change.angle)
    offsets[-2:] = [cos * y - sin * x, sin * y + cos * x]
    if change.displacement is not None:
        coarse = torch.from_numpy(change.displacement)[None]
        fine = F.interpolate(coarse, size=tuple(patch[-2:]), mode="bicubic", align_corners=True)[0]
        offsets[-2:] = [offsets[-2] + fine[0], offsets[-1] + fine[1]]
    scaled = [2 * o / max(1, n - 1) for o, n in zip(offsets, crop, strict=True)]
    return torch.stack(scaled[::-1], dim=-1)


def warp(values: Tensor, grids: Tensor, *, nearest: bool = False) -> Tensor:
    """Take patches from crops: values (N, C, [Z,] Y, X), grids (N, *patch, ndim).

    Positions outside the crop are mirrored, in image and target alike.
    """
    smooth = "bicubic" if values.ndim == 4 else "bilinear"  # linear interpolation would take the noise away
    mode = "nearest" if nearest else smooth
    return F.grid_sample(values, grids, mode=mode, padding_mode="reflection", align_corners=True)


def recolour(images: Tensor, changes: Sequence[Change], generator: torch.Generator) -> Tensor:
    """Change contrast and brightness and add noise; images (N, C, ...) are normalised."""
    shape = (-1,) + (1,) * (images.ndim - 1)
    gain, shift, noise = (
        torch.tensor([getattr(c, name) for c in changes], dtype=torch.float32).reshape(shape)
        for name in ("gain", "shift", "noise")
    )
    random = torch.randn(images.shape, generator=generator)
    return images * gain + shift + random * noise
