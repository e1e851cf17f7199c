"""The layers that belong to a project, as they are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.layers import Labels, Layer

from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.edits import history
from napari_unet.plugin.layers import full_data
from napari_unet.plugin.opening import look_of, origin
from napari_unet.storage import copies, keep
from napari_unet.storage.budget import nbytes


@dataclass
class Member:
    """A layer that belongs to the project."""

    id: int
    layer: Layer
    axes: str = ""
    is_open: bool = True


def image_now(member: Member) -> keep.ImageNow:
    """Describe an image; nothing is read."""
    layer = member.layer
    return keep.ImageNow(
        member.id, full_data(layer), member.axes, look_of(layer), *_file_of(layer), member.is_open
    )


def annotation_now(member: Member) -> keep.AnnotationNow:
    """Describe an annotation; nothing is read."""
    layer = member.layer
    marked = layer.metadata.get(MARK) == "annotation"
    path, reader, painted = _own_file(layer), None, _may_be_painted(layer)
    if not painted:
        path, reader = _file_of(layer)
    return keep.AnnotationNow(
        member.id, full_data(layer), look_of(layer), marked, path, member.is_open, reader, painted
    )


def is_too_large(layer: Layer) -> bool:
    """Whether an image, or labels without strokes, have no file, and are too large for a copy."""
    data = full_data(layer)
    if isinstance(layer, Labels) and _may_be_painted(layer):
        return False
    return _file_of(layer)[0] is None and nbytes(data.shape, data.dtype) > copies.LARGEST


def _file_of(layer: Layer) -> tuple[Path | None, str | None]:
    path, reader = origin(layer)
    return (path.absolute(), reader) if path is not None and path.exists() else (None, None)


def _may_be_painted(layer: Labels) -> bool:
    """Whether labels may hold strokes: those that are in memory, have a file for them, or were painted on."""
    data = full_data(layer)
    return isinstance(data, np.ndarray) or _own_file(layer) is not None or history(layer) != (0, 0)


def _own_file(layer: Layer) -> Path | None:
    """Tell the file of an annotation that is painted into it, a zarr array on this machine."""
    data = full_data(layer)
    root = getattr(getattr(data, "store", None), "root", None)
    return None if root is None else Path(root).absolute() / str(getattr(data, "path", ""))
