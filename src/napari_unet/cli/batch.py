"""``napari-unet batch``."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, BinaryIO, get_args

import typer

from napari_unet.arrays.region import parse_range
from napari_unet.cli.options import MIRRORS, RANGES, Axes, DeviceOption, MirrorsOption, PrecisionOption, Threads
from napari_unet.cli.predict import parse_halo, parse_shard
from napari_unet.cli.progress import Stop, follow
from napari_unet.errors import UserError
from napari_unet.events import BatchProgress, Event, ImageDone, Preparing
from napari_unet.spec import BatchFormat, BatchSpec, CellMethod, CellSpec, Output, TilingSpec

INTERVAL = 0.1
"""Seconds between two reports of progress to another program."""


def batch(
    model: Annotated[Path, typer.Argument(help="Model file (.safetensors).")],
    inputs: Annotated[
        list[str],
        typer.Argument(help="Images, folders, patterns such as 'plate/*.tif', zarrs with several positions."),
    ],
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder for the outputs, named as their images.")],
    output: Annotated[
        list[str] | None,
        typer.Option(help="probabilities, classes, boundaries, cells: several with commas. Else cells."),
    ] = None,
    format: Annotated[BatchFormat, typer.Option(help="Of the outputs; auto: zarr for a zarr, else tif.")] = "auto",
    recursive: Annotated[bool, typer.Option("--recursive", help="The images of all folders below, too.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="A table of the cells of every image, NAME-cells.csv.")
    ] = False,
    channel: Annotated[int | None, typer.Option(min=0, help="Only this channel of the images, from 0.")] = None,
    halo: Annotated[
        str, typer.Option(help="Context around each tile: exact, auto, or pixels, at most exact.")
    ] = "exact",
    tile: Annotated[int | None, typer.Option(min=1, help="Largest length of an input tile.")] = None,
    method: Annotated[CellMethod, typer.Option(help="How boundaries become cells.")] = "auto",
    threshold: Annotated[float, typer.Option(help="Boundary probability above which a pixel is boundary.")] = 0.5,
    beta: Annotated[float, typer.Option(help="Below 0.5 fewer cells, above 0.5 more.")] = 0.5,
    min_size: Annotated[int, typer.Option(help="Cells with fewer pixels are removed.")] = 25,
    grow: Annotated[int, typer.Option(help="How far a cell grows into its boundary at most, pixels.")] = 8,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    mirrors: MirrorsOption = "1",
    threads: Threads = None,
    axes: Axes = None,
    t: Annotated[str | None, typer.Option(help=f"Only these times: {RANGES}")] = None,
    z: Annotated[str | None, typer.Option(help=f"Only these slices: {RANGES}")] = None,
    y: Annotated[str | None, typer.Option(help=f"Only these rows: {RANGES}")] = None,
    x: Annotated[str | None, typer.Option(help=f"Only these columns: {RANGES}")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only every N-th image, from the I-th: I/N, for N processes in parallel.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler whose workers compute the blocks.")
    ] = None,
    events: Annotated[
        bool,
        typer.Option(
            "--events",
            help="For programs that run this one: a line of JSON on stdout for every event; stops as stdin ends.",
        ),
    ] = False,
) -> None:
    """Predict many images into one folder, with a table of what became of each (summary.csv).

    One that fails does not stop the others. Given again, the same command leaves out what is finished, goes on
    with what is not, and tries failed ones again.
    """
    spec = BatchSpec(
        model=model,
        inputs=tuple(inputs),
        folder=folder,
        outputs=parse_outputs(output),
        format=format,
        recursive=recursive,
        measure=measure,
        axes=axes,
        channel=channel,
        t=parse_range("--t", t),
        z=parse_range("--z", z),
        y=parse_range("--y", y),
        x=parse_range("--x", x),
        tiling=TilingSpec(
            tile=tile,
            halo=parse_halo(halo),
            device=device,
            precision=precision,
            mirrors=MIRRORS[mirrors],
            threads=threads,
        ),
        cells=CellSpec(method=method, threshold=threshold, beta=beta, min_size=min_size, grow=grow),
    )
    share = parse_shard(shard)
    pipes = _take_pipes() if events else None
    from napari_unet import jobs

    heard = _Heard(jobs.batch(spec, shard=share, scheduler=scheduler))
    stopped = follow(heard.events(), "batch") if pipes is None else _pass_on(heard.events(), *pipes)
    if stopped is not None:
        images = "1 image" if len(heard.rows) == 1 else f"{len(heard.rows)} images"
        typer.echo(f"stopped after {images}; the same command goes on", err=True)
        raise typer.Exit(128 + stopped)
    failed = [row for row in heard.rows if row.status == "failed"]
    for row in failed:
        typer.echo(f"napari-unet: {row.file}: {row.message}", err=True)
    typer.echo(f"the table of all images is {folder / 'summary.csv'}")
    if failed:
        raise typer.Exit(1)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for the program that runs this one, and step back behind it."""
    from napari_unet.engine.worker import NICENESS, take_over_stdio

    if hasattr(os, "nice"):
        os.nice(NICENESS)
    return take_over_stdio()


def parse_outputs(texts: list[str] | None) -> tuple[Output, ...]:
    """Read ``--output``, given once with commas, or several times.

    Examples
    --------
    >>> parse_outputs(["cells, boundaries"]), parse_outputs(["cells", "classes"]), parse_outputs(None)
    (('cells', 'boundaries'), ('cells', 'classes'), ('cells',))
    """
    names = [name.strip() for text in texts or ["cells"] for name in text.split(",")]
    known: dict[str, Output] = {name: name for name in get_args(Output)}
    for name in names:
        if name not in known:
            raise UserError(f"--output '{name}' must be one or more of {', '.join(known)}, with commas between")
    return tuple(known[name] for name in names)


class _Heard:
    """Keeps the rows of the summary that go by."""

    def __init__(self, events: Generator[Event]) -> None:
        self._events = events
        self.rows: list[ImageDone] = []

    def events(self) -> Generator[Event]:
        with closing(self._events):
            for event in self._events:
                if isinstance(event, ImageDone):
                    self.rows.append(event)
                yield event


def _pass_on(events: Generator[Event], commands: BinaryIO, reports: BinaryIO) -> int | None:
    """Write events as lines of JSON; returns the number of the signal that stopped it, if one did.

    The end of stdin counts as SIGTERM. Progress is written a few times a second at most.
    """
    written = 0.0
    with Stop() as stop:
        threading.Thread(target=_stop_at_end, args=(commands, stop), daemon=True).start()
        for event in events:
            if not isinstance(event, BatchProgress | Preparing) or time.monotonic() - written > INTERVAL:
                written = time.monotonic()
                reports.write(json.dumps({"event": type(event).__name__, **asdict(event)}).encode() + b"\n")
                reports.flush()
            if stop.signal is not None:
                break
    events.close()  # saves what has been reported
    return stop.signal


def _stop_at_end(commands: BinaryIO, stop: Stop) -> None:
    commands.read()
    stop.signal = signal.SIGTERM
