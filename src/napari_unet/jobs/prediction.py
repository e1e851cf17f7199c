"""Predict an image: one pass of the network fills every wanted output."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image, Writable
from napari_unet.arrays.boxes import IN_ONE_PIECE, is_large
from napari_unet.arrays.cells import boundary_mask, cells_from_probabilities
from napari_unet.arrays.joining import check_method
from napari_unet.arrays.region import Region, onward
from napari_unet.errors import UserError
from napari_unet.events import BlockDone, CellsDone, Event, Finished, Note
from napari_unet.jobs.blocks import ArraySink, Keeping, Sink, Work, never, run_blocks
from napari_unet.jobs.cells import Shifted, make_cells
from napari_unet.jobs.hints import halo_notes, image_notes, mirror_notes, spacing_notes
from napari_unet.jobs.model import Model
from napari_unet.learn.device import keep_memory, set_threads
from napari_unet.learn.halo import Halo, find_halo
from napari_unet.learn.memory import tile_budget, where_it_fits
from napari_unet.learn.plan import BATCH, Plan, check_tile, make_plan
from napari_unet.learn.predictor import Predictor
from napari_unet.learn.turns import mirror_images
from napari_unet.nets import geometry_of
from napari_unet.spec import CellSpec, Output, Precision, TilingSpec
from napari_unet.storage.budget import check_disk, check_memory, stored_size

CELL_BYTES = 80
"""Bytes per pixel that finding cells takes, beside the probabilities."""
View = tuple[int, int] | None
"""The plane (t, z) to begin with."""


def prediction(
    model: Model,
    image: Image,
    outputs: Mapping[Output, Writable],
    *,
    tiling: TilingSpec | None = None,
    cells: CellSpec | None = None,
    region: Region | None = None,
    done: Collection[Region] = (),
    view: View = None,
    stopped: Callable[[], bool] = never,
) -> Iterator[Event]:
    """Predict an image into arrays.

    Parameters
    ----------
    model
        The trained model.
    image
        Of any size; tiles are read as they are needed.
    outputs
        Array to fill for each wanted output: ``probabilities`` (classes, *image.result_shape) as float32, or as
        uint8 from 0 to 255; ``classes`` (label values from 1), ``boundaries`` (0 or 1) and ``cells`` with
        ``image.result_shape``. They may also have the shape of the region alone.
    tiling
        Tile, halo, device, precision, mirror images.
    cells
        How boundaries become cells; its ``threshold`` also makes the boundary mask.
    region
        Only this part; None: everything. What it holds is what a prediction of the whole image holds there, but
        for cells, which end at its border. Of a single slice a 3D network makes cells in 2D.
    done
        Blocks that an earlier, equal prediction has written (see `BlockDone`), which are left out.
    view
        The plane (t, z) to begin with; what comes before it comes last. None: in order. Results are the same.
    stopped
        Asked after every tile whether to stop. All blocks that are written by then are told; of those that are
        when the generator is closed instead, the last few are not.

    Yields
    ------
    Event
        `TileDone` after a tile was computed, `BlockDone` after a block was written, `CellsDone` after the cells of
        a plane (volume) were found, `Finished` last, unless it was stopped.

    Raises
    ------
    UserError
        If the image does not fit the model or an output does not fit the image. Raised at once, before the first
        event is asked for.
    """
    tiling, cells, region = tiling or TilingSpec(), cells or CellSpec(), region or Region.of(image)
    of_region = check_arrays(model, image, outputs, region)
    dtypes = {name: np.dtype(array.dtype) for name, array in outputs.items()}
    check_outputs(model, image, dtypes, cells, region)
    chunks = _chunks(image, outputs)
    check_tile(image, model.spec.net, tiling, region)
    if "cells" in outputs and in_blocks(model, region):
        return _run_in_two(model, image, outputs, tiling, cells, region, view, chunks, of_region, stopped)
    return _run(model, image, outputs, tiling, cells, region, set(done), view, chunks, of_region, stopped)


def in_blocks(model: Model, region: Region) -> bool:
    """Tell whether slices or volumes are too large to make cells of them in one piece."""
    return is_large(region.shape[2:] if _flat(model, region) else region.shape[1:])


def _flat(model: Model, region: Region) -> bool:
    return model.spec.net.ndim == 2 or region.shape[1] == 1


def check_arrays(model: Model, image: Image, outputs: Mapping[Output, Writable], region: Region) -> bool:
    """Return whether the arrays have the shape of the region alone; raise `UserError` unless they fit."""
    for name, array in outputs.items():
        if not hasattr(array, "shape") or not hasattr(array, "__setitem__"):
            raise UserError(
                f"'out' for {name} has to be an array that can be written to, such as a numpy or zarr array, "
                f"not {type(array).__name__}"
            )
        if getattr(array, "read_only", False) or not getattr(getattr(array, "flags", None), "writeable", True):
            raise UserError(f"the array for {name} can only be read: open it for writing, such as with mode 'r+'")
    whole = {name: model.output_shape(image, name) for name in outputs}
    part = {name: model.output_shape(image, name, region) for name in outputs}
    if all(tuple(array.shape) == whole[name] for name, array in outputs.items()):
        return False
    for name, array in outputs.items():
        if tuple(array.shape) != part[name]:
            raise UserError(f"the array for {name} needs shape {whole[name]}, has {tuple(array.shape)}")
    return True


def check_outputs(
    model: Model, image: Image, outputs: Mapping[Output, np.dtype[Any]], cells: CellSpec, region: Region
) -> None:
    """Raise `UserError` unless the outputs can be made of these classes and held by these types."""
    classes = model.classes
    nothing = np.zeros((len(classes), 8, 8), np.float32)
    for name, dtype in outputs.items():
        _check_dtype(name, dtype, image)
    if "boundaries" in outputs:
        boundary_mask(nothing, classes, cells.threshold)
    if "cells" in outputs:
        cells_from_probabilities(nothing, classes, cells)
        check_method(cells.method)
        flat = _flat(model, region)
        size = min(math.prod(region.shape[2:] if flat else region.shape[1:]), IN_ONE_PIECE)
        what = f"finding the cells of {'a slice' if flat else 'a volume'} of {image.name}"
        check_memory(size * (4 * len(classes) + CELL_BYTES), what, "predict boundaries, or a part of it")


def _check_dtype(name: Output, dtype: np.dtype[Any], image: Image) -> None:
    """Raise `UserError` if an output array cannot hold its values."""
    most = image.size("Z") * image.size("Y") * image.size("X") if name == "cells" else 255
    fits = dtype.kind in "iu" and np.iinfo(dtype).max >= min(most, 2**31 - 1)
    if name == "probabilities":
        fits = dtype.kind == "f" or dtype == np.uint8
    if not fits:
        wanted = {"probabilities": "float32 (or uint8: 0 to 255)", "cells": "int32 or uint32"}.get(name, "uint8")
        raise UserError(f"the array for {name} has the type {dtype}, which cannot hold them; use {wanted}")


def _chunks(image: Image, outputs: Mapping[Output, Writable]) -> tuple[int, int, int]:
    """Smallest blocks that consist of whole chunks of every output."""
    lengths = [1, 1, 1]
    for array in outputs.values():
        found = getattr(array, "chunks", None)
        if isinstance(found, tuple) and all(isinstance(n, int) for n in found):
            of = dict(zip(reversed(image.result_axes), reversed(found), strict=False))
            lengths = [math.lcm(n, of.get(a, 1)) for n, a in zip(lengths, "ZYX", strict=True)]
    return lengths[0], lengths[1], lengths[2]


def plan_work(
    model: Model,
    image: Image,
    outputs: Mapping[Output, np.dtype[Any]],
    tiling: TilingSpec,
    cells: CellSpec,
    region: Region,
    device: torch.device,
    *,
    chunks: Sequence[int] = (1, 1, 1),
) -> tuple[Work, Halo | None]:
    """Decide on tiles, halo and normalisation, by the memory that is there and, for ``auto``, by measuring.

    Parameters
    ----------
    model, image, tiling, cells, region
        As in `prediction`.
    outputs
        Type of the elements of every wanted output.
    device
        Where it will be computed.
    chunks
        Lengths along Z, Y, X of which blocks have to consist.

    Returns
    -------
    work, halo
        What to do; what was measured of the halo, if it was.
    """
    net = model.spec.net
    normalisation = intensity.fit(image, model.spec.normalisation, blank=True)
    device, budget = _budget(model, device, tiling.precision)

    def plan(halo: Sequence[int] | None = None, tiling: TilingSpec = tiling) -> Plan:
        return make_plan(
            image,
            net,
            tiling,
            region,
            halo=halo,
            budget=budget,
            batch=BATCH if device.type == "cuda" else 1,
            planes="cells" in outputs,
            chunks=chunks,
        )

    halo = None
    if tiling.halo == "auto" and not any(geometry_of(net).margin):
        exact = plan(tiling=tiling.model_copy(update={"tile": None}))  # the tile told may be too small for it
        full, device = model.ready(device, "full")  # half precision rounds by more than is looked for
        predictor = Predictor(full, net, exact, device, turns=mirror_images(tiling.mirrors))
        halo = find_halo(predictor, image, normalisation, exact)
    made = plan(None if halo is None else halo.lengths)
    return Work(model, image, made, normalisation, dict(outputs), cells, tiling.precision, tiling.mirrors), halo


def _budget(model: Model, device: torch.device, precision: Precision) -> tuple[torch.device, int]:
    """Tell the pixels of the largest tile, and where; on the CPU if there is no memory even to measure it."""

    def measured(place: torch.device) -> int:
        there: Precision = precision if place == device else "full"
        half = model.in_half(there, place)
        return tile_budget(model.prepared(place, there), model.spec.net, place, half=half)

    budget, place = where_it_fits(measured, device)
    return place, budget


def _run(
    model: Model,
    image: Image,
    outputs: Mapping[Output, Writable],
    tiling: TilingSpec,
    cells: CellSpec,
    region: Region,
    done: Collection[Region],
    view: View,
    chunks: Sequence[int],
    of_region: bool,
    stopped: Callable[[], bool],
    kept: Writable | None = None,
) -> Generator[Event]:
    """Predict; ``kept`` takes the probabilities of the region besides, as bytes."""
    devices, words = model.devices(tiling.device)
    yield Note(words)
    yield from image_notes(image)
    yield from spacing_notes(model, image)
    yield from mirror_notes(model, tiling.mirrors)
    set_threads(tiling.threads)
    keep_memory()
    began = time.perf_counter()
    dtypes = {name: np.dtype(array.dtype) for name, array in outputs.items()}
    if kept is not None:
        dtypes.setdefault("probabilities", np.dtype(np.uint8))
    work, halo = plan_work(model, image, dtypes, tiling, cells, region, devices[0], chunks=chunks)
    if halo is not None:
        yield Note(str(halo))
    yield from halo_notes(model.spec.net, work.plan, tiling.halo)
    sink: Sink = ArraySink(work, outputs, of_region=of_region)
    if kept is not None:
        sink = Keeping(sink, ArraySink(work, {"probabilities": kept}, of_region=True))
    yield from follow_blocks(work, sink, devices, done, view, stopped)
    if not stopped():
        yield Finished("the prediction is complete", work.plan.total, time.perf_counter() - began)


def _run_in_two(
    model: Model,
    image: Image,
    outputs: Mapping[Output, Writable],
    tiling: TilingSpec,
    cells: CellSpec,
    region: Region,
    view: View,
    chunks: Sequence[int],
    of_region: bool,
    stopped: Callable[[], bool],
) -> Iterator[Event]:
    """Predict probabilities onto the disk and make cells of these, block by block."""
    import zarr

    shape = model.output_shape(image, "probabilities", region)
    check_disk(Path(tempfile.gettempdir()), stored_size(math.prod(shape), np.uint8), "making cells")
    with tempfile.TemporaryDirectory(prefix="napari-unet-probabilities-") as folder:
        pieces = tuple(min(n, c) for n, c in zip(shape, (1, 1, 16, 256, 256)[-len(shape) :], strict=True))
        kept = zarr.create_array(Path(folder, "p.zarr"), shape=shape, dtype="uint8", chunks=pieces, fill_value=0)
        others: dict[Output, Writable] = {name: array for name, array in outputs.items() if name != "cells"}
        with closing(
            _run(model, image, others, tiling, cells, region, (), view, chunks, of_region, stopped, kept)
        ) as events:
            # Cells are missing yet: no block is done, nor is the prediction.
            yield from (e for e in events if not isinstance(e, BlockDone | Finished))
        if stopped():
            return
        source = Image(kept, "C" + image.result_axes, image.spacing, image.name)
        target = outputs["cells"] if of_region else Shifted(outputs["cells"], image, region)
        flat = _flat(model, region)
        pieces_done = _pieces(region, view, flat=flat)
        seen = None if view is None else (view[0] - region.t[0], view[1] - region.z[0])
        for event in make_cells(source, model.classes, target, cells, volume=not flat, view=seen):
            yield event
            if isinstance(event, CellsDone):
                yield BlockDone(event.done - 1, event.done, event.total, pieces_done[event.done - 1].ranges)
            if stopped():
                return


def _pieces(region: Region, view: View, *, flat: bool) -> list[Region]:
    """List the slices or volumes of a region, in the order in which their cells are made."""
    t_seen, z_seen = view or (region.t[0], region.z[0])
    depths = [(z, z + 1) for z in onward(region.z, z_seen)] if flat else [region.z]
    return [Region((t, t + 1), z, region.y, region.x) for t in onward(region.t, t_seen) for z in depths]


def follow_blocks(
    work: Work,
    sink: Sink,
    devices: Sequence[torch.device],
    done: Collection[Region] = (),
    view: View = None,
    stopped: Callable[[], bool] = never,
) -> Iterator[Event]:
    """Compute all blocks but those that are done, from the plane in view on."""
    order = range(len(work.plan)) if view is None else work.plan.numbers_from(view)
    before = [n for n in order if work.plan.block_at(n) in done] if done else []
    known = set(before)
    numbers = [n for n in order if n not in known]
    return run_blocks(work, numbers, sink, devices, before=before, stopped=stopped)
