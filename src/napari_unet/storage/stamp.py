"""A mark in a result that tells what it was made of: whether a file is the answer to a request."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_unet.storage.creator import read_creator
from napari_unet.storage.formats import SUFFIXES, suffix_of

PREFIX = "napari-unet-live request "
"""What the mark begins with, in the tag ``Software`` of a TIFF."""
KEY = "stamp"
"""Its name among the facts about the creator of an OME-Zarr."""


def stamp_of(request: Mapping[str, Any]) -> str:
    """Hash what was asked for; equal requests have equal marks.

    Examples
    --------
    >>> stamp_of({"a": 1, "b": [2]}) == stamp_of({"b": [2], "a": 1})
    True
    """
    text = json.dumps(request, sort_keys=True)
    return PREFIX + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_of_request(path: Path) -> bool:
    """Tell whether a file answers some request, as it was written then; a correction of it has no mark."""
    return (read_stamp(path) or "").startswith(PREFIX)


def read_stamp(path: Path) -> str | None:
    """Read the mark of a file; None if it has none, or is not there."""
    if not os.path.exists(path):  # unlike that of a Path, it raises for no name and no folder
        return None
    if SUFFIXES[suffix_of(path)] == "zarr":
        found = read_creator(path).get(KEY)
        return None if found is None else str(found)
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            found = file.pages.first.tags.get("Software")
            return None if found is None else str(found.value)
    except (tifffile.TiffFileError, struct.error, OSError, LookupError, TypeError, ValueError):
        return None  # damaged, or somebody else's; it is replaced, or not, as always
