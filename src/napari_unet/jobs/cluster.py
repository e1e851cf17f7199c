"""Blocks spread over the workers of a dask cluster."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.errors import UserError
from napari_unet.events import BlockDone, Event, Note, Preparing, TileDone
from napari_unet.spec import TilingSpec

if TYPE_CHECKING:
    from distributed import Client, Future

TIMEOUT = "20s"
"""How long to wait for the scheduler."""
PAUSE = 0.1
"""Seconds between two looks for blocks that are done."""
LOOK = 2.0
"""Seconds between two looks for workers; what the scheduler does not tell within that time stays unknown."""
GOES_ON = "what is done is kept, and the same command goes on"
NOBODY_LEFT = "no workers are left on the cluster: waiting (Ctrl+C stops; what is done is kept)"
_LOGGERS = (
    "distributed.client",
    "distributed.comm",
    "distributed.core",
    "distributed.batched",
    "tornado.application",
)
"""Of dask, about a connection that breaks: with tracebacks, which say less than the error that is raised here."""


class ClusterError(UserError):
    """The cluster cannot be used, or not any more: nothing else can be computed on it, either."""


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Connect with a dask scheduler that has workers.

    Parameters
    ----------
    address
        Such as ``tcp://127.0.0.1:8786``.

    Raises
    ------
    ClusterError
        If dask.distributed is not installed, the scheduler does not answer, or has no workers; or if it is on
        another machine without encryption, for then anybody in the network could make it run code here.
    """
    _check_safe(address)
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError(
            'the option for a cluster needs dask.distributed; run: pip install "napari-unet-live[cluster]"'
        ) from error
    with _quiet():
        try:
            client = Client(address, timeout=TIMEOUT, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(f"no dask scheduler answers at {address}; check that it runs there") from error
        try:
            if not _count_workers(client):
                raise ClusterError(f"the dask scheduler at {address} has no workers; start some, then try again")
            yield client
        finally:
            with suppress(OSError, TimeoutError):  # it may have ended
                client.close(timeout=LOOK)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what dask logs of broken connections off the screen."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def run_on_cluster(
    client: Client, folder: Path, numbers: Sequence[int], before: int, tiling: TilingSpec
) -> Iterator[Event]:
    """Compute blocks of an unfinished result on the workers of a dask scheduler.

    Parameters
    ----------
    client
        Of `connected`.
    folder
        The unfinished result, at a place that all workers see under the same name.
    numbers
        Which blocks.
    before
        How many blocks were done before.
    tiling
        Its device and threads rule every worker.

    Yields
    ------
    Event
        `BlockDone` and `TileDone` after each block; a `Note` when all workers have gone, or are there again; the
        last progress again while nothing happens.

    Raises
    ------
    ClusterError
        If the scheduler ends, or a block ends one worker after the other.
    """
    assert client.scheduler is not None  # it is connected
    address = str(client.scheduler.address)
    watch = _Watch(client)
    yield Note(f"computing on {_workers(watch.count)} of the cluster at {address}")
    began, total, done = time.perf_counter(), before + len(numbers), 0
    common = [str(folder.absolute())] * len(numbers), numbers, [tiling.model_dump()] * len(numbers)
    futures = client.map(run_one, *common, pure=False, retries=2)
    progress: Event = Preparing("waiting for the first block", before, total)
    try:
        for found in _completed(client, futures):
            yield from watch.changes()
            if found is None:
                yield progress if watch.count else Preparing("waiting for workers", before + done, total)
                continue
            number, done = _result(*found, address), done + 1
            seconds = time.perf_counter() - began
            left = seconds / done * (len(numbers) - done)
            progress = TileDone(before + done, total, seconds, left)
            yield progress
            yield BlockDone(number, before + done, total)
    finally:
        if client.status == "running":
            client.cancel(futures)


def _completed(client: Client, futures: Sequence[Future[Any]]) -> Iterator[tuple[Future[Any], Any] | None]:
    """Give what has ended, with its result; None after every moment without, so that one can stop."""
    from distributed import as_completed

    waiting = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
    while not waiting.is_empty():
        if waiting.has_ready():
            yield from waiting.next_batch(block=False)
        else:
            time.sleep(PAUSE)
            yield None


def _result(future: Future[Any], result: Any, address: str) -> int:
    """Return the number of the block that was computed; raises what a worker has raised."""
    from distributed import KilledWorker

    if future.status == "finished":
        return int(result)
    if future.status != "error":  # cancelled, as all are when the connection breaks
        raise ClusterError(f"the dask scheduler at {address} has ended, or cannot be reached any more; {GOES_ON}")
    error: BaseException = result[1]
    if isinstance(error, KilledWorker):
        raise ClusterError(
            f"one block has ended {error.allowed_failures + 1} workers, maybe for want of memory: give them "
            f"more, or smaller tiles (--tile); {GOES_ON}"
        ) from error
    raise error


class _Watch:
    """Looks every now and then how many workers there are."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.count = _count_workers(client) or 0
        self._looked = time.monotonic()

    def changes(self) -> Iterator[Note]:
        """Tell when all have gone, and when there are some again."""
        if time.monotonic() - self._looked < LOOK:
            return
        before, found = self.count, _count_workers(self._client)
        self._looked = time.monotonic()
        if found is None:
            return
        self.count = found
        if before and not found:
            yield Note(NOBODY_LEFT)
        elif found and not before:
            yield Note(f"going on with {_workers(found)}")


def _count_workers(client: Client) -> int | None:
    """Ask the scheduler for its workers; None if it does not tell."""
    if client.status != "running" or client.scheduler is None:
        return None
    try:
        return len(client.sync(client.scheduler.ncores, callback_timeout=LOOK))
    except (OSError, TimeoutError):
        return None


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


def _check_safe(address: str) -> None:
    """Raise `ClusterError` for an unknown name, and for what is neither encrypted nor of this machine.

    Examples
    --------
    >>> _check_safe("tcp://127.0.0.1:8786"), _check_safe("tls://localhost:8786")
    (None, None)
    """
    protocol, _, rest = address.rpartition("://")
    host = rest.rsplit(":", 1)[0].strip("[]")
    if host in ("127.0.0.1", "localhost", "::1"):
        return
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise ClusterError(
            f"the machine '{host}' of the scheduler {address} is not known here; an address is such as "
            "tcp://127.0.0.1:8786: check its spelling"
        ) from error
    if protocol != "tls":
        raise ClusterError(
            f"the scheduler at {address} is on another machine and not encrypted; start it with TLS and give its "
            "address as tls://..., see https://distributed.dask.org/en/stable/tls.html"
        )


def run_one(folder: str, number: int, tiling: dict[str, Any]) -> int:
    """Compute one block; called in a worker."""
    from napari_unet.jobs.stored import run_numbers

    for _ in run_numbers(Path(folder), [number], TilingSpec.model_validate(tiling)):
        pass
    return number
