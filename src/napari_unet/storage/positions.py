"""The images within one OME-Zarr: the positions of a file with several series, the fields of a plate's wells."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from napari_unet.errors import UserError


def positions(path: Path) -> list[str]:
    """List the images within a zarr as paths in it; empty if it is one image itself.

    Parameters
    ----------
    path
        A zarr: a plate (HCS), the layout of bioformats2raw with several series, or anything else.

    Raises
    ------
    UserError
        If its metadata are damaged, or name something outside of it.
    """
    try:
        found = _positions(path)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise UserError(f"{path}: its list of positions cannot be read ({error}); copy it again") from error
    for name in found:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in name:
            raise UserError(f"{path}: names the position '{name}', which lies outside of it; it may be forged")
    return found


def _positions(path: Path) -> list[str]:
    known = _attributes(path)
    if "plate" in known:
        wells = [str(well["path"]) for well in known["plate"]["wells"]]
        return [f"{w}/{field['path']}" for w in wells for field in _attributes(path / w)["well"]["images"]]
    if "bioformats2raw.layout" in known and "multiscales" not in known:
        series = _attributes(path / "OME").get("series")
        if series is None:
            series = sorted((p.name for p in path.iterdir() if p.is_dir() and p.name.isdigit()), key=int)
        return [str(name) for name in series] if len(series) > 1 else []
    return []


def _attributes(group: Path) -> dict[str, Any]:
    """Read the attributes of a group of zarr 3 or 2, as OME-Zarr 0.5 or 0.4 keeps them."""
    for name, within in (("zarr.json", "attributes"), (".zattrs", None)):
        if (group / name).is_file():
            found = json.loads((group / name).read_text(encoding="utf-8"))
            known = found.get(within, {}) if within else found
            attributes: dict[str, Any] = known.get("ome", known)
            return attributes
    return {}
