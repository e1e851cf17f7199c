"""Whether voxels of another size than those of a record change what is made of an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.fragments import relative_spacing
from napari_unet.spec import ImageFacts, MakingCells, Measuring, Predicting, Settings


def compare_voxels(
    image: Image, path: Path, known: ImageFacts, settings: Settings, ndim: int | None
) -> tuple[str, bool]:
    """Compare the voxels of an image with those of a record, along the axes that the image has.

    Parameters
    ----------
    image, path
        As it is now.
    known
        As it was.
    settings
        What is made of it.
    ndim
        Of the network, if there is one.

    Returns
    -------
    words, matters
        The difference, empty if there is none; and whether the result is another one with it. Cells depend on the
        proportions of the voxels alone, and in planes on those along Y and X; measurements on their size.
    """
    if isinstance(settings, Measuring) and settings.spacing is not None:
        return "", False  # the files were not asked
    now, before = (_along(spacing, image.axes) for spacing in (image.spacing, known.spacing))
    if np.allclose(now, before, rtol=1e-6, atol=0):
        return "", False
    axes = ", ".join(a for a in "ZYX" if a in image.axes)
    words = f"{path} has voxels of {now} ({axes}), those of the record are {before}"
    return words, _matters(now, before, settings, ndim)


def _along(spacing: Sequence[float], axes: str) -> tuple[float, ...]:
    return tuple(float(s) for a, s in zip("ZYX", spacing, strict=True) if a in axes)


def _matters(now: Sequence[float], before: Sequence[float], settings: Settings, ndim: int | None) -> bool:
    match settings:
        case Measuring():
            return True
        case MakingCells(volume=volume):
            used = 3 if volume else 2
        case Predicting(output="cells"):
            used = ndim or 2
        case _:
            return False
    used = min(used, len(now))
    return not np.allclose(relative_spacing(now, used), relative_spacing(before, used), rtol=1e-6)
