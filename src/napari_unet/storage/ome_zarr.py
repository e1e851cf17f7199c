"""Zarr arrays and OME-Zarr images (0.4 on zarr 2, 0.5 on zarr 3): reading, and the metadata for writing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr
from zarr.errors import BaseZarrError

from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.errors import UserError
from napari_unet.storage import budget
from napari_unet.storage.creator import OWN_KEY
from napari_unet.storage.opened import Raw, checked_type
from napari_unet.storage.units import spacing_zyx, time_unit, to_micrometres

_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
"""Types of the axes, in the order that the specification demands."""
_UNSAFE = ("pickle", "numcodecs.pickle")
"""Codecs that run code from the file."""


def open_zarr(path: Path) -> Raw:
    """Open a zarr array, or the full resolution of an OME-Zarr group, without reading pixels.

    Raises
    ------
    UserError
        If the metadata are damaged, a group leaves open which array is meant, a chunk is larger than the
        memory, or a codec would run code from the file.
    """
    try:
        found: Any = zarr.open(path, mode="r")
        raw = _of_group(path, found) if isinstance(found, zarr.Group) else _of_array(found)
    except UserError:
        raise
    except (BaseZarrError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a readable zarr image ({words}); copy it again") from error
    _check(path, raw.data)
    return raw


def _of_array(array: Any) -> Raw:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    axes = "".join(str(n)[:1] for n in names).upper() if names and all(names) else None
    return Raw(array, axes)


def _of_group(path: Path, group: Any) -> Raw:
    known = group.attrs.get("ome", group.attrs)
    scales = known.get("multiscales")
    if scales:
        return _of_multiscale(group, scales[0])
    arrays = [name for name, _ in group.arrays()]
    if len(arrays) == 1:
        return _of_array(group[arrays[0]])
    if "bioformats2raw.layout" in known and "0" in group:
        return _of_group(path, group["0"])
    inside = ", ".join(sorted([*arrays, *(name for name, _ in group.groups())])) or "nothing"
    raise UserError(f"{path}: which array? it holds {inside}; name one, such as {path / 'NAME'}")


def _of_multiscale(group: Any, scale: Mapping[str, Any]) -> Raw:
    """Take the largest dataset, whatever the order in which they are listed."""
    datasets = [(group[d["path"]], d.get("coordinateTransformations", ())) for d in scale["datasets"]]
    array, transforms = max(datasets, key=lambda d: d[0].size)
    axes = [a if isinstance(a, dict) else {"name": a} for a in scale.get("axes", ())]
    letters = "".join(str(a["name"])[:1] for a in axes).upper()
    factors, starts = _placed(letters, [*transforms, *scale.get("coordinateTransformations", ())])
    units = dict(zip(letters, (a.get("unit") for a in axes), strict=True))
    known = {a: to_micrometres(units[a]) for a in factors if a in "ZYX"}
    metric = bool(known) and all(known.values())
    lengths = {a: (factor if metric else None) or 1.0 for a, factor in known.items()}
    spacing, unit = spacing_zyx({a: factors[a] * n for a, n in lengths.items()}, 1.0 if metric else None)
    origin = [starts.get(a, 0.0) * lengths.get(a, 1.0) for a in "ZYX"]
    where = Where.checked(origin, starts.get("T", 0.0), factors.get("T", 1.0), time_unit(units.get("T")))
    return Raw(array, letters or None, spacing, unit, where=where)


def _placed(axes: str, transforms: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the size of a voxel and the place of the first one along every axis, of transforms in their order."""
    factors, starts = [1.0] * len(axes), [0.0] * len(axes)
    for transform in transforms:
        if transform.get("type") == "scale":
            scale = [float(s) for s in transform["scale"]]
            factors = [f * s for f, s in zip(factors, scale, strict=True)]
            starts = [o * s for o, s in zip(starts, scale, strict=True)]
        elif transform.get("type") == "translation" and len(transform.get("translation", ())) == len(axes):
            move = [float(m) for m in transform["translation"]]
            starts = [o + m for o, m in zip(starts, move, strict=True)]
    return dict(zip(axes, factors, strict=True)), dict(zip(axes, starts, strict=True))


def _check(path: Path, array: Any) -> None:
    checked_type(array.dtype, path.name)
    described = json.dumps(array.metadata.to_dict(), default=str)
    if any(f'"{name}"' in described for name in _UNSAFE):
        raise UserError(f"{path}: is stored with the codec 'pickle', which can run code; save it with another one")
    piece = budget.nbytes(array.chunks, array.dtype)
    budget.check_memory(piece, f"one chunk {array.chunks} of {path}", "save it with smaller chunks")


def ordered(axes: str) -> str:
    """Put axes into the order that OME-Zarr demands: time, channels, space.

    Examples
    --------
    >>> ordered("CTZYX"), ordered("CYX")
    ('TCZYX', 'CYX')
    """
    return "".join(a for a in _TYPES if a in axes)


def metadata(
    axes: str,
    spacing: Sequence[float],
    unit: str,
    name: str,
    *,
    cells: bool,
    classes: Sequence[str] = (),
    levels: Sequence[Sequence[int]] = (),
    where: Where = UNPLACED,
    white: float = 1.0,
    creator: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the attributes of an OME-Zarr 0.5 image.

    Parameters
    ----------
    axes
        Letters of the array's axes, such as ``"CZYX"``, in the order of `ordered`.
    spacing
        Voxel size along Z, Y, X.
    unit
        Unit of it; "pixel" is left out, for it is none.
    name
        Name of the image.
    cells
        The pixels are label values (adds the image-label part).
    classes
        Names of the channels.
    levels
        For every level of a pyramid, how many voxels of level 0 one of its voxels spans along every axis, level 0
        first (see `napari_unet.storage.pyramid.factors`); empty: level 0 alone.
    where
        Place of the first voxel, its origin in ``unit``, and the times of the frames.
    white
        The value that viewers show brightest, of images whose channels have names.
    creator
        What made the image, kept under the key `OWN_KEY`.

    Examples
    --------
    >>> known = metadata("YX", (1, 0.5, 0.5), "micrometer", "a", cells=False)
    >>> known["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [0.5, 0.5]}]
    """
    lengths = dict(zip("TZYX", (where.step, *spacing), strict=True))
    place = dict(zip("TZYX", (where.start, *where.origin), strict=True))
    units = dict.fromkeys("ZYX", "" if unit == "pixel" else unit) | {"T": where.time_unit}
    scale = [float(lengths.get(a, 1.0)) for a in axes]
    levels = levels or [(1,) * len(axes)]
    shown = datasets(scale, [float(place.get(a, 0.0)) for a in axes], levels, averaged=not cells)
    image: dict[str, Any] = {"name": name, "axes": [_axis(a, units.get(a)) for a in axes], "datasets": shown}
    if len(levels) > 1:
        image["type"] = "nearest" if cells else "mean"
    ome: dict[str, Any] = {"version": "0.5", "multiscales": [image]}
    if cells:
        ome["image-label"] = {"version": "0.5"}
    if classes:
        ome["omero"] = {"channels": [_channel(c, n, white) for n, c in enumerate(classes)]}
    return {"ome": ome} if creator is None else {"ome": ome, OWN_KEY: dict(creator)}


def datasets(
    scale: Sequence[float], origin: Sequence[float], levels: Sequence[Sequence[int]], *, averaged: bool
) -> list[dict[str, Any]]:
    """Return the levels of a pyramid with their scale and, where one is moved, their translation.

    Coordinates are those of the centres of voxels. The mean of f voxels lies in the middle of them, (f - 1) / 2
    voxels from the first; every f-th voxel, taken as it is, stays where it was.

    Parameters
    ----------
    scale, origin
        Size of a voxel of level 0, and place of its first one, along every axis.
    levels
        Voxels of level 0 that one voxel spans, for every level along every axis.
    averaged
        Whether voxels are means, or picked.

    Examples
    --------
    >>> for level in datasets((0.5, 0.5), (0, 0), [(1, 1), (4, 2)], averaged=True):
    ...     print([list(t.values()) for t in level["coordinateTransformations"]])
    [['scale', [0.5, 0.5]], ['translation', [0.0, 0.0]]]
    [['scale', [2.0, 1.0]], ['translation', [0.75, 0.25]]]
    """
    half = 0.5 if averaged else 0.0
    sizes = [[s * f for s, f in zip(scale, level, strict=True)] for level in levels]
    places = [
        [float(o + s * (f - 1) * half) for o, s, f in zip(origin, scale, level, strict=True)] for level in levels
    ]
    found: list[dict[str, Any]] = []
    for number, (size, place) in enumerate(zip(sizes, places, strict=True)):
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": size}]
        if any(map(any, places)):
            transforms.append({"type": "translation", "translation": place})
        found.append({"path": str(number), "coordinateTransformations": transforms})
    return found


def _axis(letter: str, unit: str | None) -> dict[str, str]:
    return {"name": letter.lower(), "type": _TYPES[letter]} | ({"unit": unit} if unit else {})


def _channel(name: str, index: int, white: float) -> dict[str, Any]:
    colours = ("00FF00", "FF0000", "0000FF", "FFFF00", "FF00FF", "00FFFF")
    window = {"min": 0.0, "max": white, "start": 0.0, "end": white}
    return {"label": name, "color": colours[index % len(colours)], "window": window, "active": True}
