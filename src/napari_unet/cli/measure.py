"""``napari-unet measure``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet.cli.options import Axes
from napari_unet.cli.progress import follow
from napari_unet.errors import UserError
from napari_unet.events import Event

if TYPE_CHECKING:
    import pandas as pd

    from napari_unet.arrays.cell_columns import Lengths
    from napari_unet.arrays.measuring import Measuring
    from napari_unet.storage.opened import FileImage


def measure(
    cells: Annotated[Path, typer.Argument(help="Labels: a whole number per pixel, 0 is no cell.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The table: .csv.")],
    image: Annotated[Path | None, typer.Option(help="Image whose grey values are measured in the cells.")] = None,
    channels: Annotated[str | None, typer.Option(help="Names of its channels, such as DAPI,GFP.")] = None,
    spacing: Annotated[
        str | None,
        typer.Option(help="Micrometres of a pixel: one number, or along Y,X or Z,Y,X; else as the files say."),
    ] = None,
    axes: Axes = None,
    per_slice: Annotated[
        bool | None,
        typer.Option(
            "--per-slice/--per-stack",
            help="An id is another cell in every slice (as 2D networks number them), or the same cell through the "
            "stack. Else told by the ids.",
        ),
    ] = None,
) -> None:
    """Measure cells: size, shape, grey values, neighbours; writes a row for each cell.

    Large stacks are read part by part. An older table of that name is replaced, if it was written here.
    """
    from napari_unet.arrays.measuring import is_flat, measuring
    from napari_unet.spec import Measuring
    from napari_unet.storage.creator import write_side_file
    from napari_unet.storage.pairs import like_image
    from napari_unet.storage.read import describe, open_image, open_labels
    from napari_unet.storage.records import as_creator, facts_of, new_record
    from napari_unet.storage.table import check_table, write_table

    check_table(out)
    names = [n.strip() for n in channels.split(",")] if channels else []
    grey = open_image(image, axes) if image is not None else None
    labels = open_labels(cells, axes) if grey is None else like_image(open_labels(cells), grey)
    flat = is_flat(labels) if per_slice is None else per_slice
    if spacing is not None:
        _check_spacing(spacing, labels, flat=flat)
    lengths = _lengths(labels, grey, spacing)
    for opened in (labels, grey):
        if opened is not None:
            typer.echo(describe(opened))
    if labels.size("Z") > 1:
        typer.echo(
            "measured slice by slice (--per-stack: as volumes)"
            if flat
            else "measured as volumes (--per-slice: in 2D)"
        )
    run = _Run(measuring(labels, grey, flat=flat, lengths=lengths, channels=names))
    stopped = follow(run.events(), cells.name)
    if stopped is not None:
        typer.echo(f"stopped; {out} is not written")
        raise typer.Exit(128 + stopped)
    assert run.table is not None
    write_table(run.table, out)
    settings = Measuring(
        image=None if grey is None else facts_of(grey),
        channels=tuple(names),
        spacing=None if spacing is None else parse_spacing(spacing),
        per_slice=flat,
        axes=axes,
    )
    write_side_file(out, as_creator(new_record(settings, facts_of(labels))))
    typer.echo(f"{len(run.table):,} cells; saved {out}")


class _Run:
    """Keeps what a generator returns."""

    def __init__(self, events: Measuring) -> None:
        self._events = events
        self.table: pd.DataFrame | None = None

    def events(self) -> Iterator[Event]:
        self.table = yield from self._events


def _lengths(labels: FileImage, image: FileImage | None, spacing: str | None) -> Lengths:
    """Tell the size of a pixel: as the user says, else the cells' file, else the image's."""
    from napari_unet.arrays.cell_columns import Lengths

    if spacing is not None:
        return Lengths(parse_spacing(spacing), "micrometer")
    known = next((i for i in (labels, image) if i is not None and i.unit != "pixel"), labels)
    return Lengths(known.spacing, known.unit)


def _check_spacing(text: str, labels: FileImage, *, flat: bool) -> None:
    """Raise `UserError` unless there is a length for every axis that is measured along."""
    given = len(text.split(","))
    if given == 3 and "Z" not in labels.axes:
        raise UserError(
            f"--spacing '{text}' is three lengths, and {labels.name} has no slices (axes {labels.axes}): give one "
            "number, or those along Y,X"
        )
    if given == 2 and labels.size("Z") > 1 and not flat:
        raise UserError(
            f"--spacing '{text}' is two lengths, and {labels.name} is measured as volumes: give those along "
            "Z,Y,X, or --per-slice"
        )


def parse_spacing(text: str) -> tuple[float, float, float]:
    """Read the option ``--spacing``: along Z, Y and X.

    Examples
    --------
    >>> parse_spacing("0.5"), parse_spacing("2, 0.5, 0.4"), parse_spacing("0.5,0.4")
    ((0.5, 0.5, 0.5), (2.0, 0.5, 0.4), (1.0, 0.5, 0.4))
    """
    try:
        values: Sequence[float] = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 3 or not all(0 < v < float("inf") for v in values):
        raise UserError(f"--spacing '{text}' must be one to three numbers above 0, such as 0.5 or 2,0.5,0.5")
    z, y, x = [values[0]] * 3 if len(values) == 1 else [1.0, *values][-3:]
    return z, y, x
