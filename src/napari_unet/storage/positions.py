"""The images within one OME-Zarr: the positions of a file with several series, the fields of a plate's wells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from napari_unet.errors import UserError

_DAMAGES = (KeyError, TypeError, ValueError, AttributeError, OSError)


@dataclass(frozen=True)
class Position:
    """An image within a zarr, or a well whose images nobody can tell.

    Parameters
    ----------
    path
        In the zarr, with ``/``.
    problem
        Why there is no image, in words; empty if there is.
    """

    path: str
    problem: str = ""


def positions(path: Path) -> list[Position]:
    """List the images within a zarr; empty if it is one image itself.

    Parameters
    ----------
    path
        A zarr: a plate (HCS), the layout of bioformats2raw with several series, or anything else.

    Returns
    -------
    list of Position
        A well that is missing or damaged is one of them, with a problem.

    Raises
    ------
    UserError
        If its metadata are damaged, or name something outside of it.
    """
    try:
        known = _attributes(path)
        if "plate" in known:
            return [found for well in known["plate"]["wells"] for found in _of_well(path, str(well["path"]))]
        return [Position(_inside(path, name)) for name in _series(path, known)]
    except UserError:
        raise
    except _DAMAGES as error:
        raise UserError(f"{path}: its list of positions cannot be read ({error}); copy it again") from error


def is_label_image(path: Path) -> bool:
    """Tell whether a zarr has the image-label metadata of OME-Zarr: its values are names, not intensities."""
    try:
        known = _attributes(path)
        one = "bioformats2raw.layout" in known and "multiscales" not in known
        return "image-label" in (_attributes(path / "0") if one else known)
    except _DAMAGES:  # who opens it says what is wrong
        return False


def _of_well(plate: Path, well: str) -> Iterator[Position]:
    _inside(plate, well)  # before anything of it is opened
    try:
        names = [str(field["path"]) for field in _attributes(plate / well)["well"]["images"]]
    except _DAMAGES as error:
        why = f"cannot be read ({error})" if (plate / well).is_dir() else "is not there"
        yield Position(well, f"this well {why}; the plate may be copied in part")
        return
    yield from (Position(_inside(plate, f"{well}/{name}")) for name in names)


def _series(path: Path, known: dict[str, Any]) -> list[str]:
    if "bioformats2raw.layout" not in known or "multiscales" in known:
        return []
    series = _attributes(path / "OME").get("series")
    if series is None:
        series = sorted((p.name for p in path.iterdir() if p.is_dir() and p.name.isdigit()), key=int)
    return [str(name) for name in series] if len(series) > 1 else []


def _inside(path: Path, name: str) -> str:
    """Return the name of a position; raise `UserError` if it leads out of the zarr."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise UserError(f"{path}: names the position '{name}', which lies outside of it; it may be forged")
    return name


def _attributes(group: Path) -> dict[str, Any]:
    """Read the attributes of a group of zarr 3 or 2, as OME-Zarr 0.5 or 0.4 keeps them."""
    for name, within in (("zarr.json", "attributes"), (".zattrs", None)):
        if (group / name).is_file():
            found = json.loads((group / name).read_text(encoding="utf-8"))
            known = found.get(within, {}) if within else found
            attributes: dict[str, Any] = known.get("ome", known)
            return attributes
    return {}
