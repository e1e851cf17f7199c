"""Levels of a 3D network that follow the voxel spacing: integers and floats only.

The rule is nnU-Net's (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), with a kernel of 3 along every axis at
the bottom, so that even a shallow network sees Z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_unet.errors import UserError

Sizes3 = tuple[int, int, int]

COARSER = 2.0
"""An axis whose spacing is at least this many times the finest is neither pooled nor looked along. Not less than
the stride: the ratio of spacings could then grow."""
LEAST = 4
"""Pixels that have to be left along an axis after pooling; with fewer, convolutions see little but padding."""
_ENDLESS = (2**62,) * 3


def plan(
    spacing: Sequence[float], depth: int, shape: Sequence[int] | None = None
) -> tuple[tuple[Sizes3, ...], tuple[Sizes3, ...]]:
    """Choose strides and kernels per level, so that voxels become nearly isotropic on the way down.

    A level halves the axes whose spacing there is less than `COARSER` times that of the finest axis that is long
    enough to be halved. Along those the kernel is 3, and stays so; it is 1 along the others, but 3 at the bottom.

    Parameters
    ----------
    spacing
        Size of a voxel along Z, Y, X, in any one unit.
    depth
        Number of poolings.
    shape
        Voxels along Z, Y, X. An axis is not halved if that would leave fewer than `LEAST` pixels; along an axis of
        one pixel all kernels are 1. None: long enough.

    Returns
    -------
    strides : tuple of (int, int, int)
        ``depth`` entries of 1 and 2. All 1 where no axis is long enough.
    kernels : tuple of (int, int, int)
        ``depth + 1`` entries of 1 and 3.

    Raises
    ------
    UserError
        If ``spacing`` is not three positive numbers.

    Examples
    --------
    Electron microscopy, 50 x 4 x 4 nm, is pooled in the plane first:

    >>> strides, kernels = plan((50, 4, 4), 4)
    >>> strides
    ((1, 2, 2), (1, 2, 2), (1, 2, 2), (2, 2, 2))
    >>> kernels
    ((1, 3, 3), (1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3))
    """
    _check(spacing)
    now, left = list(spacing), list(_ENDLESS if shape is None else shape)
    kernel, strides, kernels = [1, 1, 1], [], []
    for level in range(depth + 1):
        long = [n >= 2 * LEAST for n in left]
        finest = min((n for n, enough in zip(now, long, strict=True) if enough), default=math.inf)
        near = [n < COARSER * finest for n in now]
        kernel = [3 if left[a] > 1 and (near[a] or level == depth) else kernel[a] for a in range(3)]
        kernels.append(_sizes(kernel))
        if level < depth:
            stride = [2 if enough and close else 1 for enough, close in zip(long, near, strict=True)]
            strides.append(_sizes(stride))
            now = [n * s for n, s in zip(now, stride, strict=True)]
            left = [-(-n // s) for n, s in zip(left, stride, strict=True)]
    return tuple(strides), tuple(kernels)


def describe(
    spacing: Sequence[float], strides: Sequence[Sequence[int]], kernels: Sequence[Sequence[int]], unit: str = ""
) -> str:
    """Describe a plan in one line per level; axes are Z, Y, X.

    Examples
    --------
    >>> print(describe((50, 4, 4), *plan((50, 4, 4), 2), unit="nm"))
    level 1: voxels of 50 x 4 x 4 nm, kernels 1 x 3 x 3, then pooled 1 x 2 x 2
    level 2: voxels of 50 x 8 x 8 nm, kernels 1 x 3 x 3, then pooled 1 x 2 x 2
    level 3: voxels of 50 x 16 x 16 nm, kernels 3 x 3 x 3
    """
    now, lines = [float(n) for n in spacing], []
    for level, kernel in enumerate(kernels):
        line = f"level {level + 1}: voxels of {_times(now)}{' ' * bool(unit)}{unit}, kernels {_times(kernel)}"
        if level < len(strides):
            line += f", then pooled {_times(strides[level])}"
            now = [n * s for n, s in zip(now, strides[level], strict=True)]
        lines.append(line)
    return "\n".join(lines)


def _check(spacing: Sequence[float]) -> None:
    if len(spacing) != 3 or not all(math.isfinite(n) and n > 0 for n in spacing):
        raise UserError(f"spacing is {tuple(spacing)}; it needs three positive numbers, for Z, Y and X")


def _sizes(values: Sequence[int]) -> Sizes3:
    z, y, x = values
    return z, y, x


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{v:g}" for v in values)
