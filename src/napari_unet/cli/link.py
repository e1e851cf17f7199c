"""``napari-unet link``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_unet.cli.options import Axes
from napari_unet.cli.progress import follow


def link(
    cells: Annotated[Path, typer.Argument(help="Cells: an integer id each, 0 is none.")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".tif, .ome.tif, .zarr or .ome.zarr.")],
    along: Annotated[
        Literal["z", "t"], typer.Option(help="z: slices become cells in 3D. t: cells are followed through time.")
    ] = "z",
    least_overlap: Annotated[
        float | None,
        typer.Option(
            help="Of two cells that are one, from 0 to 1. Along z: of the smaller one, by default 0.8. Along t: "
            "intersection over union, by default 0.1."
        ),
    ] = None,
    gap: Annotated[int, typer.Option(min=0, help="Planes that a cell may be missing from.")] = 1,
    axes: Axes = None,
) -> None:
    """Give cells that were found slice by slice, or frame by frame, one number through the stack."""
    from napari_unet.jobs.linking import cells_of, link_file
    from napari_unet.storage.read import describe

    events = link_file(cells, out, along, axes, least_overlap=least_overlap, gap=gap)
    typer.echo(describe(cells_of(cells, along, axes)))
    stopped = follow(events, cells.name)
    if stopped is not None:
        typer.echo(f"stopped; {out} was not written")
        raise typer.Exit(128 + stopped)
    typer.echo(f"saved {out}")
