"""``napari-unet export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet.cli.options import Axes
from napari_unet.cli.progress import telling
from napari_unet.errors import UserError
from napari_unet.storage.formats import CellFormat

if TYPE_CHECKING:
    from napari_unet.storage.cell_files import Cells


def export(
    cells: Annotated[Path, typer.Argument(help="Label image with a number per cell, or a folder of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="What to write, or a folder for it.")],
    kind: Annotated[
        CellFormat | None,
        typer.Option(
            "--as",
            help="cells: OME-TIFF or OME-Zarr. outlines: the same, 1 on the cells' rims. imagej: TIFF hyperstack. "
            "cellpose: label TIFF, NAME_cp_masks.tif. rois: polygons for ImageJ's ROI manager (.zip). geojson: "
            "polygons for QuPath. Else told by the name.",
        ),
    ] = None,
    axes: Axes = None,
) -> None:
    """Write cells as other programs expect them.

    Polygons follow the outer rims of cells, slice by slice; holes are not told. Slices are read one by one.
    """
    from napari_unet.storage.cell_files import holds_cells, told_by, write_cells

    chosen = kind or told_by(out)
    for source, target in plan(cells, out, chosen):
        opened = open_cells(source, axes, chosen)
        if not holds_cells(opened):
            typer.echo(f"warning: {source} holds no cells: all its pixels are 0", err=True)
        with telling(source.name, "writing") as tell:
            write_cells(opened, target, chosen, tell)
        typer.echo(f"saved {target}")


def plan(cells: Path, out: Path, kind: CellFormat) -> list[tuple[Path, Path]]:
    """Return each label image and the file to write for it; makes the folder for a folder of them.

    Raises
    ------
    UserError
        If the input is missing, or an output cannot be written.
    """
    from napari_unet.storage.cell_files import ENDINGS, check_cells
    from napari_unet.storage.formats import image_paths, kind_of, stem_of, suffix_of

    sources = image_paths(cells)
    if kind_of(cells):
        into = out.is_dir() and not suffix_of(out)
        return [(cells, check_cells(out / f"{stem_of(cells)}{ENDINGS[kind]}" if into else out, kind, cells))]
    if suffix_of(out) or out.is_file():
        raise UserError(f"{cells} is a folder, so the output must be a folder too, not {out}")
    if cells.resolve() == out.resolve():
        raise UserError(f"{out} holds the cells; choose another folder for the output")
    out.mkdir(exist_ok=True, parents=True)
    jobs = [(s, check_cells(out / f"{stem_of(s)}{ENDINGS[kind]}", kind)) for s in sources]
    if len({target for _, target in jobs}) < len(jobs):
        raise UserError(f"{cells} holds images that differ only in their suffix; rename one of them")
    return jobs


def open_cells(path: Path, axes: str | None, kind: CellFormat) -> Cells:
    """Open a label image that is to be written as something else.

    Raises
    ------
    UserError
        If it is no label image, or has channels.
    """
    from napari_unet.spec import Exporting
    from napari_unet.storage.cell_files import Cells
    from napari_unet.storage.read import open_labels
    from napari_unet.storage.records import facts_of, new_record

    opened = open_labels(path, axes)
    if set(opened.axes) - set("TZYX"):
        raise UserError(f"{path} has the axes {opened.axes}; cells have no channels: tell their axes with --axes")
    record = new_record(Exporting(kind=kind, axes=axes), facts_of(opened))
    return Cells(opened.data, opened.axes, opened.spacing, opened.unit, opened.where, record)
