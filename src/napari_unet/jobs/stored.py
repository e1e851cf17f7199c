"""Predict a file into a file: in blocks that are marked when they are done, so that nothing is computed twice."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.arrays.intensity import Normalisation
from napari_unet.arrays.region import WHOLE, Part, Region
from napari_unet.arrays.tiles import Fit
from napari_unet.errors import UserError
from napari_unet.events import Event, Finished, Note, Preparing
from napari_unet.jobs.blocks import Arrays, Work, run_blocks
from napari_unet.jobs.model import OUTPUT_DTYPE, Model, load
from napari_unet.jobs.prediction import check_outputs, plan_work
from napari_unet.learn import modelfile
from napari_unet.learn.device import choose_devices, keep_memory, set_threads
from napari_unet.learn.plan import Plan, make_plan
from napari_unet.learn.predictor import digest, digest_of_source
from napari_unet.spec import CellSpec, Output, TilingSpec
from napari_unet.storage import budget
from napari_unet.storage.formats import SUFFIXES, stem_of, suffix_of
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_image
from napari_unet.storage.reordered import Reordered
from napari_unet.storage.unfinished import Unfinished, explain_full_disk, folder_of, replace_folder
from napari_unet.storage.write import check_output

MODEL = "model.safetensors"
FORMAT = 1
Shard = tuple[int, int]
"""Which part of the blocks, from 1, and of how many."""


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


def predict_file(
    model: Model, request: Request, *, shard: Shard | None = None, scheduler: str | None = None
) -> Iterator[Event]:
    """Predict a file into a file.

    What is done stays in a folder beside the target until all of it is done: stopped, killed or out of space, the
    same call goes on where it was. Blocks made by another model, of another image or with other settings are not
    used.

    Parameters
    ----------
    model
        The trained model.
    request
        What to predict.
    shard
        Compute every n-th block only; the process that finds all of them done finishes the file.
    scheduler
        Address of a dask scheduler, over whose workers the blocks are spread. They must see the same files.

    Yields
    ------
    Event
        As `napari_unet.jobs.prediction`.

    Raises
    ------
    UserError
        If the image does not fit the model, or the target cannot be written. Raised at once.
    """
    check_output(request.target)
    _check_apart(request)
    image = open_image(request.image, request.axes)
    region = Region.of(image, request.part)
    dtypes = {request.output: np.dtype(OUTPUT_DTYPE[request.output])}
    check_outputs(model, image, dtypes, request.cells, region)
    make_plan(image, model.spec.net, request.tiling, region, planes=request.output == "cells")  # raises at once
    _check_room(request, budget.nbytes(model.output_shape(image, request.output, region), dtypes[request.output]))
    return _run(model, image, request, region, shard, scheduler)


def _check_apart(request: Request) -> None:
    """Raise `UserError` if the target is the image, or one lies in the other."""
    source, target = request.image.resolve(), request.target.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise UserError(
            f"{request.target} is or holds the image, or lies in it; choose another place for the output"
        )


def _check_room(request: Request, size: int) -> None:
    """Raise `UserError` if the disk has no room for what is missing: the array, and its levels or the TIFF."""
    needed = size * 4 // 3 if _is_zarr(request.target) else 2 * size
    there = sum(p.stat().st_size for p in folder_of(request.target).rglob("*") if p.is_file())
    budget.check_disk(request.target.parent, max(0, needed - there), str(request.target))


def _is_zarr(target: Path) -> bool:
    return SUFFIXES[suffix_of(target)] == "zarr"


def _run(
    model: Model, image: FileImage, request: Request, region: Region, shard: Shard | None, scheduler: str | None
) -> Iterator[Event]:
    began = time.perf_counter()
    folder = folder_of(request.target)
    try:
        yield from _prepare(model, image, request, region)
        unfinished, work = Unfinished(folder), open_work(folder)
        with unfinished.at_work():
            done = yield from _checked(unfinished, work)
            numbers = [n for n in range(len(work.plan)) if n not in done]
            if shard is not None:
                numbers = [n for n in numbers if n % shard[1] == shard[0] - 1]
            yield from _compute(folder, numbers, request.tiling, done, scheduler)
        missing = len(work.plan) - len(unfinished.done()) if folder.exists() else 0
        if missing:
            yield Note(f"this part is done; {missing} of {len(work.plan)} blocks are still missing")
            return
        with unfinished.finishing() as mine:
            if not mine:
                yield Note("another process is making the file of the blocks, or has made it")
                return
            yield from _finish(unfinished, work, request)
        unfinished.remove()
    except OSError as error:
        full = explain_full_disk(error, folder, request.target)
        if full is None:
            raise
        raise full from error
    finally:
        _work.cache_clear()
    yield Finished("the prediction is complete", work.plan.total, time.perf_counter() - began)


def _compute(
    folder: Path, numbers: Sequence[int], tiling: TilingSpec, done: Collection[int], scheduler: str | None
) -> Iterator[Event]:
    """Compute the missing blocks, here or on a cluster."""
    if scheduler is None:
        yield from run_numbers(folder, numbers, tiling, done)
        return
    from napari_unet.jobs.cluster import run_on_cluster

    yield from run_on_cluster(scheduler, folder, numbers, len(done), tiling)


def run_numbers(
    folder: Path, numbers: Sequence[int], tiling: TilingSpec, before: Collection[int] = ()
) -> Iterator[Event]:
    """Compute some blocks of an unfinished result: what every process does, alone, as a shard or as a worker."""
    devices, words = choose_devices(tiling.device)
    yield Note(words)
    set_threads(tiling.threads)
    keep_memory()
    work = open_work(folder)
    yield from run_blocks(work, numbers, StoredSink(Unfinished(folder), work), devices, before=before)


def _prepare(model: Model, image: FileImage, request: Request, region: Region) -> Iterator[Event]:
    """Find what is there already, or begin."""
    wanted = _request_facts(model, image, request, region)
    folder = folder_of(request.target)
    if folder.exists():
        earlier = Unfinished(folder)
        changed = _changes(earlier, wanted)
        if not changed:
            _follow_image(earlier, request.image)
            return
        if earlier.others_at_work():
            raise UserError(
                f"another process is writing {request.target} with another {' and '.join(changed)}; wait until it "
                "has ended, stop it, or choose another output"
            )
        yield Note(f"what was begun earlier cannot be used: another {' and '.join(changed)}; starting anew")
        earlier.remove()
    device = choose_devices(request.tiling.device)[0][0]
    dtypes = {request.output: np.dtype(OUTPUT_DTYPE[request.output])}
    work, halo = plan_work(model, image, dtypes, request.tiling, request.cells, region, device)
    if halo is not None:
        yield Note(str(halo))
    facts = {
        "format": FORMAT,
        "request": wanted,
        "image": {"path": str(request.image.absolute()), "axes": image.axes},
        "plan": dataclasses.asdict(work.plan),
        "normalisation": dataclasses.asdict(work.normalisation),
        "halo": None if halo is None else str(halo),
        "software": modelfile.versions(),
    }

    def fill(new: Path) -> None:
        model.save(new / MODEL)
        _new_array(new / "image.zarr", work, request, image, facts)

    Unfinished.create(request.target, facts, fill)


def _follow_image(unfinished: Unfinished, path: Path) -> None:
    """Note where the image lies now; its blocks are compared with those of the earlier run anyway."""
    facts = unfinished.facts
    if facts["image"]["path"] != str(path.absolute()):
        facts["image"]["path"] = str(path.absolute())
        unfinished.rewrite(facts)


def _request_facts(model: Model, image: Image, request: Request, region: Region) -> dict[str, Any]:
    """Return what must be equal for blocks of an earlier run to be used: a fingerprint of the work, by names."""
    sample = digest(intensity.sample(image)).hex()
    facts = {
        "model": [modelfile.fingerprint(model.trained.network.state_dict()), model.spec.model_dump(mode="json")],
        "image": [list(image.data.shape), str(image.data.dtype), image.axes, image.spacing, sample],
        "output": [request.output, request.cells.model_dump(mode="json")],
        "part of the image": region.ranges,
        "tile or halo": [request.tiling.tile, request.tiling.halo],
        "version of the program": modelfile.versions()["napari-unet-live"],
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain


def _changes(unfinished: Unfinished, wanted: Mapping[str, Any]) -> list[str]:
    """Name what differs from an earlier run."""
    try:
        facts = unfinished.facts
    except UserError:
        return ["state of that folder, which is damaged"]
    if facts.get("format") != FORMAT:
        return ["version of the program"]
    return [name for name, value in wanted.items() if facts["request"].get(name) != value]


def _new_array(path: Path, work: Work, request: Request, image: FileImage, facts: Mapping[str, Any]) -> None:
    """Make the empty array of the result: an OME-Zarr if that is the target, else one to be exported."""
    import zarr

    from napari_unet.storage import layout, ome_zarr  # half a second that others need not wait

    axes, shape, chunks = _layout(work, request.output)
    dtype = work.outputs[request.output]
    if not _is_zarr(request.target):
        zarr.create_array(path, shape=shape, dtype=dtype, chunks=chunks, fill_value=0)
        return
    stored = ome_zarr.ordered(axes)
    starts = [start for start, _ in work.plan.region.ranges[1:]]
    known = ome_zarr.metadata(
        stored,
        image.spacing,
        image.unit,
        stem_of(request.target),
        cells=request.output != "probabilities",
        classes=[c.name for c in work.model.classes] if request.output == "probabilities" else (),
        origin=[n * s for n, s in zip(starts, image.spacing, strict=True)],
        creator={key: facts[key] for key in ("request", "software")},
    )
    order = [axes.index(a) for a in stored]
    layout.new_image(path, known, [shape[i] for i in order], [chunks[i] for i in order], dtype)


def _layout(work: Work, output: Output) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Axes, shape and chunks of the result."""
    axes = work.image.result_axes
    lengths = dict(zip("TZYX", work.plan.region.shape, strict=True))
    pieces = dict(zip("TZYX", (1, *work.plan.chunks), strict=True))
    shape, chunks = ([of[a] for a in axes] for of in (lengths, pieces))
    if output == "probabilities":
        axes, count = "C" + axes, len(work.model.classes)
        shape, chunks = [count, *shape], [1, *chunks]
    return axes, tuple(shape), tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))


def open_work(folder: Path) -> Work:
    """Read what rules an unfinished result; the same again costs nothing."""
    facts = Unfinished(folder).facts
    image = Path(facts["image"]["path"])
    return _work(folder, json.dumps(facts), image.stat().st_mtime_ns if image.exists() else 0)


@lru_cache(maxsize=1)
def _work(folder: Path, text: str, _modified: int) -> Work:
    facts = json.loads(text)
    image = open_image(Path(facts["image"]["path"]), facts["image"]["axes"])
    output, cells = facts["request"]["output"]
    normalisation = Normalisation(*(tuple(facts["normalisation"][k]) for k in ("offset", "scale")))
    return Work(
        load(folder / MODEL),
        image,
        _plan_of(facts["plan"]),
        normalisation,
        {output: np.dtype(OUTPUT_DTYPE[output])},
        CellSpec.model_validate(cells),
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
        self._array = open_array(unfinished, work)

    def write(self, number: int, block: Region, arrays: Arrays, source: str) -> None:
        """Write a block, then its mark."""
        values = arrays[self._output]
        if "Z" not in self._work.image.axes:
            values = values[..., 0, :, :]
        self._unfinished.check(self._identity)
        self._array[self._index(block)] = values
        self._unfinished.mark(number, {"source": source, "result": digest(values).hex()})

    def digest(self, block: Region) -> str:
        """Hash what is stored of a block."""
        return digest(np.asarray(self._array[self._index(block)])).hex()

    def _index(self, block: Region) -> tuple[int | slice, ...]:
        box = block.within(self._work.plan.region)
        index = self._work.image.result_index(box.t[0], *box.slices[1:])
        return (slice(None), *index) if self._output == "probabilities" else index


def open_array(unfinished: Unfinished, work: Work) -> Any:
    """Open the array of an unfinished result, with the axes in the order of `prediction`'s outputs."""
    import zarr

    from napari_unet.storage import layout, ome_zarr

    (output,) = work.outputs
    axes = _layout(work, output)[0]
    found = zarr.open(unfinished.image, mode="r+")
    if isinstance(found, zarr.Array):
        return found
    stored = layout.image_group(unfinished.image)["0"]
    order = ome_zarr.ordered(axes)
    return stored if order == axes else Reordered(stored, axes, order)


def _checked(unfinished: Unfinished, work: Work) -> Generator[Event, None, set[int]]:
    """Return, as the value of the generator, the blocks that are done, after a look at what they were made of."""
    marks = unfinished.done()
    if not marks:
        return set()
    yield Note(f"going on: {len(marks)} of {len(work.plan)} blocks were finished before; checking them")
    sink = StoredSink(unfinished, work)
    good: set[int] = set()
    for looked, (number, mark) in enumerate(marks.items(), start=1):
        yield Preparing("checking finished blocks", looked, len(marks))
        block = work.plan.block_at(number)
        if mark == {"source": digest_of_source(work.image, work.plan, number), "result": sink.digest(block)}:
            good.add(number)
        else:
            unfinished.unmark(number)
    if len(good) < len(marks):
        yield Note(f"{len(marks) - len(good)} of them have changed, in the image or in the result: made again")
    return good


def _finish(unfinished: Unfinished, work: Work, request: Request) -> Iterator[Event]:
    """Make the target of the complete array."""
    if _is_zarr(request.target):
        from napari_unet.storage import layout, pyramid

        for done, total in pyramid.adding_levels(layout.image_group(unfinished.image)):
            yield Preparing("adding smaller levels for viewers", done, total)
        replace_folder(unfinished.image, request.target)
    else:
        from napari_unet.storage.export import export_tiff

        yield Note(f"writing {request.target.name}")
        image = work.image
        starts = [start for start, _ in work.plan.region.ranges[1:]]
        export_tiff(
            open_array(unfinished, work),
            request.target,
            _layout(work, request.output)[0],
            image.spacing,
            unit=image.unit if isinstance(image, FileImage) else "pixel",
            classes=[c.name for c in work.model.classes] if request.output == "probabilities" else (),
            origin=[n * s for n, s in zip(starts, image.spacing, strict=True)],
        )
