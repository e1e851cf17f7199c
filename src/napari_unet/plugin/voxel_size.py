"""The voxel size that the file of a layer tells, and that napari's own readers pass on to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer

from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.plugin.layers import full_data
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_image


@dataclass(frozen=True)
class VoxelSize:
    """Scale and units of a layer, one of each per axis.

    Parameters
    ----------
    scale
        Micrometres along Z, Y, X; time along T, where its unit is known; 1 along other axes.
    units
        As napari names them.
    """

    scale: tuple[float, ...]
    units: tuple[str, ...]

    def __str__(self) -> str:
        lengths = [f"{s:.4g}" for s, u in zip(self.scale, self.units, strict=True) if u == "micrometer"]
        return f"{' x '.join(lengths)} µm"


def filed_voxel_size(layer: ImageLayer | None, axes: str) -> VoxelSize | None:
    """Tell the voxel size that the file of a layer states; None if it states none, or the layer has one.

    Parameters
    ----------
    layer
        A layer that was opened from a file, and shows all of it.
    axes
        Of the layer.
    """
    if layer is None or layer.source.path is None or layer.rgb or has_size(layer):
        return None
    path = Path(layer.source.path)
    try:
        found = _size_in_file(path, path.stat().st_mtime_ns)
    except OSError:  # it is not there any more, and the layer is all there is
        return None
    if found is None or found[:2] != (axes, tuple(full_data(layer).shape)):
        return None
    spacing, where = found[2:]
    known = {a: (length, "micrometer") for a, length in zip("ZYX", spacing, strict=True)}
    if where.time_unit:
        known["T"] = (where.step, where.time_unit)
    along = [known.get(a, (1.0, "pixel")) for a in axes]
    return VoxelSize(tuple(length for length, _ in along), tuple(unit for _, unit in along))


@lru_cache(maxsize=16)
def _size_in_file(
    path: Path, _modified: int
) -> tuple[str, tuple[int, ...], tuple[float, float, float], Where] | None:
    """Read axes, shape, voxel size and times of a file; no pixel is read."""
    try:
        image = open_image(path)
    except (UserError, OSError):  # a format that is none of ours
        return None
    if not isinstance(image, FileImage) or image.unit != "micrometer":
        return None
    return image.axes, tuple(image.data.shape), image.spacing, image.where


def has_size(layer: Layer) -> bool:
    """Tell whether a layer's pixels have a size."""
    return any(s != 1 for s in layer.scale) or any(str(u) != "pixel" for u in layer.units)


def give_size(viewer: ViewerModel, layer: ImageLayer, size: VoxelSize) -> list[Layer]:
    """Give a layer its voxel size, and all images and labels of the same shape that have none; returns them."""
    shape = tuple(full_data(layer).shape)
    alike = [
        x
        for x in viewer.layers
        if isinstance(x, ImageLayer | Labels) and tuple(full_data(x).shape) == shape and not has_size(x)
    ]
    for x in alike:
        x.scale, x.units = size.scale, size.units
    return alike
