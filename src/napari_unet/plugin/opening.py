"""Projects as napari opens them: the folder's layers, each with a note of what it is in the project.

This is a reader of napari's: it knows no dock. A dock that is open, or is opened later, finds the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer
from napari.plugins.io import read_data_with_plugins
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QApplication

from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint
from napari_unet.errors import UserError
from napari_unet.plugin.annotation import ASIDE, MARK
from napari_unet.plugin.colours import class_colormap
from napari_unet.spec import DEFAULT_CLASSES
from napari_unet.storage.blocks import read_blocks
from napari_unet.storage.copies import read_copy
from napari_unet.storage.project import (
    FILE,
    Annotation,
    KeptImage,
    Look,
    Project,
    find_image,
    inside,
    is_project,
    read_project,
)

NOTE = "napari-unet-live project"
"""Key in the metadata of layers that came from a project, see `note_of`."""

LayerData = tuple[Any, dict[str, Any], str]
Where = Callable[[Path, KeptImage | Annotation], Path | None]
"""Asks the user where an image is."""


def ask_where(folder: Path, image: KeptImage | Annotation) -> Path | None:
    """Ask; None where there is no window, or the user does not know."""
    if QApplication.instance() is None:
        return None
    from napari_unet.plugin.questions import ask_for_lost_image

    return ask_for_lost_image(image.look.name, image.path or "", folder.name)


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Tell napari whether a path is a project."""
    return read if isinstance(path, str) and is_project(Path(path)) else None


def read(path: str, where: Where = ask_where) -> list[LayerData]:
    """Read the layers of a project.

    Parameters
    ----------
    path
        Of the folder.
    where
        Asked for an image that is not where it was.

    Raises
    ------
    UserError
        If the project, or a file of it, is missing or damaged.
    """
    folder = Path(path).absolute()
    project = read_project(folder)
    found = [_image(folder, image, where) for image in project.images if image.is_open]
    return found + [_annotation(folder, a, project, where) for a in project.annotations if a.is_open]


def note_of(layer: Layer) -> dict[str, Any] | None:
    """Give the note of a layer that came from a project: "folder", "id", and of an image "path" and "reader"."""
    note = layer.metadata.get(NOTE)
    return note if isinstance(note, dict) and {"folder", "id"} <= set(note) else None


def origin(layer: Layer) -> tuple[Path | None, str | None]:
    """Tell the file that a layer was opened from, and the plugin that did it; in a project, before it was kept."""
    note = note_of(layer)
    if note is not None:
        path, reader = note.get("path"), note.get("reader")
    elif layer.source.sample is not None:
        path = reader = None
    else:
        path, reader = layer.source.path, layer.source.reader_plugin
    return (None if path is None else Path(path)), reader


def _image(folder: Path, image: KeptImage, where: Where) -> LayerData:
    path: Path | None = None
    if image.copied is not None:
        file = inside(folder, image.copied)
        data = read_copy(file)
        more: dict[str, Any] = {"rgb": image.axes.endswith("S")}
        _compare(image, data, file)
    else:
        path = _find(folder, image, where)
        data, more = _from_file(path, image)
    note = {
        "folder": str(folder),
        "id": image.id,
        "path": path and str(path),
        "reader": image.reader,
    }
    return data, {**more, **_look(image, ImageLayer, folder), "metadata": {NOTE: note}}, "image"


def _find(folder: Path, layer: KeptImage | Annotation, where: Where) -> Path:
    path = find_image(folder, layer) or where(folder, layer)
    if path is None:
        kind = "image" if isinstance(layer, KeptImage) else "label image"
        place = f"it was {layer.path}" if layer.path else "it was never saved as a file"
        raise UserError(
            f"{folder.name} needs the {kind} '{layer.look.name}', which is not there any more ({place}): put "
            "it back, or open the project again and say where it is; all that was painted is untouched"
        )
    return path


def _opened(path: Path, reader: str | None) -> list[Any]:
    """Open a file as it was opened before."""
    try:
        layers, _ = read_data_with_plugins([str(path)], reader)
    except ValueError:  # the plugin is not installed any more, or was told by a stranger
        layers, _ = read_data_with_plugins([str(path)])
    return layers or []


def _from_file(path: Path, image: KeptImage) -> tuple[Any, dict[str, Any]]:
    """Open a file as it was opened before, and find the image among what is in it."""
    fitting = [
        (data, more)
        for data, more in _images(_opened(path, image.reader))
        if (tuple(_full(data, more).shape), str(_full(data, more).dtype)) == (image.shape, image.dtype)
    ]
    if not fitting:
        shape = " x ".join(map(str, image.shape))
        raise UserError(
            f"{path} is not the image '{image.look.name}' of the project any more, which was {shape} "
            f"{image.dtype}: put that back, or move the file away and open the project again to say where it is"
        )
    same = [c for c in fitting if fingerprint(Image(_full(*c), image.axes)) == image.fingerprint]
    named = [c for c in fitting if c[1].get("name") == image.look.name]
    data, more = (same or named or fitting)[0]
    if not same:
        _warn(image, path)
    kept: dict[str, Any] = {"multiscale": more["multiscale"]} if "multiscale" in more else {}
    return data, kept | {"rgb": image.axes.endswith("S")}


def _images(layers: list[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Go through image layers; channels that napari would split are split."""
    for one in layers:
        if isinstance(one, Layer):
            if isinstance(one, ImageLayer):
                yield one.data, {"name": one.name, "multiscale": one.multiscale, "rgb": one.rgb}
            continue
        data, more, kind = (*one, *({}, "image")[len(one) - 1 :]) if len(one) < 3 else one
        axis = more.get("channel_axis")
        if kind == "image" and axis is None:
            yield data, more
        elif kind == "image":
            several = isinstance(data, list | tuple)
            levels = data if several else [data]
            for n in range(levels[0].shape[axis]):
                split = [level[(*[slice(None)] * (axis % level.ndim), n)] for level in levels]
                yield (split if several else split[0]), {"multiscale": several}


def _full(data: Any, more: dict[str, Any]) -> Any:
    return data[0] if more.get("multiscale") or isinstance(data, list | tuple) else data


def _compare(image: KeptImage, data: Any, path: Path) -> None:
    if fingerprint(Image(data, image.axes)) != image.fingerprint:
        _warn(image, path)


def _warn(image: KeptImage, path: Path) -> None:
    show_warning(
        f"The image '{image.look.name}' ({path}) is not what it was when the project was kept: its pixels differ. "
        "What is painted may lie elsewhere, and a model may see something else."
    )


def _annotation(folder: Path, annotation: Annotation, project: Project, where: Where) -> LayerData:
    file = _find(folder, annotation, where) if annotation.as_opened else annotation.path
    note = {"folder": str(folder), "id": annotation.id, "path": file and str(file), "reader": annotation.reader}
    metadata: dict[str, Any] = {NOTE: note}
    more = _look(annotation, Labels, folder)
    if annotation.marked:
        metadata[MARK] = "annotation"
        target = (project.settings or {}).get("target")
        if not isinstance(target, dict) or target.get("style") != "cells":
            more["colormap"] = class_colormap(DEFAULT_CLASSES)
    if annotation.as_opened:
        data, several = _labels(Path(str(file)), annotation)
        return data, {**more, "multiscale": several, "metadata": metadata}, "labels"
    data = read_blocks(folder, annotation) if annotation.path is None else _own_file(annotation)
    return data, {**more, "metadata": metadata}, "labels"


def _labels(path: Path, annotation: Annotation) -> tuple[Any, bool]:
    """Find labels among what is in a file; and whether they are in several resolutions."""
    layers = [
        one.as_layer_data_tuple() if isinstance(one, Layer) else one for one in _opened(path, annotation.reader)
    ]
    fitting = [
        (data, more)
        for data, more, kind in (x for x in layers if len(x) == 3)
        if kind == "labels"
        and (tuple(_full(data, more).shape), str(_full(data, more).dtype)) == (annotation.shape, annotation.dtype)
    ]
    named = [c for c in fitting if c[1].get("name") == annotation.look.name]
    if not fitting:
        raise UserError(
            f"{path} does not hold the labels '{annotation.look.name}' of the project any more: put them back, or "
            "move the file away and open the project again to say where they are"
        )
    data, more = (named or fitting)[0]
    return data, data is not _full(data, more)


def _own_file(annotation: Annotation) -> Any:
    """Open the zarr array that an annotation is painted into."""
    import zarr

    from napari_unet.storage.ome_zarr import open_zarr

    path = Path(annotation.path or "")
    if not path.is_dir():
        raise UserError(f"the annotation '{annotation.look.name}' was in {path}, which is not there: put it back")
    open_zarr(path)  # refuses what is dangerous
    return zarr.open_array(path, mode="r+")


def _look(kept: KeptImage | Annotation, kind: type[Layer], folder: Path) -> dict[str, Any]:
    """Give the properties of a layer, tried on a small one: they come from a file."""
    given = kept.look.given
    if kind is Labels:
        given = {k: v for k, v in given.items() if k not in ("contrast_limits", "gamma", "colormap")}
    ndim = len(kept.shape) - (isinstance(kept, KeptImage) and kept.axes.endswith("S"))
    try:
        kind(np.zeros((2,) * ndim, np.uint8), **given)
    except Exception as error:  # napari, pint and pydantic each have their own
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{folder / FILE} is damaged: '{kept.look.name[:50]}' cannot be shown like this ({words[:200]})"
        ) from error
    return given


def look_of(layer: Layer) -> Look:
    """Tell where a layer lies and how it is shown."""
    plain = layer.rotate, layer.shear, layer.affine.affine_matrix
    turned = not all(np.allclose(m, np.eye(len(m)) if np.ndim(m) == 2 else 0) for m in plain)
    known: dict[str, Any] = {
        "name": layer.name,
        "scale": np.asarray(layer.scale).tolist(),
        "translate": np.asarray(layer.translate).tolist(),
        "units": [str(u) for u in layer.units],
        "axis_labels": list(layer.axis_labels),
        "opacity": float(layer.opacity),
        "blending": str(layer.blending),
        "visible": bool(layer.visible) or ASIDE in layer.metadata,
    }
    if turned:
        known |= {
            "rotate": np.asarray(layer.rotate).tolist(),
            "shear": np.asarray(layer.shear).tolist(),
            "affine": np.asarray(layer.affine.affine_matrix).tolist(),
        }
    if isinstance(layer, ImageLayer) and not layer.rgb:
        known |= {"gamma": float(layer.gamma), "contrast_limits": [float(v) for v in layer.contrast_limits]}
        if layer.colormap.name in _known_colormaps():
            known["colormap"] = layer.colormap.name
    return Look.model_validate(known)


def _known_colormaps() -> set[str]:
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    return set(AVAILABLE_COLORMAPS)
