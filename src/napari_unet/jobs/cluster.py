"""Blocks spread over the workers of a dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from napari_unet.errors import UserError
from napari_unet.events import BlockDone, Event, Note, TileDone
from napari_unet.spec import TilingSpec

TIMEOUT = "20s"
"""How long to wait for the scheduler."""


def run_on_cluster(address: str, folder: Path, numbers: Sequence[int], before: int) -> Iterator[Event]:
    """Compute blocks of an unfinished result on the workers of a dask scheduler.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://127.0.0.1:8786``.
    folder
        The unfinished result, at a place that all workers see under the same name.
    numbers
        Which blocks.
    before
        How many blocks were done before.

    Yields
    ------
    Event
        `BlockDone` and `TileDone` after each block.

    Raises
    ------
    UserError
        If dask.distributed is not installed, the scheduler does not answer, or has no workers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise UserError(
            'the option for a cluster needs dask.distributed; run: pip install "napari-unet-live[cluster]"'
        ) from error
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(f"no dask scheduler answers at {address}; check that it runs there") from error
    with client:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise UserError(f"the dask scheduler at {address} has no workers; start some, then try again")
        yield Note(f"computing on {workers} workers of the cluster at {address}")
        began, total = perf_counter(), before + len(numbers)
        futures = client.map(run_one, [str(folder)] * len(numbers), numbers, pure=False, retries=2)
        try:
            for done, (_, number) in enumerate(
                as_completed(futures, loop=client.loop, with_results=True), start=1
            ):
                seconds = perf_counter() - began
                left = seconds / done * (len(numbers) - done)
                yield TileDone(before + done, total, seconds, left)
                yield BlockDone(number, before + done, total)
        finally:
            client.cancel(futures)


def run_one(folder: str, number: int) -> int:
    """Compute one block; called in a worker."""
    from napari_unet.jobs.stored import run_numbers

    for _ in run_numbers(Path(folder), [number], TilingSpec()):
        pass
    return number
