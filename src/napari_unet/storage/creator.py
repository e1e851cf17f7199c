"""What made a file, as JSON in the file itself: where every format keeps it.

An OME-Zarr in an attribute, an OME-TIFF in a map annotation, an ImageJ TIFF in a line of the image's info, another
TIFF in its description. Files that have no place for it get a small file beside them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from napari_unet.files import replacing
from napari_unet.storage.formats import kind_of

OWN_KEY = "napari_unet"
"""Name of what is kept; in an OME-Zarr it tells images written here."""
RECORD = "record"
"""Name, in what is kept, of how a result was made: see `napari_unet.storage.records`."""

Facts = Mapping[str, Any]


def as_annotation(creator: Facts | None) -> dict[str, Any]:
    """Give what tifffile writes into OME-XML; without facts it still tells who has written the file."""
    return {"MapAnnotation": {"Namespace": OWN_KEY, OWN_KEY: json.dumps(dict(creator or {}))}}


def as_info(creator: Facts | None) -> dict[str, Any]:
    """Give what tifffile writes for ImageJ's *Image > Show Info*."""
    return {"Info": f"{OWN_KEY}: {json.dumps(dict(creator or {}))}\n"}


def as_description(creator: Facts | None) -> dict[str, Any]:
    """Give what tifffile writes into the JSON that describes a TIFF's shape."""
    return {OWN_KEY: dict(creator or {})}


def side_file(path: Path) -> Path:
    """Name the file beside one that has no place for what made it.

    Examples
    --------
    >>> side_file(Path("a/cells_rois.zip")).name
    'cells_rois.zip.json'
    """
    return path.with_name(path.name + ".json")


def write_side_file(path: Path, creator: Facts) -> None:
    """Write what made a file beside it; without facts, remove what is told there of an earlier one."""
    if not creator:
        if read_creator(path):
            side_file(path).unlink()
        return
    with replacing(side_file(path)) as temporary:
        temporary.write_text(json.dumps({OWN_KEY: dict(creator)}, indent=2), encoding="utf-8")


def read_creator(path: Path) -> dict[str, Any]:
    """Read what made a file; empty if it is not ours, or does not tell."""
    return _found(path) or {}


def has_creator(path: Path) -> bool:
    """Tell whether a file was written here: it says so even if it says nothing else of its making."""
    return _found(path) is not None


def _found(path: Path) -> dict[str, Any] | None:
    kind = kind_of(path)
    try:
        if kind == "zarr":
            text = (path / "zarr.json").read_text(encoding="utf-8")
            found = json.loads(text)["attributes"].get(OWN_KEY)
        elif kind == "tiff":
            found = _of_tiff(path)
        else:
            found = json.loads(side_file(path).read_text(encoding="utf-8")).get(OWN_KEY)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # somebody else's, or none
        return None
    return found if isinstance(found, dict) else None


def _of_tiff(path: Path) -> Any:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            if file.is_ome:
                return _of_xml(file.ome_metadata or "")
            if file.is_imagej:
                return _of_info(str((file.imagej_metadata or {}).get("Info", "")))
            return next((m.get(OWN_KEY) for m in file.shaped_metadata or ()), None)
    except (tifffile.TiffFileError, ElementTree.ParseError, struct.error, IndexError, ArithmeticError) as error:
        raise ValueError(str(error)) from error


def _of_info(text: str) -> Any:
    mark = f"{OWN_KEY}: "
    lines = (line.removeprefix(mark) for line in text.splitlines() if line.startswith(mark))
    return next((json.loads(line) for line in lines), None)


def _of_xml(text: str) -> Any:
    if OWN_KEY not in text:  # the XML of thousands of planes takes long
        return None
    entries = (e for e in ElementTree.fromstring(text).iter() if e.tag.endswith("}M") and e.get("K") == OWN_KEY)
    return next((json.loads(e.text or "null") for e in entries), None)
