"""Blocks spread over the workers of a dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from napari_unet.errors import UserError
from napari_unet.events import BlockDone, Event, Note, TileDone
from napari_unet.spec import TilingSpec

TIMEOUT = "20s"
"""How long to wait for the scheduler."""


def run_on_cluster(
    address: str, folder: Path, numbers: Sequence[int], before: int, tiling: TilingSpec
) -> Iterator[Event]:
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
    tiling
        Its device and threads rule every worker.

    Yields
    ------
    Event
        `BlockDone` and `TileDone` after each block.

    Raises
    ------
    UserError
        If dask.distributed is not installed, the scheduler does not answer, or has no workers; or if it is on
        another machine without encryption, for then anybody in the network could make it run code here.
    """
    _check_safe(address)
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
        common = [str(folder.absolute())] * len(numbers), numbers, [tiling.model_dump()] * len(numbers)
        futures = client.map(run_one, *common, pure=False, retries=2)
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


def _check_safe(address: str) -> None:
    """Raise `UserError` for an address that is neither encrypted nor of this machine.

    Examples
    --------
    >>> _check_safe("tcp://127.0.0.1:8786"), _check_safe("tls://node7:8786")
    (None, None)
    """
    protocol, _, rest = address.rpartition("://")
    host = rest.rsplit(":", 1)[0].strip("[]")
    if protocol != "tls" and host not in ("127.0.0.1", "localhost", "::1"):
        raise UserError(
            f"the scheduler at {address} is on another machine and not encrypted; start it with TLS and give its "
            "address as tls://..., see https://distributed.dask.org/en/stable/tls.html"
        )


def run_one(folder: str, number: int, tiling: dict[str, Any]) -> int:
    """Compute one block; called in a worker."""
    from napari_unet.jobs.stored import run_numbers

    for _ in run_numbers(Path(folder), [number], TilingSpec.model_validate(tiling)):
        pass
    return number
