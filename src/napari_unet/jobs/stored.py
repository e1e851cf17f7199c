"""Predict a file into a file: in blocks that are marked when they are done, so that nothing is computed twice."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint
from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.events import Event, Finished, Note, Preparing
from napari_unet.files import changed_at, replace_folder
from napari_unet.jobs.blocks import Work, run_blocks
from napari_unet.jobs.cells import make_cells
from napari_unet.jobs.cluster import connected, run_on_cluster
from napari_unet.jobs.hints import halo_notes, image_notes, mirror_notes, spacing_notes
from napari_unet.jobs.model import OUTPUT_DTYPE, Model
from napari_unet.jobs.prediction import check_outputs, in_blocks, plan_work
from napari_unet.jobs.stored_work import (
    MODEL,
    Request,
    StoredSink,
    forget_work,
    layout_of,
    new_array,
    open_array,
    open_work,
    place_of,
)
from napari_unet.learn import modelfile
from napari_unet.learn.device import keep_memory, set_threads
from napari_unet.learn.plan import check_tile
from napari_unet.learn.predictor import digest_of_source
from napari_unet.spec import Output, Predicting, Record, TilingSpec
from napari_unet.storage import budget
from napari_unet.storage.opened import FileImage
from napari_unet.storage.records import as_creator, facts_of, new_record
from napari_unet.storage.stamp import read_stamp, stamp_of
from napari_unet.storage.unfinished import IMAGE, Unfinished, explain_full_disk, folder_of
from napari_unet.storage.write import check_output

if TYPE_CHECKING:
    from distributed import Client

FORMAT = 3
CELLS = "cells.zarr"
"""In the folder of an unfinished result: cells that are being made of its probabilities."""
Shard = tuple[int, int]
"""Which part of the blocks, from 1, and of how many."""


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
    check_output(request.target, request.image)
    image = request.open()
    region = Region.of(image, request.part)
    model.check_precision(request.tiling)
    dtypes = {request.output: np.dtype(OUTPUT_DTYPE[request.output])}
    check_outputs(model, image, dtypes, request.cells, region)
    check_tile(image, model.spec.net, request.tiling, region)
    size = budget.nbytes(model.output_shape(image, request.output, region), dtypes[request.output])
    kept = 0
    if request.output == "cells" and in_blocks(model, region):
        kept = budget.nbytes(model.output_shape(image, "probabilities", region), np.uint8)
    _check_room(request, budget.stored_size(size, dtypes[request.output]) + budget.stored_size(kept, np.uint8))
    return _run(model, image, request, region, shard, scheduler)


def is_made(model: Model, request: Request) -> bool:
    """Tell whether the target is there already, made of this image by this model with these settings.

    An image that was written after the target counts as another one: its fingerprint is that of a sample.
    """
    stamp = read_stamp(request.target)
    if stamp is None or folder_of(request.target).exists():
        return False
    image = request.open()
    wanted = _request_facts(model, image, request, Region.of(image, request.part))
    return stamp == stamp_of(wanted) and changed_at(request.image) <= changed_at(request.target)


def _check_room(request: Request, size: int) -> None:
    """Raise `UserError` if the disk has no room for what is missing: the array, and its levels or the TIFF."""
    needed = size * 4 // 3 if request.is_zarr else 2 * size
    there = sum(p.stat().st_size for p in folder_of(request.target).rglob("*") if p.is_file())
    budget.check_disk(request.target.parent, max(0, needed - there), str(request.target))


def _run(
    model: Model, image: FileImage, request: Request, region: Region, shard: Shard | None, scheduler: str | None
) -> Iterator[Event]:
    began = time.perf_counter()
    folder = folder_of(request.target)
    wanted = _request_facts(model, image, request, region)
    if shard is not None and not folder.exists() and read_stamp(request.target) == stamp_of(wanted):
        yield Note(f"{request.target} is complete already: there is nothing left for this part to do")
        return
    yield from image_notes(image)
    yield from spacing_notes(model, image)
    yield from mirror_notes(model, request.tiling.mirrors)
    try:
        with _cluster(scheduler) as client:  # without it nothing is begun
            yield from _prepare(model, image, request, wanted, region)
            unfinished, work = Unfinished(folder), open_work(folder)
            with unfinished.at_work():
                done = yield from _checked(unfinished, work)
                numbers = [n for n in range(len(work.plan)) if n not in done]
                if shard is not None:
                    numbers = [n for n in numbers if n % shard[1] == shard[0] - 1]
                yield from _compute(folder, numbers, request.tiling, done, client)
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
        forget_work()
    yield Finished("the prediction is complete", work.plan.total, time.perf_counter() - began)


def _cluster(scheduler: str | None) -> AbstractContextManager[Client | None]:
    return nullcontext() if scheduler is None else connected(scheduler)


def _compute(
    folder: Path, numbers: Sequence[int], tiling: TilingSpec, done: Collection[int], client: Client | None
) -> Iterator[Event]:
    """Compute the missing blocks, here or on a cluster."""
    if client is None:
        yield from run_numbers(folder, numbers, tiling, done)
    else:
        yield from run_on_cluster(client, folder, numbers, len(done), tiling)


def run_numbers(
    folder: Path, numbers: Sequence[int], tiling: TilingSpec, before: Collection[int] = ()
) -> Iterator[Event]:
    """Compute some blocks of an unfinished result: what every process does, alone, as a shard or as a worker."""
    work = open_work(folder)
    devices, words = work.model.devices(tiling.device)
    yield Note(words)
    set_threads(tiling.threads)
    keep_memory()
    yield from run_blocks(work, numbers, StoredSink(Unfinished(folder), work), devices, before=before)


def _prepare(
    model: Model, image: FileImage, request: Request, wanted: Mapping[str, Any], region: Region
) -> Iterator[Event]:
    """Find what is there already, or begin."""
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
    device = model.devices(request.tiling.device)[0][0]
    blocks_first = request.output == "cells" and in_blocks(model, region)
    dtypes: dict[Output, np.dtype[Any]] = {request.output: np.dtype(OUTPUT_DTYPE[request.output])}
    if blocks_first:
        dtypes = {"probabilities": np.dtype(np.uint8)}
    work, halo = plan_work(model, image, dtypes, request.tiling, request.cells, region, device)
    if halo is not None:
        yield Note(str(halo))
    yield from halo_notes(model.spec.net, work.plan, request.tiling.halo)
    facts = {
        "format": FORMAT,
        "request": wanted,
        "image": {"path": str(request.image.absolute()), "axes": image.axes, "channel": request.channel},
        "plan": dataclasses.asdict(work.plan),
        "normalisation": dataclasses.asdict(work.normalisation),
        "halo": None if halo is None else str(halo),
        "predicted": {name: str(dtype) for name, dtype in dtypes.items()},
        "creator": as_creator(_record(model, image, request, wanted)),
    }

    def fill(new: Path) -> None:
        modelfile.save(model.trained, new / MODEL)
        new_array(new / IMAGE, work, request, facts, plain=blocks_first or not request.is_zarr)

    Unfinished.create(request.target, facts, fill)


def _follow_image(unfinished: Unfinished, path: Path) -> None:
    """Note where the image lies now; its blocks are compared with those of the earlier run anyway."""
    facts = unfinished.facts
    if facts["image"]["path"] != str(path.absolute()):
        facts["image"]["path"] = str(path.absolute())
        unfinished.rewrite(facts)


def _request_facts(model: Model, image: Image, request: Request, region: Region) -> dict[str, Any]:
    """Return what must be equal for blocks of an earlier run to be used: a fingerprint of the work, by names."""
    facts = {
        "model": [model.facts.sha256, model.spec.model_dump(mode="json")],
        "image": [image.axes, image.spacing, dataclasses.astuple(image.where), fingerprint(image)],
        "output": [request.output, request.cells.model_dump(mode="json")],
        "part of the image": region.ranges,
        "tile or halo": [request.tiling.tile, request.tiling.halo],
        "precision": request.tiling.precision,
        "number of mirror images": request.tiling.mirrors,
        "version of the program": modelfile.versions()["napari-unet-live"],
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain


def _record(model: Model, image: FileImage, request: Request, wanted: Mapping[str, Any]) -> Record:
    """Tell how the result is made."""
    settings = Predicting(
        output=request.output,
        tiling=request.tiling,
        cells=request.cells,
        part=request.part,
        axes=request.axes,
        channel=request.channel,
    )
    return new_record(settings, facts_of(image, known=wanted["image"][-1]), model.facts)


def _changes(unfinished: Unfinished, wanted: Mapping[str, Any]) -> list[str]:
    """Name what differs from an earlier run."""
    try:
        facts = unfinished.facts
    except UserError:
        return ["state of that folder, which is damaged"]
    if facts.get("format") != FORMAT:
        return ["version of the program"]
    return [name for name, value in wanted.items() if facts["request"].get(name) != value]


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
    path = unfinished.image
    if request.output not in work.outputs:
        kept = work
        work = dataclasses.replace(work, outputs={request.output: np.dtype(OUTPUT_DTYPE[request.output])})
        path = unfinished.folder / CELLS
        yield from _make_cells(unfinished, kept, work, request, path)
    if request.is_zarr:
        from napari_unet.storage import layout, pyramid

        for done, total in pyramid.adding_levels(layout.image_group(path)):
            yield Preparing("adding smaller levels for viewers", done, total)
        replace_folder(path, request.target)
    else:
        from napari_unet.storage.export import export_tiff

        yield Note(f"writing {request.target.name}")
        place = place_of(work)
        export_tiff(
            open_array(path, work),
            request.target,
            layout_of(work)[0],
            place.spacing,
            unit=place.unit,
            classes=place.classes,
            where=place.where,
            stamp=stamp_of(unfinished.facts["request"]),
            creator=unfinished.facts["creator"],
        )


def _make_cells(unfinished: Unfinished, kept: Work, work: Work, request: Request, path: Path) -> Iterator[Event]:
    """Make cells, block by block, of probabilities that do not fit into memory."""
    shutil.rmtree(path, ignore_errors=True)  # an earlier attempt was interrupted
    new_array(path, work, request, unfinished.facts, plain=not request.is_zarr)
    axes, spacing = "C" + work.image.result_axes, work.image.spacing
    source = Image(open_array(unfinished.image, kept), axes, spacing, work.image.name)
    target, classes = open_array(path, work), work.model.classes
    events = make_cells(source, classes, target, request.cells, volume=not work.flat, scratch=unfinished.folder)
    yield from (e for e in events if not isinstance(e, Finished))
