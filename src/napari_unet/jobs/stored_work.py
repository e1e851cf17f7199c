"""What a stored prediction consists of: the request, its work as JSON and back, its array, where blocks go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.arrays.identity import digest
from napari_unet.arrays.intensity import Normalisation
from napari_unet.arrays.region import WHOLE, Part, Region
from napari_unet.arrays.tiles import Fit
from napari_unet.arrays.where import Where
from napari_unet.jobs.blocks import Arrays, Work
from napari_unet.jobs.model import load
from napari_unet.learn.plan import Plan
from napari_unet.spec import CellSpec, Output, TilingSpec
from napari_unet.storage.cut import one_channel
from napari_unet.storage.formats import SUFFIXES, stem_of, suffix_of
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_image
from napari_unet.storage.stamp import KEY, stamp_of
from napari_unet.storage.unfinished import Unfinished

MODEL = "model.safetensors"


@dataclass(frozen=True)
class Request:
    """What to predict of which file into which."""

    image: Path
    target: Path
    """``.tif``, ``.ome.tif``, ``.zarr`` or ``.ome.zarr``."""
    output: Output = "probabilities"
    axes: str | None = None
    tiling: TilingSpec = field(default_factory=TilingSpec)
    cells: CellSpec = field(default_factory=CellSpec)
    part: Part = WHOLE
    channel: int | None = None
    """The only one that is used, from 0."""

    def open(self) -> FileImage:
        """Open the image, as far as it is used."""
        return one_channel(open_image(self.image, self.axes), self.channel)

    @property
    def is_zarr(self) -> bool:
        """Whether the target is a zarr, and not a TIFF."""
        return SUFFIXES[suffix_of(self.target)] == "zarr"


def new_array(path: Path, work: Work, request: Request, facts: Mapping[str, Any], *, plain: bool) -> None:
    """Make the empty array of the result: an OME-Zarr, or a plain one of which something else is made."""
    import zarr

    from napari_unet.storage import layout  # half a second that others need not wait

    axes, shape, chunks = layout_of(work)
    (dtype,), place = work.outputs.values(), place_of(work)
    if plain:
        zarr.create_array(path, shape=shape, dtype=dtype, chunks=chunks, fill_value=0)
        return
    layout.new_ordered(
        path,
        axes,
        shape,
        chunks,
        dtype,
        spacing=place.spacing,
        unit=place.unit,
        name=stem_of(request.target),
        cells=request.output != "probabilities",
        classes=place.classes,
        where=place.where,
        creator={**facts["creator"], KEY: stamp_of(facts["request"])},
    )


@dataclass(frozen=True)
class Place:
    """Where a result lies, and what its channels are called."""

    spacing: tuple[float, float, float]
    unit: str
    where: Where
    classes: tuple[str, ...]


def place_of(work: Work) -> Place:
    """Tell where the result lies: where its part of the image does."""
    image = work.image
    where = image.where.moved([start for start, _ in work.plan.region.ranges], image.spacing)
    names = tuple(c.name for c in work.model.classes) if "probabilities" in work.outputs else ()
    return Place(image.spacing, image.unit if isinstance(image, FileImage) else "pixel", where, names)


def layout_of(work: Work) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Axes, shape and chunks of the result."""
    axes = work.image.result_axes
    lengths = dict(zip("TZYX", work.plan.region.shape, strict=True))
    pieces = dict(zip("TZYX", (1, *work.plan.chunks), strict=True))
    shape, chunks = ([of[a] for a in axes] for of in (lengths, pieces))
    if "probabilities" in work.outputs:
        axes, count = "C" + axes, len(work.model.classes)
        shape, chunks = [count, *shape], [1, *chunks]
    return axes, tuple(shape), tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))


def open_work(folder: Path) -> Work:
    """Read what rules an unfinished result; the same again costs nothing."""
    facts = Unfinished(folder).facts
    image = Path(facts["image"]["path"])
    return _work(folder, json.dumps(facts), image.stat().st_mtime_ns if image.exists() else 0)


def forget_work() -> None:
    """Let go of the model and the image of the last result that was opened."""
    _work.cache_clear()


@lru_cache(maxsize=1)
def _work(folder: Path, text: str, _modified: int) -> Work:
    facts = json.loads(text)
    image = open_image(Path(facts["image"]["path"]), facts["image"]["axes"])
    image = one_channel(image, facts["image"].get("channel"))
    _, cells = facts["request"]["output"]
    normalisation = Normalisation(*(tuple(facts["normalisation"][k]) for k in ("offset", "scale")))
    return Work(
        load(folder / MODEL),
        image,
        _plan_of(facts["plan"]),
        normalisation,
        {name: np.dtype(dtype) for name, dtype in facts["predicted"].items()},
        CellSpec.model_validate(cells),
        facts["request"]["precision"],
        facts["request"]["number of mirror images"],
    )


def _plan_of(facts: Mapping[str, Any]) -> Plan:
    """Rebuild a plan from what `dataclasses.asdict` made of it."""
    region = Region(*(tuple(facts["region"][a]) for a in "tzyx"))
    lengths = {name: tuple(facts[name]) for name in ("size", "block", "tile")}
    z, y, x = (Fit(**fit) for fit in facts["fits"])
    return Plan(region=region, fits=(z, y, x), ndim=facts["ndim"], batch=facts["batch"], **lengths)


class StoredSink:
    """Writes blocks into the array of an unfinished result, and marks them."""

    def __init__(self, unfinished: Unfinished, work: Work) -> None:
        self._unfinished, self._work = unfinished, work
        self._identity: str = unfinished.facts["id"]
        (self._output,) = work.outputs
        self._array = open_array(unfinished.image, work)

    def write(self, number: int, block: Region, arrays: Arrays, source: str) -> None:
        """Write a block, then its mark."""
        values = arrays[self._output]
        if "Z" not in self._work.image.axes:
            values = values[..., 0, :, :]
        self._unfinished.check(self._identity)
        self._array[self._index(block)] = values
        self._unfinished.mark(number, {"source": source, "result": digest(values)})

    def digest(self, block: Region) -> str:
        """Hash what is stored of a block."""
        return digest(np.asarray(self._array[self._index(block)]))

    def _index(self, block: Region) -> tuple[int | slice, ...]:
        box = block.within(self._work.plan.region)
        index = self._work.image.result_index(box.t[0], *box.slices[1:])
        return (slice(None), *index) if self._output == "probabilities" else index


def open_array(path: Path, work: Work) -> Any:
    """Open an array of an unfinished result, with the axes in the order of `prediction`'s outputs."""
    import zarr

    from napari_unet.storage import layout

    found = zarr.open(path, mode="r+")
    if isinstance(found, zarr.Array):
        return found
    return layout.level_0(layout.image_group(path), layout_of(work)[0])
