"""Blocks of a prediction: computed by a pipeline of three threads, written whole, once, in any order."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from napari_unet.arrays.axes import Image
from napari_unet.arrays.cells import cells_from_probabilities
from napari_unet.arrays.intensity import Normalisation
from napari_unet.arrays.region import Range, Region
from napari_unet.events import BlockDone, CellsDone, Event, Note, TileDone
from napari_unet.jobs.model import Model
from napari_unet.learn.pipeline import Behind, ahead
from napari_unet.learn.plan import Plan
from napari_unet.learn.predictor import Batch, Predictor, Results, read
from napari_unet.learn.reduce import Wanted, reducer
from napari_unet.learn.turns import mirror_images
from napari_unet.spec import CellSpec, Mirrors, Output, Precision

Array = npt.NDArray[Any]
Arrays = Mapping[Output, Array]
"""Per output a block ([K,] Z, Y, X)."""
TIMED = 2.0
"""Seconds after the first tiles before it is told how long the rest takes."""


def never() -> bool:
    """Do not stop."""
    return False


class Sink(Protocol):
    """Where blocks go."""

    def write(self, number: int, block: Region, arrays: Arrays, source: str, /) -> None:
        """Write a block; nothing else is ever written there. ``source`` hashes what it was computed from."""


@dataclass(frozen=True)
class Work:
    """Everything that rules what the blocks will hold."""

    model: Model
    image: Image
    plan: Plan
    normalisation: Normalisation
    outputs: Mapping[Output, np.dtype[Any]]
    cells: CellSpec
    precision: Precision
    mirrors: Mirrors

    @property
    def flat(self) -> bool:
        """Whether cells are those of slices: with a 2D network, or of a single slice."""
        return self.plan.ndim == 2 or self.plan.region.shape[1] == 1

    def wanted(self) -> dict[Output, Wanted]:
        """Tell what the device has to give for each output."""
        names: dict[Output, Wanted] = {}
        for output, dtype in self.outputs.items():
            if output == "classes" or output == "boundaries":
                names[output] = output
            else:
                names[output] = "byte" if output == "probabilities" and dtype == np.uint8 else "float"
        return names


def run_blocks(
    work: Work,
    numbers: Sequence[int],
    sink: Sink,
    devices: Sequence[torch.device],
    *,
    before: Collection[int] = (),
    stopped: Callable[[], bool] = never,
) -> Iterator[Event]:
    """Compute blocks and write them.

    Blocks do not depend on each other, nor on which of them are computed here, so that any number of processes
    can share them out.

    Parameters
    ----------
    work
        What to do.
    numbers
        Which blocks.
    sink
        Where they go.
    devices
        The blocks are spread over them.
    before
        Blocks that were done before, which count as done.
    stopped
        Asked after every tile whether to stop; what is computed by then is written, and told.

    Yields
    ------
    Event
        `TileDone` after a tile was computed, `CellsDone` after the cells of a block were found, `BlockDone` after
        a block was written; `Note` if memory was short.
    """
    progress = Progress(work.plan, numbers, before)
    if len(devices) == 1:
        yield from _run(work, iter(numbers), sink, devices[0], progress, stopped)
        return
    shared, failed = _Shared(iter(numbers)), threading.Event()

    def ended() -> bool:
        return failed.is_set() or stopped()

    yield from _merged([_run(work, shared, sink, device, progress, ended) for device in devices], failed)


def _run(
    work: Work,
    numbers: Iterator[int],
    sink: Sink,
    device: torch.device,
    progress: Progress,
    stopped: Callable[[], bool],
) -> Generator[Event]:
    spec, events = work.model.spec.net, deque[Event]()
    network, place = work.model.ready(device, work.precision)
    if place != device:
        yield Note("not enough memory on the GPU for the network: going on with the CPU", warning=True)
    predictor = Predictor(
        network,
        spec,
        work.plan,
        place,
        reduce=reducer(sorted(set(work.wanted().values())), work.model.classes, work.cells.threshold),
        turns=mirror_images(work.mirrors),
        say=lambda words: events.append(Note(words, warning=True)),
    )
    writer = _Writer(work, sink, events, progress)
    failure: Exception | None = None
    try:
        with ahead(read(work.image, work.normalisation, work.plan, numbers)) as batches, Behind() as behind:
            for batch in batches:
                results = predictor.compute(batch.tiles, batch.pixels)
                behind.put(partial(writer.add, batch, results))
                yield progress.tiles(len(batch.tiles), work.plan.block_at(batch.block))
                yield from _drained(events)
                if stopped():
                    break
    except Exception as error:  # noqa: BLE001 - raised below: what has been written before is told first
        failure = error
    yield from _drained(events)
    if failure is not None:
        raise failure


def _drained(events: deque[Event]) -> Iterator[Event]:
    while events:
        yield events.popleft()


class Progress:
    """Counts, and tells how long it will take; safe to use from several threads.

    What comes first takes longer, as everything is set up for it, and is not timed.

    Parameters
    ----------
    plan
        Tells the tiles of blocks.
    numbers, before
        Blocks to do, and those that are done.
    clock
        Seconds; for tests.
    """

    def __init__(
        self,
        plan: Plan,
        numbers: Iterable[int],
        before: Collection[int],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        to_do = sum(len(plan.tiles_of(plan.block_at(n))) for n in numbers)
        self._tiles = sum(len(plan.tiles_of(plan.block_at(n))) for n in before)
        self._total = self._tiles + to_do
        self._blocks = self._cells = len(before)
        self._all_blocks = len(before) + len(list(numbers))
        self._clock, self._began = clock, clock()
        self._first: tuple[float, int] | None = None
        """When the first tiles were there, and how many."""
        self._lock = threading.Lock()

    def tiles(self, count: int, block: Region) -> TileDone:
        """Note that tiles of a block were computed."""
        with self._lock:
            self._tiles += count
            now = self._clock()
            left = self._left(now)
            return TileDone(self._tiles, self._total, now - self._began, left, (block.t[0], block.z[0]))

    def _left(self, now: float) -> float | None:
        """How long the rest takes at the pace since the first tiles; None until that is worth something."""
        if self._first is None:
            self._first = now, self._tiles
        began, tiles = self._first
        if self._tiles == self._total:
            return 0.0
        if self._tiles == tiles or now - began < TIMED:
            return None
        return (now - began) / (self._tiles - tiles) * (self._total - self._tiles)

    def block(self, number: int, ranges: tuple[Range, ...]) -> BlockDone:
        """Note that a block was written."""
        with self._lock:
            self._blocks += 1
            return BlockDone(number, self._blocks, self._all_blocks, ranges)

    def cells(self, found: int) -> CellsDone:
        """Note that the cells of a block were found."""
        with self._lock:
            self._cells += 1
            return CellsDone(self._cells, self._all_blocks, found)


class _Writer:
    """Puts the tiles of a block together, makes cells of it, writes it."""

    def __init__(self, work: Work, sink: Sink, events: deque[Event], progress: Progress) -> None:
        self._work, self._sink, self._events, self._progress = work, sink, events, progress
        self._parts: dict[Wanted, Array] = {}
        self._source = ""

    def add(self, batch: Batch, results: Results) -> None:
        """Take in some tiles of the block at hand; with the last of them it is written."""
        block = self._work.plan.block_at(batch.block)
        self._source += batch.source
        for tile, found in zip(batch.tiles, results.arrays(), strict=True):
            corner = (first for first, _ in block.ranges[1:])
            box: tuple[Any, ...] = tuple(
                slice(s.start - first, s.stop - first) for s, first in zip(tile, corner, strict=True)
            )
            for name, values in found.items():
                if name not in self._parts:
                    self._parts[name] = np.empty((*values.shape[:-3], *block.shape[1:]), values.dtype)
                self._parts[name][(..., *box)] = values
        if batch.last:
            parts, source, self._parts, self._source = self._parts, self._source, {}, ""
            self._write(batch.block, block, parts, source)

    def _write(self, number: int, block: Region, parts: Mapping[Wanted, Array], source: str) -> None:
        arrays: dict[Output, Array] = {
            output: parts[source] for output, source in self._work.wanted().items() if output != "cells"
        }
        if "cells" in self._work.outputs:
            arrays["cells"] = self._cells(parts["float"])
            self._events.append(self._progress.cells(int(arrays["cells"].max())))
        self._sink.write(number, block, arrays, source)
        self._events.append(self._progress.block(number, block.ranges))

    def _cells(self, probabilities: npt.NDArray[np.float32]) -> Array:
        """Cells (Z, Y, X) of a slice or of a volume."""
        work, spacing = self._work, self._work.image.spacing
        if not work.flat:
            return cells_from_probabilities(probabilities, work.model.classes, work.cells, spacing=spacing)
        (plane,) = np.moveaxis(probabilities, 1, 0)
        found = cells_from_probabilities(plane, work.model.classes, work.cells, spacing=spacing[1:])
        return found[None]


class ArraySink:
    """Writes blocks into arrays of the image's shape, or of the region's."""

    def __init__(self, work: Work, arrays: Mapping[Output, Any], *, of_region: bool) -> None:
        self._work, self._arrays, self._of_region = work, arrays, of_region
        # Blocks need not begin where chunks do, and what writes a part of a chunk reads it first.
        self._one_at_a_time = threading.Lock()

    def write(self, number: int, block: Region, arrays: Arrays, source: str) -> None:
        """Write a block into every array."""
        image = self._work.image
        box = block.within(self._work.plan.region) if self._of_region else block
        index = image.result_index(box.t[0], *box.slices[1:])
        for output in self._arrays:
            values = arrays[output]
            lead = (slice(None),) if output == "probabilities" else ()
            flat = values if "Z" in image.axes else values[..., 0, :, :]
            with self._one_at_a_time:
                self._arrays[output][(*lead, *index)] = flat


class Keeping:
    """Writes blocks, and their probabilities once more, as bytes.

    Parameters
    ----------
    sink
        Takes the blocks.
    bytes_
        Takes probabilities as uint8 from 0 to 255.
    """

    def __init__(self, sink: Sink, bytes_: Sink) -> None:
        self._sink, self._bytes = sink, bytes_

    def write(self, number: int, block: Region, arrays: Arrays, source: str) -> None:
        """Write a block into both."""
        values = arrays["probabilities"]
        if values.dtype != np.uint8:
            values = np.rint(values * np.float32(255)).astype(np.uint8)
        self._sink.write(number, block, arrays, source)
        self._bytes.write(number, block, {"probabilities": values}, source)


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers, self._lock = numbers, threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)


def _merged(streams: Sequence[Generator[Event]], stop: threading.Event) -> Iterator[Event]:
    """Run several streams of events in threads of their own and give their events as they come.

    When one of them fails, or nobody wants more events, ``stop`` is set, by which the others are to end.
    """
    arrived: queue.Queue[Event | BaseException | None] = queue.Queue(2 * len(streams))

    def follow(stream: Generator[Event]) -> None:
        failure: BaseException | None = None
        try:
            with closing(stream):
                for event in stream:
                    arrived.put(event)
        except BaseException as error:  # noqa: BLE001 - raised where the events are taken
            failure = error
        arrived.put(failure)

    threads = [threading.Thread(target=follow, args=(s,), daemon=True) for s in streams]
    for thread in threads:
        thread.start()
    left, failure = len(threads), None
    try:
        while left:
            event = arrived.get()
            if event is None or isinstance(event, BaseException):
                left, failure = left - 1, failure or event
                stop.set() if failure else None
            else:
                yield event
    finally:
        stop.set()
        while any(t.is_alive() for t in threads):
            try:
                arrived.get(timeout=0.1)
            except queue.Empty:
                continue
    if failure is not None:
        raise failure
