"""Which files count as images, told from their names and, for zarr, from their content."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_unet.errors import UserError
from napari_unet.spec.record import CellFormat as CellFormat

Kind = Literal["tiff", "zarr", "picture"]

SUFFIXES: dict[str, Kind] = {
    ".ome.tiff": "tiff",
    ".ome.tif": "tiff",
    ".ome.zarr": "zarr",
    ".tiff": "tiff",
    ".tif": "tiff",
    ".zarr": "zarr",
    ".png": "picture",
    ".jpeg": "picture",
    ".jpg": "picture",
}
"""Longest first, so that ``.ome.tif`` is found before ``.tif``."""

READABLE = ".tif, .ome.tif, .zarr, .ome.zarr, .png, .jpg"
WRITABLE = ".tif, .ome.tif, .zarr, .ome.zarr"

_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")


def suffix_of(path: Path) -> str:
    """Return the known suffix that ``path`` ends with, or an empty string.

    Examples
    --------
    >>> suffix_of(Path("my cells.OME.TIF")), suffix_of(Path("notes.txt"))
    ('.ome.tif', '')
    """
    name = path.name.lower()
    return next((s for s in SUFFIXES if name.endswith(s) and len(name) > len(s)), "")


def stem_of(path: Path) -> str:
    """Return the name of ``path`` without its known suffix.

    Examples
    --------
    >>> stem_of(Path("a/plate 1.ome.tif")), stem_of(Path("a/plate 1.png"))
    ('plate 1', 'plate 1')
    """
    return path.name[: len(path.name) - len(suffix_of(path))]


def is_zarr(path: Path) -> bool:
    """Whether the folder ``path`` holds a zarr array or group, of version 2 or 3."""
    return any((path / name).is_file() for name in _ZARR_FILES)


def kind_of(path: Path) -> Kind | None:
    """Return what kind of image ``path`` is; None for anything else, folders of images included."""
    if path.is_dir():
        return "zarr" if is_zarr(path) else None
    kind = SUFFIXES.get(suffix_of(path))
    return None if kind == "zarr" else kind


def image_paths(path: Path) -> list[Path]:
    """Return the image files in ``path`` by sorted name, or ``path`` itself if it is one.

    Raises
    ------
    UserError
        If ``path`` does not exist, is of an unknown kind, or is a folder without images.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; check the name")
    if kind_of(path):
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: not an image that can be read here; use {READABLE}")
    if suffix_of(path) == ".zarr" or suffix_of(path) == ".ome.zarr":
        raise UserError(f"{path}: holds no zarr metadata (zarr.json or .zgroup); it may be copied in part")
    found = sorted(p for p in path.iterdir() if not p.name.startswith(".") and kind_of(p))
    if not found:
        raise UserError(f"{path}: the folder holds no images; expected {READABLE}")
    return found
