"""Cells as polygons in files: ROIs for ImageJ, GeoJSON for QuPath."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.contours import Contour, contours
from napari_unet.arrays.steps import Steps, Tell
from napari_unet.errors import UserError
from napari_unet.files import replacing

Place = dict[str, int]
"""Slice along T and Z, as far as there are, from 0 on."""


def write_rois(cells: ArrayLike, axes: str, path: Path, tell: Tell) -> None:
    """Write a zip of ROIs for ImageJ's ROI manager: a traced polygon for every piece of a cell in a slice.

    Parameters
    ----------
    cells, axes
        Integer ids; T, Z, Y, X as far as there are.
    path
        A new file, or one to replace.
    tell
        Told how much is done.

    Raises
    ------
    UserError
        If the package ``roifile`` is not installed.
    """
    try:
        from roifile import ROI_TYPE, ImagejRoi
    except ImportError as error:
        raise UserError(
            "ROIs for ImageJ need the package roifile: pip install 'napari-unet-live[rois]', or save the cells as "
            "a TIFF for ImageJ"
        ) from error
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, contour, name in _named(cells, axes, tell):
            roi = ImagejRoi.frompoints(contour.corners[:, ::-1], name=name)
            roi.roitype = ROI_TYPE.TRACED
            for attribute, number in _position(place).items():
                setattr(roi, attribute, number)
            archive.writestr(f"{name}.roi", roi.tobytes())


def _position(place: Place) -> Place:
    """Where ImageJ shows a ROI; it counts from 1, and hyperstacks by each axis."""
    if len(place) == 1:
        return {"position": next(iter(place.values())) + 1}
    return {f"{axis.lower()}_position": number + 1 for axis, number in place.items()} | (
        {"c_position": 1} if place else {}
    )


def _named(cells: ArrayLike, axes: str, tell: Tell) -> Iterator[tuple[Place, Contour, str]]:
    """Give all contours with names of their own: slice as ImageJ counts it, id, and number of the piece."""
    for place, found in _by_slice(cells, axes, tell):
        pieces: Counter[int] = Counter()
        where = "".join(f"{number + 1:04}-" for number in place.values())
        for contour in found:
            pieces[contour.id] += 1
            piece = f"-{pieces[contour.id]}" if pieces[contour.id] > 1 else ""
            yield place, contour, f"{where}{contour.id:04}{piece}"


def _by_slice(cells: ArrayLike, axes: str, tell: Tell) -> Iterator[tuple[Place, Iterator[Contour]]]:
    shape = tuple(int(n) for n in cells.shape[:-2])
    steps = Steps(int(np.prod(shape)), tell)
    for index in np.ndindex(shape):
        steps.next()
        yield dict(zip(axes, index, strict=False)), contours(np.asarray(cells[index]))


def write_geojson(cells: ArrayLike, axes: str, path: Path, tell: Tell) -> None:
    """Write polygons as GeoJSON, as QuPath reads it: a feature for every cell in a slice, in pixels.

    Arguments as of `write_rois`. A cell in several pieces is a MultiPolygon.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        before = "\n"
        for place, found in _by_slice(cells, axes, tell):
            for number, rings in _pieces(found).items():
                file.write(before + json.dumps(_feature(number, rings, place)))
                before = ",\n"
        file.write("\n]}\n")


def _pieces(found: Iterator[Contour]) -> dict[int, list[Any]]:
    """Collect closed rings of (x, y) by the id of the cell."""
    rings: dict[int, list[Any]] = {}
    for contour in found:
        corners = contour.corners[:, ::-1].tolist()
        rings.setdefault(contour.id, []).append([*corners, corners[0]])
    return rings


def _feature(number: int, rings: list[Any], place: Place) -> dict[str, Any]:
    several = len(rings) > 1
    geometry = {
        "type": "MultiPolygon" if several else "Polygon",
        "coordinates": [[ring] for ring in rings] if several else rings,
        "plane": {"c": -1, "z": place.get("Z", 0), "t": place.get("T", 0)},  # QuPath's own
    }
    properties = {"objectType": "detection", "name": str(number), "cell": number}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
