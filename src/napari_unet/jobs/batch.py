"""Predict many images: one that fails does not stop the others, and what is finished is not made again."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

from napari_unet.errors import UserError, one_line
from napari_unet.events import (
    BatchBegun,
    BatchProgress,
    Event,
    Finished,
    ImageDone,
    Note,
    Preparing,
    TileDone,
)
from napari_unet.jobs.batch_plan import InTheWayError, Item, check, check_target, plan
from napari_unet.jobs.cluster import ClusterError, connected
from napari_unet.jobs.counting import count_cells, is_measured, measure_cells
from napari_unet.jobs.model import Model, load
from napari_unet.jobs.pace import Pace
from napari_unet.jobs.stored import Shard, predict_file
from napari_unet.spec import BatchSpec
from napari_unet.storage.read import open_labels
from napari_unet.storage.results import left_out
from napari_unet.storage.stamp import is_of_request
from napari_unet.storage.summary import Summary

logger = logging.getLogger(__name__)


def batch(spec: BatchSpec, *, shard: Shard | None = None, scheduler: str | None = None) -> Generator[Event]:
    """Predict many images into one folder.

    Outputs lie in the folder as their images do in theirs; ``summary.csv`` there has a row for each and is written
    anew after each. The same call again leaves out what is finished, goes on within an image where it was, and
    tries failed ones again.

    Parameters
    ----------
    spec
        Which images, which model, what is wanted.
    shard
        Work on every n-th image only: its number from 1, and how many there are.
    scheduler
        Address of a dask scheduler, over whose workers the blocks of every image are spread.

    Yields
    ------
    Event
        `BatchBegun`, `BatchProgress` often, `ImageDone` for every image, `Finished` last.

    Raises
    ------
    UserError
        If the model cannot be read, the folder cannot be written, or the scheduler does not answer. Raised at
        once. What is wrong with an image is told by its `ImageDone`. Also, later, if the scheduler ends.
    """
    model = load(spec.model)
    model.check_precision(spec.tiling)
    if scheduler is not None:
        with connected(scheduler):  # only to see whether it answers
            pass
    try:
        spec.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {spec.folder} ({error.strerror}); choose another") from error
    every, results = plan(spec)
    items = every if shard is None else every[shard[0] - 1 :: shard[1]]
    return _Batch(model, spec, items, scheduler, {str(item.found.path) for item in every}, results).run()


class _Batch:
    """A batch at work."""

    def __init__(
        self,
        model: Model,
        spec: BatchSpec,
        items: Sequence[Item],
        scheduler: str | None,
        wanted: Collection[str],
        results: Sequence[Path],
    ) -> None:
        self._model, self._spec, self._items, self._scheduler = model, spec, items, scheduler
        self._results = results
        self._summary = Summary(spec.folder, wanted)
        self._before = self._summary.read()
        self._said: set[str] = set()
        self._pace = Pace(0)
        self._rows: list[ImageDone] = []

    def run(self) -> Generator[Event]:
        """Check all images, then make them one after another."""
        began = time.perf_counter()
        yield BatchBegun(tuple(item.found.name for item in self._items))
        if self._results:
            yield Note(left_out(self._results))
        yield from self._forget_failures()
        good: list[Item] = []
        bad: list[ImageDone] = []
        for number, item in enumerate(self._items, start=1):
            found = self._check(item)
            if isinstance(found, Item):
                good.append(found)
            else:
                bad.append(found)
            yield Preparing("checking the images", number, len(self._items))
        yield from self._tell(bad)
        self._pace = Pace(sum(item.work for item in good))
        for item in good:
            self._pace.begin(item.work)
            yield self._progress(item)
            with closing(self._make(item)) as events:
                row = yield from events
            self._pace.end()
            yield from self._tell([row])
        yield Finished(words_of(self._rows), len(self._rows), time.perf_counter() - began)

    def _check(self, item: Item) -> Item | ImageDone:
        if item.problem:
            return _row(item, message=item.problem)
        try:
            return check(self._model, item)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one image, the others may be good
            return _row(item, message=f"{_words(error, item)}{_left_of(error, item.targets)}")

    def _make(self, item: Item) -> Generator[Event, None, ImageDone]:
        """Make all that is missing of an image; returns its row, whatever happens."""
        began = time.perf_counter()
        warnings: list[str] = []
        left = list(item.stale)
        try:
            yield from self._predict(item, warnings, left)
            measured = yield from self._measure(item, warnings)
            cells = self._count(item)
        except ClusterError:  # no other image would fare better
            raise
        except Exception as error:  # noqa: BLE001 - as above
            words = f"{_words(error, item)}{_left_of(error, left)}"
            return _row(item, seconds=time.perf_counter() - began, message=words)
        found = self._spec.folder
        row = ImageDone(
            item.found.name,
            str(item.found.path),
            "done",
            tuple(target.relative_to(found).as_posix() for target in item.targets),
            cells,
            round(time.perf_counter() - began, 2),
            item.pixels,
            "; ".join(warnings),
        )
        return row if item.missing or measured else self._as_before(row)

    def _predict(self, item: Item, warnings: list[str], left: list[Path]) -> Iterator[Event]:
        """Make what is missing; what is made is taken out of ``left``, the files of an earlier batch."""
        if item.cells in item.missing and item.table is not None:
            item.table.unlink(missing_ok=True)  # of the earlier cells; `check` has told that it is ours
        for number, request in enumerate(item.missing):
            check_target(request.target)  # once more: somebody may have corrected it meanwhile
            made = predict_file(self._model, request, scheduler=self._scheduler)
            with closing(cast("Generator[Event]", made)) as events:
                for event in events:
                    if isinstance(event, Note) and event.warning:
                        _keep(event, warnings)
                    elif isinstance(event, Note) and request.target.name not in event.text:  # the row tells those
                        yield from self._say_once(event)
                    elif isinstance(event, TileDone):
                        self._pace.tell((number + event.done / event.total) / len(item.missing))
                        yield self._progress(item)
                    elif not isinstance(event, Finished):
                        yield self._progress(item)  # a place to stop
            left.remove(request.target)

    def _measure(self, item: Item, warnings: list[str]) -> Generator[Event, None, bool]:
        """Measure the cells unless that was done; tells whether it was done now."""
        if item.table is None or item.cells is None or is_measured(item.cells, item.table):
            return False
        for event in measure_cells(item.cells, item.table, flat=self._is_flat):
            if isinstance(event, Note) and event.warning:
                _keep(event, warnings)
            yield self._progress(item)
        return True

    def _count(self, item: Item) -> int | None:
        return None if item.cells is None else count_cells(open_labels(item.cells.target), flat=self._is_flat)

    @property
    def _is_flat(self) -> bool:
        return self._model.spec.net.ndim == 2

    def _as_before(self, row: ImageDone) -> ImageDone:
        """Tell of an image that was finished before what is known of its making."""
        earlier = self._summary.earlier(self._before, row.file, row.name)
        if earlier is None or earlier.status == "failed":
            return replace(row, status="skipped")
        return replace(row, status="skipped", seconds=earlier.seconds, message=earlier.message)

    def _say_once(self, note: Note) -> Iterator[Event]:
        """Pass on what was not said of an earlier image, such as which device computes."""
        if note.text not in self._said:
            self._said.add(note.text)
            yield note

    def _progress(self, item: Item) -> BatchProgress:
        done, total = len(self._rows), len(self._items)
        failed = sum(row.status == "failed" for row in self._rows)
        return BatchProgress(item.found.name, done, total, self._pace.part, self._pace.seconds_left, failed)

    def _forget_failures(self) -> Iterator[Event]:
        """Let the table tell no more why an image failed that is to be tried again."""
        try:
            self._summary.begin({str(item.found.path) for item in self._items})
        except (OSError, UserError) as error:
            yield _waits(error)

    def _tell(self, rows: Sequence[ImageDone]) -> Iterator[Event]:
        """Write rows, then tell them."""
        self._rows += rows
        try:
            if rows:
                self._summary.add(*rows)
        except (OSError, UserError) as error:  # a spreadsheet keeps it open, or has saved it its own way
            yield _waits(error)
        yield from rows


def _waits(error: Exception) -> Note:
    return Note(f"the table waits with its new rows: {one_line(error)}", warning=True)


def _row(item: Item, message: str, seconds: float = 0.0) -> ImageDone:
    """Tell of an image that failed."""
    file = str(item.found.path)
    return ImageDone(
        item.found.name, file, "failed", seconds=round(seconds, 2), pixels=item.pixels, message=message
    )


def _left_of(error: Exception, targets: Sequence[Path]) -> str:
    """Warn of results of an earlier batch, which could be taken for those of this one."""
    if isinstance(error, InTheWayError):  # the image is good: what is there may be, too
        return ""
    names = [target.name for target in targets if _is_earlier(target)]
    return f"; the folder still holds {', '.join(names)} of an earlier batch" if names else ""


def _is_earlier(target: Path) -> bool:
    return os.path.exists(target) if target.suffix == ".csv" else is_of_request(target)


def _keep(note: Note, warnings: list[str]) -> None:
    """Keep a warning for the row, once."""
    if note.text not in warnings:
        warnings.append(note.text)


def _words(error: Exception, item: Item) -> str:
    """Say what went wrong; what nobody has foreseen keeps its traceback in the log."""
    words = one_line(error).removeprefix(f"{item.found.path}: ")
    if isinstance(error, UserError | OSError | MemoryError):
        return words
    logger.error("%s failed", item.found.path, exc_info=error)
    return f"{type(error).__name__}: {words}"


def words_of(rows: Sequence[ImageDone]) -> str:
    """Say what became of a batch.

    Examples
    --------
    >>> words_of([ImageDone("a", "a.tif", "done"), ImageDone("b", "b.tif", "failed")])
    '2 images: 1 done, 1 failed'
    """
    counts = Counter(row.status for row in rows)
    told = [f"{counts[status]} {status}" for status in ("done", "skipped", "failed") if counts[status]]
    return f"{len(rows)} image{'' if len(rows) == 1 else 's'}: {', '.join(told) or 'nothing to do'}"
