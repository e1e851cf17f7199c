"""Between layers and files: layers that go into a batch, and what comes of it as layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.arrays.steps import Steps, Tell
from napari_unet.errors import UserError
from napari_unet.events import ImageDone
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.colours import class_colormap
from napari_unet.plugin.layers import full_data, guess_layer_axes, image_of, lengths_of, where_of
from napari_unet.plugin.opening import origin
from napari_unet.spec import BOUNDARY, BatchSpec, Output
from napari_unet.storage.cut import one_channel
from napari_unet.storage.held import find_in_file
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_image, open_labels
from napari_unet.storage.write import create_output

OPENED = "napari-unet-live batch"
"""Key in the metadata of layers that were opened from the table."""
INPUTS = "inputs"
"""Folder, in that of the outputs, for copies of layers that have no file."""


def can_go(layer: Layer) -> bool:
    """Tell whether a layer is an image, and not one that this program has made or opened."""
    return isinstance(layer, ImageLayer) and not {MARK, OPENED} & set(layer.metadata)


def looking(layer: ImageLayer) -> Callable[[], Path | None]:
    """Return what finds, in a thread, the file that holds what a layer shows.

    It gives None if there is none, or it holds more, or something else.
    """
    path, _ = origin(layer)
    try:
        shown = image_of(layer)
    except UserError:  # of no use here; the layer is copied
        path = None
    return lambda: None if path is None else _same_file(path, shown)


def _same_file(path: Path, shown: Image) -> Path | None:
    held = find_in_file(shown, path)
    whole = held is not None and held.channel is None and held.stored_axes == shown.axes
    return path.absolute() if whole else None


def name_of_copy(name: str, taken: Sequence[str]) -> str:
    """Turn the name of a layer into that of a file which is not taken, also where case does not count.

    Examples
    --------
    >>> name_of_copy("plate 1: DAPI", []), name_of_copy("a", ["A"])
    ('plate 1_ DAPI', 'a-2')
    """
    plain = re.sub(r"[^\w .-]", "_", name).strip(" .") or "image"
    names = [plain, *(f"{plain}-{n}" for n in range(2, len(taken) + 2))]
    known = {name.casefold() for name in taken}
    return next(n for n in names if n.casefold() not in known)


def copying(layer: ImageLayer) -> Callable[[Path, Tell], None]:
    """Return what writes a layer into an OME-Zarr, plane by plane, in a thread; the same one is not written again.

    What was made of a copy that is older than its results stays.
    """
    axes, data = guess_layer_axes(layer), full_data(layer)
    plain = axes.removesuffix("S")
    known, where = lengths_of(layer, plain), where_of(layer, plain)

    def work(path: Path, tell: Tell) -> None:
        pixels, stored = _without_colours(data, axes)
        if _is_copied(path, Image(pixels, stored, known.spacing, where=where), known.unit, tell):
            return
        lead = tuple(int(n) for n in pixels.shape[:-2])
        path.parent.mkdir(parents=True, exist_ok=True)
        steps = Steps(max(1, int(np.prod(lead))), tell)
        form = pixels.shape, pixels.dtype, stored, known.spacing
        with create_output(path, *form, unit=known.unit, where=where) as array:
            for index in np.ndindex(lead):
                steps.next()
                array[index] = np.asarray(pixels[index])

    return work


def _is_copied(path: Path, wanted: Image, unit: str, tell: Tell) -> bool:
    """Tell whether a file holds this image already, every pixel of it."""
    if not path.exists():
        return False
    try:
        there = open_image(path)
    except UserError:  # damaged: written anew
        return False
    if (set(there.axes), there.unit, _about(there)) != (set(wanted.axes), unit, _about(wanted)):
        return False
    times, slices = wanted.size("T"), wanted.size("Z")
    steps = Steps(times * slices, tell)
    for t, z in np.ndindex(times, slices):
        steps.next()
        one = slice(z, z + 1)
        if not np.array_equal(there.read(t, one), wanted.read(t, one), equal_nan=True):
            return False
    return True


def _about(image: Image) -> tuple[Any, ...]:
    lengths = [length for axis, length in zip("ZYX", image.spacing, strict=True) if axis in image.axes]
    return image.shape, np.dtype(image.data.dtype), lengths, image.where


def _without_colours(data: Any, axes: str) -> tuple[Any, str]:
    """See colours as channels, which OME-Zarr knows; to a network they are the same."""
    if not axes.endswith("S"):
        return data, axes
    pixels = data
    if not isinstance(data, np.ndarray):
        import dask.array as da

        pixels = da.asarray(data)
    place = len(axes) - 3
    return np.moveaxis(pixels[..., :3], -1, place), f"{axes[:place]}C{axes[place:-1]}"


def layers_of(row: ImageDone, spec: BatchSpec) -> list[Layer]:
    """Open an image of a batch and its results as layers.

    Raises
    ------
    UserError
        If a file is not there any more, or cannot be read.
    """
    image = one_channel(open_image(row.file, spec.axes), spec.channel)
    start = dict(zip("TZYX", (s for s, _ in Region.of(image, spec.part).ranges), strict=True))
    made = _image_layers(image, row.name)
    for output, name in zip(spec.outputs, row.outputs, strict=False):
        made.append(_result_layer(output, spec.folder / name, f"{row.name} {output}", start, image))
    return made


def _image_layers(image: FileImage, name: str) -> list[Layer]:
    """Make a layer for every channel."""
    if "C" not in image.axes:
        rgb = image.axes.endswith("S")
        return [ImageLayer(image.data, name=name, rgb=rgb, **_place(image.axes.removesuffix("S"), image, {}))]
    import dask.array as da

    data: Any = image.data if isinstance(image.data, np.ndarray) else da.asarray(image.data)
    axes, several = image.axes.replace("C", ""), image.size("C") > 1
    made: list[Layer] = []
    for channel in range(image.size("C")):
        part = data[tuple(channel if a == "C" else slice(None) for a in image.axes)]
        look = {"blending": "additive"} if several else {}
        made.append(
            ImageLayer(part, name=f"{name} [{channel}]" if several else name, **look, **_place(axes, image, {}))
        )
    return made


def _result_layer(output: Output, path: Path, name: str, start: dict[str, int], image: FileImage) -> Layer:
    if output == "probabilities":
        found = open_image(path)
        return ImageLayer(found.data, name=name, visible=False, **_place(found.axes, image, start))
    labels = open_labels(path)
    layer = Labels(labels.data, name=name, opacity=0.6, **_place(labels.axes, image, start))
    if output == "boundaries":
        layer.colormap = class_colormap([BOUNDARY])
    return layer


def _place(axes: str, image: FileImage, start: dict[str, int]) -> dict[str, Any]:
    """Say how large pixels are and where they lie, from the image's own first one as napari's readers do."""
    size = dict(zip("TZYX", (image.where.step, *image.spacing), strict=True))
    unit = dict.fromkeys("ZYX", image.unit) | {"T": image.where.time_unit or "pixel"}
    scale = [size.get(a, 1.0) for a in axes]
    return {
        "scale": scale,
        "translate": [start.get(a, 0) * s for a, s in zip(axes, scale, strict=True)],
        "units": [unit.get(a, "pixel") for a in axes],
        "axis_labels": [a.lower() for a in axes],
        "metadata": {OPENED: str(image.path)},
    }
