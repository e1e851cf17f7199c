"""TIFF, OME-TIFF and ImageJ TIFF: read with axes and voxel size, as lazily as the file allows."""

from __future__ import annotations

import logging
import struct
import weakref
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.errors import UserError
from napari_unet.storage import budget
from napari_unet.storage.opened import Raw, checked_type
from napari_unet.storage.units import seconds, spacing_zyx, time_unit, to_micrometres

EAGER = 256 * 2**20
"""Images up to this many bytes are decoded at once; larger ones tile by tile."""

_CORRUPT = (
    tifffile.TiffFileError,
    ValueError,
    OSError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
)
_UNREAD_XML = "OME series raised ParseError"
"""What tifffile logs where only the description is damaged: the pixels are read without it."""


def open_tiff(path: Path) -> Raw:
    """Open the largest image of a TIFF file.

    Small images are decoded; large ones are memory-mapped if they are stored in one piece, else read
    tile by tile when they are indexed.

    Raises
    ------
    UserError
        If the file is damaged, needs a codec that is missing, or claims more than the memory can hold.
    """
    with _complaints() as complaints:
        try:
            raw = _open(path)
        except UserError:
            raise
        except KeyError as error:
            raise UserError(f"{path}: {_codec(error)}") from error
        except _CORRUPT as error:
            raise UserError(f"{path}: not a readable TIFF, it may be damaged ({error}); copy it again") from error
    if complaints:
        raise UserError(f"{path}: the TIFF is damaged or cut short ({complaints[0]}); copy it again")
    return raw


def _open(path: Path) -> Raw:
    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise UserError(f"{path}: the TIFF holds no image; save it again")
        series = max(file.series, key=lambda s: s.size)
        checked_type(series.dtype, path.name)
        spacing, unit, where = _of_ome(file) if file.is_ome else _of_imagej(file)
        return Raw(_pixels(path, series), _axes(file, series), spacing, unit, _left_out(file, series), where)


def _left_out(file: tifffile.TiffFile, used: Any) -> str:
    """Tell that a file holds other images, too."""
    if len(file.series) == 1:
        return ""
    size = " x ".join(str(n) for n in used.shape)
    return f"the file holds {len(file.series)} images: only the {_which(file, used)}, {size}, is used"


def _which(file: tifffile.TiffFile, used: Any) -> str:
    return "first" if all(s.size == used.size for s in file.series) else "largest"


def tiff_axes(path: Path) -> tuple[tuple[int, ...], str]:
    """Shape and axes of the image that `open_tiff` opens; no pixel is read.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    with _complaints():
        try:
            with tifffile.TiffFile(path) as file:
                series = max(file.series, key=lambda s: s.size)
                return tuple(series.shape), _axes(file, series)
        except (*_CORRUPT, KeyError, OSError) as error:
            raise UserError(f"{path}: not a readable TIFF ({error})") from error


def _axes(file: tifffile.TiffFile, series: Any) -> str:
    """Axes of a series. Colour planes one after the other are rare, and stacks of 3 or 4 slices are not.

    Programs (tifffile itself) mark such a stack as planes of colour, so that only OME metadata is believed.
    """
    axes: str = series.axes
    return axes if file.is_ome or axes.endswith("S") else axes.replace("S", "Q")


def _pixels(path: Path, series: Any) -> Any:
    """Decode, map or wrap the pixels of a series."""
    size = budget.nbytes(series.shape, series.dtype)
    if size <= EAGER:
        budget.check_memory(size, str(path), "close other programs")
        return series.asarray()
    page = series.keyframe
    if series.dataoffset is not None and page.is_memmappable:
        dtype = np.dtype(page.parent.byteorder + series.dtype.char)
        return np.memmap(path, dtype, "r", series.dataoffset, series.shape)
    piece = budget.nbytes(page.chunks, series.dtype)
    budget.check_memory(piece, f"one tile of {path}", "save it as OME-Zarr or as a tiled TIFF")
    return _lazy(path)


def _lazy(path: Path) -> Any:
    """Return the pixels as a zarr array that decodes what is indexed; it keeps the file open."""
    import zarr

    file = tifffile.TiffFile(path)
    series = max(file.series, key=lambda s: s.size)
    found: Any = zarr.open(series.aszarr(level=0), mode="r")
    array = found if isinstance(found, zarr.Array) else found["0"]
    weakref.finalize(array, file.close)
    return array


def _codec(error: KeyError) -> str:
    text = str(error.args[0]) if error.args else str(error)
    if "imagecodecs" in text:
        name = text.split(":")[0].strip("<").removeprefix("COMPRESSION.")
        return f"the TIFF is compressed with {name}; pip install imagecodecs, or save it uncompressed"
    return f"not a readable TIFF, it may be damaged ({text}); copy it again"


def _of_ome(file: tifffile.TiffFile) -> tuple[tuple[float, float, float], str, Where]:
    """Voxel size along Z, Y, X, its unit, and the place from OME metadata; unknown if these are damaged."""
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return *spacing_zyx({}, None), UNPLACED
    pixels = next((e for e in root.iter() if _tag(e) == "Pixels"), root)
    planes = (e.attrib for e in pixels if _tag(e) == "Plane")
    first = next((p for p in planes if p.get("TheT") == p.get("TheZ") == "0"), {})
    spacing, unit = spacing_zyx(*_ome_sizes(pixels.attrib))
    return spacing, unit, _ome_where(pixels.attrib, first, unit)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _ome_sizes(pixels: Mapping[str, str]) -> tuple[dict[str, float], float | None]:
    """Voxel lengths along Z, Y, X, and the micrometres in their unit."""
    sizes: dict[str, float] = {}
    for axis in "ZYX":
        with suppress(KeyError, ValueError):
            sizes[axis] = float(pixels[f"PhysicalSize{axis}"])
    factors = {a: to_micrometres(pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in sizes}
    if not all(factors.values()):
        return sizes, None
    return {a: s * (factors[a] or 1.0) for a, s in sizes.items()}, 1.0


def _ome_where(pixels: Mapping[str, str], first: Mapping[str, str], unit: str) -> Where:
    """Place and time of the first plane; a place in another kind of unit than voxels, such as a stage's, is none.

    Parameters
    ----------
    pixels, first
        Attributes of the image, and of its first plane.
    unit
        "micrometer" or "pixel": of the voxel size.
    """
    origin = []
    for axis in "ZYX":
        told = first.get(f"Position{axis}Unit", "reference frame")
        factor = to_micrometres(told) if unit == "micrometer" else float(told == unit)
        origin.append(_number(first, f"Position{axis}") * (factor or 0.0))
    steps = time_unit(pixels.get("TimeIncrementUnit", "s"))
    times = time_unit(first.get("DeltaTUnit", "s"))
    if not steps:
        return Where.checked(origin, 0.0, 1.0, "")
    start = _number(first, "DeltaT") * seconds(times) / seconds(steps) if times else 0.0
    return Where.checked(origin, start, _number(pixels, "TimeIncrement"), steps)


def _number(known: Mapping[str, Any], name: str) -> float:
    """Return a number that is told, or 0."""
    with suppress(KeyError, ValueError):
        return float(known[name])
    return 0.0


def _of_imagej(file: tifffile.TiffFile) -> tuple[tuple[float, float, float], str, Where]:
    """Voxel size along Z, Y, X, its unit, and the time between frames from ImageJ metadata."""
    known = file.imagej_metadata or {}
    where = Where.checked((0, 0, 0), 0.0, _number(known, "finterval"), time_unit(str(known.get("tunit", "sec"))))
    return *spacing_zyx(*_imagej_sizes(file)), where


def _imagej_sizes(file: tifffile.TiffFile) -> tuple[dict[str, float], float | None]:
    """Voxel lengths from ImageJ metadata and the resolution tags that ImageJ fills in."""
    known = file.imagej_metadata
    if not known:
        return {}, None
    sizes = {}
    for axis, tag in (("X", "XResolution"), ("Y", "YResolution")):
        value = file.pages.first.tags.valueof(tag)
        if value and value[0]:
            sizes[axis] = value[1] / value[0]
    if "spacing" in known:
        sizes["Z"] = float(known["spacing"])
    return sizes, to_micrometres(known.get("unit"))


class _Collector(logging.Handler):
    """Keeps what tifffile logs as errors: it goes on with fewer pages where a file is cut short."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line of an error; drop milder ones."""
        if record.levelno >= logging.ERROR and _UNREAD_XML not in record.getMessage():
            self.errors.append(record.getMessage().splitlines()[0].split("> ")[-1])


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect tifffile's logged errors instead of letting them be printed."""
    logger = logging.getLogger("tifffile")
    handler, propagate = _Collector(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.errors
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
