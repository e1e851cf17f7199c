"""The folders of an OME-Zarr that is written here: where the image lies in it, and whose it is.

An image is the root group itself. A label image without an image beside it has no place of its own in OME-Zarr
0.5, which knows ``IMAGE/labels/NAME`` only. Written as a root group it is read back as Labels by napari-ome-zarr
0.9 and 0.10, but hidden, and that reader opens the folder two levels up for writing, looking for the image: it
leaves a ``zarr.json`` there, or fails where that folder may not be written. So label images are a series of one
image, the specification's "bioformats2raw" layout, which is read as Labels and leaves other folders alone::

    cells.zarr/zarr.json                {"bioformats2raw.layout": 3}
               OME/zarr.json            {"series": ["0"]}
               OME/METADATA.ome.xml
               0/zarr.json              {"multiscales": [...], "image-label": {...}}
                 0/  1/  ...            the levels
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import zarr

from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.storage.creator import OWN_KEY
from napari_unet.storage.ome_zarr import metadata, ordered
from napari_unet.storage.reordered import Reordered
from napari_unet.storage.units import time_symbol, time_unit

SERIES = "bioformats2raw.layout"

_OME_TYPES = {"bool": "bit"} | {
    f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32)
}


def new_image(
    folder: Path,
    attributes: Mapping[str, Any],
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    shards: Sequence[int] | None = None,
) -> zarr.Group:
    """Make an OME-Zarr whose level "0" is empty, and return the group of the image.

    Parameters
    ----------
    folder
        Is emptied.
    attributes
        See `napari_unet.storage.ome_zarr.metadata`; with image-label metadata the layout is that of labels.
    shape, chunks, dtype, shards
        Of level "0".

    Raises
    ------
    UserError
        For label values of a type that OME does not know, such as int64.

    Examples
    --------
    >>> import tempfile
    >>> from napari_unet.storage.ome_zarr import metadata
    >>> folder = Path(tempfile.mkdtemp())
    >>> known = metadata("YX", (1, 1, 1), "pixel", "cells", cells=True)
    >>> group = new_image(folder, known, (40, 50), (40, 50), np.dtype("int32"))
    >>> group["0"].shape, sorted(p.name for p in folder.iterdir())
    ((40, 50), ['0', 'OME', 'zarr.json'])
    """
    image = attributes["ome"]["multiscales"][0]
    if "image-label" in attributes["ome"]:
        group = _series(folder, attributes, _ome_xml(image, shape, dtype)).create_group(
            "0", attributes=dict(attributes)
        )
    else:
        group = zarr.open_group(folder, mode="w", zarr_format=3, attributes=dict(attributes))
    group.create_array(
        "0",
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(min(n, c) for n, c in zip(shape, chunks, strict=True)),
        shards=None if shards is None else tuple(shards),
        dimension_names=[a["name"] for a in image["axes"]],
        fill_value=0,
    )
    return group


def new_ordered(
    folder: Path,
    axes: str,
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    *,
    spacing: Sequence[float],
    unit: str,
    name: str,
    cells: bool,
    classes: Sequence[str],
    where: Where,
    creator: Mapping[str, Any],
) -> tuple[zarr.Group, Any]:
    """Make an OME-Zarr for an array whose axes are in another order than those that are stored.

    Parameters
    ----------
    folder
        Is emptied.
    axes, shape, chunks
        Letter, length and chunk of every axis, as the array is seen.
    dtype
        Of the array.
    spacing, unit, name, cells, classes, where, creator
        See `napari_unet.storage.ome_zarr.metadata`.

    Returns
    -------
    group, array
        The group of the image, and its empty level "0", see `level_0`.
    """
    stored = ordered(axes)
    order = [axes.index(a) for a in stored]
    known = metadata(
        stored,
        spacing,
        unit,
        name,
        cells=cells,
        classes=classes,
        where=where,
        white=255.0 if dtype == np.uint8 else 1.0,
        creator=creator,
    )
    group = new_image(folder, known, [shape[i] for i in order], [chunks[i] for i in order], dtype)
    return group, level_0(group, axes)


def level_0(group: zarr.Group, axes: str) -> Any:
    """Give the full resolution of an image, seen with its axes in the order of ``axes``."""
    stored, order = group["0"], ordered(axes)
    return stored if order == axes else Reordered(stored, axes, order)


def image_group(path: Path, mode: Any = "r+") -> zarr.Group:
    """Open the group of the image in an OME-Zarr that `new_image` has made, or an earlier version.

    Examples
    --------
    >>> import tempfile
    >>> from napari_unet.storage.ome_zarr import metadata
    >>> known = metadata("YX", (1, 1, 1), "pixel", "cells", cells=True)
    >>> folder = Path(tempfile.mkdtemp())
    >>> group = new_image(folder, known, (40, 50), (40, 50), np.dtype("int32"))
    >>> image_group(folder) == group
    True
    """
    root = zarr.open_group(path, mode=mode)
    known: Any = root.attrs.get("ome", {})
    inside = root["0"] if SERIES in known else root
    assert isinstance(inside, zarr.Group)
    return inside


def is_own(folder: Path) -> bool:
    """Whether a zarr folder was written here, and nothing was added to it: only such a folder is replaced."""
    names = {p.name for p in folder.iterdir()}
    if names <= {"zarr.json", "0"}:
        return True  # an empty folder, or one of the first version, which left no mark
    try:
        attributes = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return OWN_KEY in attributes and all(n in ("zarr.json", "OME") or n.isdecimal() for n in names)


def _series(folder: Path, attributes: Mapping[str, Any], described: str) -> zarr.Group:
    """Make a root group whose only image will be "0"; ``described`` is its OME-XML."""
    version = attributes["ome"]["version"]
    known = {"ome": {"version": version, SERIES: 3}}
    own = {key: value for key, value in attributes.items() if key == OWN_KEY}
    root = zarr.open_group(folder, mode="w", zarr_format=3, attributes=known | own)
    root.create_group("OME", attributes={"ome": {"version": version, "series": ["0"]}})
    (folder / "OME" / "METADATA.ome.xml").write_text(described, encoding="utf-8")
    return root


def _ome_xml(image: Mapping[str, Any], shape: Sequence[int], dtype: np.dtype[Any]) -> str:
    """Describe the image without its pixels; voxel sizes as in the metadata of the zarr."""
    kind = _OME_TYPES.get(dtype.name)
    if kind is None:
        raise UserError(f"label values of type {dtype} have no name in OME; write them as int32")
    lengths = {a["name"]: n for a, n in zip(image["axes"], shape, strict=True)}
    sizes = {f"Size{a}": str(lengths.get(a.lower(), 1)) for a in "XYZCT"}
    root = ElementTree.Element("OME", xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06")
    described = ElementTree.SubElement(root, "Image", ID="Image:0", Name=image["name"])
    known = {"ID": "Pixels:0", "DimensionOrder": "XYZCT", "Type": kind, **sizes}
    known |= _physical_sizes(image) | _times(image)
    ElementTree.SubElement(ElementTree.SubElement(described, "Pixels", known), "MetadataOnly")
    return ElementTree.tostring(root, encoding="unicode")


def _physical_sizes(image: Mapping[str, Any]) -> dict[str, str]:
    """Voxel sizes; their unit in OME is the micrometre where none is told."""
    scale = image["datasets"][0]["coordinateTransformations"][0]["scale"]
    known = zip(image["axes"], scale, strict=True)
    return {f"PhysicalSize{a['name'].upper()}": str(s) for a, s in known if a.get("unit") == "micrometer"}


def _times(image: Mapping[str, Any]) -> dict[str, str]:
    """Time from one frame to the next, where its unit is told."""
    scale = image["datasets"][0]["coordinateTransformations"][0]["scale"]
    known = {a["name"]: (s, time_unit(a.get("unit"))) for a, s in zip(image["axes"], scale, strict=True)}
    step, unit = known.get("t", (1.0, ""))
    return {"TimeIncrement": str(step), "TimeIncrementUnit": time_symbol(unit)} if unit else {}
