"""``napari-unet cells``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_unet.cli.options import Axes
from napari_unet.cli.progress import follow
from napari_unet.spec import CellMethod, CellSpec


def cells(
    probabilities: Annotated[Path, typer.Argument(help="What 'predict --output probabilities' has written.")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".tif, .ome.tif, .zarr or .ome.zarr.")],
    method: Annotated[CellMethod, typer.Option(help="How boundaries become cells.")] = "auto",
    threshold: Annotated[float, typer.Option(help="Boundary probability above which a pixel is boundary.")] = 0.5,
    beta: Annotated[float, typer.Option(help="Below 0.5 fewer cells, above 0.5 more.")] = 0.5,
    min_size: Annotated[int, typer.Option(help="Cells with fewer pixels are removed.")] = 25,
    grow: Annotated[int, typer.Option(help="Farthest that a cell grows into its boundary, in pixels.")] = 8,
    volume: Annotated[
        bool, typer.Option("--volume", help="Cells go through the slices; else each slice is numbered from 1.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(help="Names of the classes, such as cell,boundary,background. Else by number.")
    ] = None,
    axes: Axes = None,
) -> None:
    """Make separate cells of probabilities that were predicted before, however large; no network is run."""
    from napari_unet.jobs import cells_file
    from napari_unet.storage.read import describe, open_image
    from napari_unet.storage.write import check_output

    spec = CellSpec(method=method, threshold=threshold, beta=beta, min_size=min_size, grow=grow)
    image, names = open_image(probabilities, axes), None if classes is None else classes.split(",")
    check_output(out, probabilities)
    typer.echo(describe(image))
    stopped = follow(cells_file(image, out, spec, volume=volume, classes=names), probabilities.name)
    if stopped is not None:
        typer.echo(f"stopped; {out} is not written")
        raise typer.Exit(128 + stopped)
    typer.echo(f"saved {out}")
