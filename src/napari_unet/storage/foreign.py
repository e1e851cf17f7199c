"""Files of others are never replaced: whose a file is, is told by what it says of its making."""

from __future__ import annotations

import struct
from pathlib import Path

from safetensors import SafetensorError, safe_open

from napari_unet.errors import UserError
from napari_unet.storage.creator import OWN_KEY, has_creator, side_file
from napari_unet.storage.formats import SUFFIXES, suffix_of
from napari_unet.storage.stamp import is_of_request

AT_ONCE = 2.0
"""Seconds between a file and that beside it, at most, if they were written, or copied, together."""


def check_not_foreign(path: Path) -> None:
    """Raise `UserError` if a file is there that this program has not written; an empty one is nobody's."""
    beside = side_file(path)
    if _holds_something(path) and not _is_own(path):
        raise _refusal(path)
    if not _tells_inside(path) and _holds_something(beside) and not has_creator(path):
        raise _refusal(beside)


def _refusal(path: Path) -> UserError:
    return UserError(
        f"{path}: this file was not written by napari-unet, or another program has saved it since, and is not "
        "replaced; move it, or choose another name"
    )


def _holds_something(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _tells_inside(path: Path) -> bool:
    """Whether files of this kind have a place for what made them."""
    return suffix_of(path) != "" or path.suffix.lower() in (".png", ".safetensors")


def _is_own(path: Path) -> bool:
    """Whether a file tells that it was written here: in itself, or in a file beside it."""
    if SUFFIXES.get(suffix_of(path)) == "tiff":
        return is_of_request(path) or has_creator(path)
    if path.suffix.lower() == ".png":
        return _is_own_png(path)
    if path.suffix.lower() == ".safetensors":
        return _is_own_model(path)
    return has_creator(path) and not _is_edited(path)


def _is_edited(path: Path) -> bool:
    """Whether a table, or what else has no place for its making, was saved after the file that tells it."""
    return path.stat().st_mtime > side_file(path).stat().st_mtime + AT_ONCE


def _is_own_png(path: Path) -> bool:
    from PIL import Image as Pillow  # what writes no pictures need not wait

    try:
        with Pillow.open(path) as file:
            return OWN_KEY in file.info
    except (OSError, SyntaxError, ValueError, struct.error):
        return False


def _is_own_model(path: Path) -> bool:
    try:
        with safe_open(path, framework="np") as file:
            return OWN_KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False
