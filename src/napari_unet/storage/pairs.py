"""Images and their labels, paired by file name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.storage.formats import image_paths, kind_of, stem_of
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_image, open_labels

AnyPath = str | os.PathLike[str]


def pair_paths(first: AnyPath, second: AnyPath) -> list[tuple[Path, Path]]:
    """Pair two files, or the images of two folders that have the same name (suffixes may differ).

    Raises
    ------
    UserError
        If a file is to be paired with a folder, or a name is missing on one side; the message names it.
    """
    one, two = Path(first), Path(second)
    ones, twos = image_paths(one), image_paths(two)
    if bool(kind_of(one)) != bool(kind_of(two)):
        folder, file = (two, one) if kind_of(one) else (one, two)
        raise UserError(f"{folder} is a folder, {file} one image; give two files or two folders")
    if kind_of(one):
        return [(one, two)]
    left, right = _by_stem(ones), _by_stem(twos)
    _same_names(left.keys(), right.keys(), two)
    _same_names(right.keys(), left.keys(), one)
    return [(left[stem], right[stem]) for stem in sorted(left)]


def pair_images(images: AnyPath, labels: AnyPath, axes: str | None = None) -> list[tuple[FileImage, FileImage]]:
    """Open images and their labels, paired by file name.

    Parameters
    ----------
    images, labels
        Two files, or two folders.
    axes
        Axes of the images. Labels have the same ones without channels; where their shape fits, they get them.

    Raises
    ------
    UserError
        If names are missing on one side or a file cannot be used.
    """
    opened = [(open_image(i, axes), open_labels(a)) for i, a in pair_paths(images, labels)]
    return [(image, like_image(label, image)) for image, label in opened]


def like_image(labels: FileImage, image: Image) -> FileImage:
    """Give labels the axes of their image if the shapes agree, whatever their own file says.

    Programs often save the labels of a time series as a stack; and guesses for the two can differ.
    """
    if tuple(labels.data.shape) != image.result_shape:
        return labels
    return replace(labels, axes=image.result_axes, axes_source=getattr(image, "axes_source", "told"))


def _by_stem(paths: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        stem = stem_of(path)
        if stem in found:
            raise UserError(f"{found[stem]} and {path} have the same name; keep one of them")
        found[stem] = path
    return found


def _same_names(wanted: Iterable[str], there: Iterable[str], folder: Path) -> None:
    present = set(there)
    missing = sorted(w for w in wanted if w not in present)
    if missing:
        listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise UserError(f"{folder} has no image named {listed}; the two folders must hold the same names")
