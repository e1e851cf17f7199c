"""``napari-unet predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_unet.cli.options import Axes, DeviceOption, Threads
from napari_unet.cli.progress import follow
from napari_unet.errors import UserError, one_line
from napari_unet.spec import CellMethod, CellSpec, Output, TilingSpec

if TYPE_CHECKING:
    from napari_unet.jobs import Model


def predict(
    model: Annotated[Path, typer.Argument(help="Model file (.safetensors).")],
    image: Annotated[Path, typer.Argument(help="Image, or a folder of images.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help=".tif, .ome.tif, .zarr or .ome.zarr; a folder for a folder.")
    ],
    output: Annotated[Output, typer.Option(help="What to write; cells are instance labels.")] = "probabilities",
    halo: Annotated[
        str,
        typer.Option(help="Context around each tile: exact (tiled equals whole), auto, or a number of pixels."),
    ] = "exact",
    tile: Annotated[int | None, typer.Option(min=1, help="Largest length of an input tile.")] = None,
    method: Annotated[CellMethod, typer.Option(help="How boundaries become cells.")] = "auto",
    threshold: Annotated[float, typer.Option(help="Boundary probability above which a pixel is boundary.")] = 0.5,
    beta: Annotated[float, typer.Option(help="Below 0.5 fewer cells, above 0.5 more.")] = 0.5,
    min_size: Annotated[int, typer.Option(help="Cells with fewer pixels are removed.")] = 25,
    device: DeviceOption = "auto",
    threads: Threads = None,
    axes: Axes = None,
) -> None:
    """Predict an image, or every image of a folder (one that fails does not stop the others)."""
    tiling = TilingSpec(tile=tile, halo=parse_halo(halo), device=device, threads=threads)
    cells = CellSpec(method=method, threshold=threshold, beta=beta, min_size=min_size)
    jobs = plan(image, out)
    from napari_unet.jobs import load

    trained = load(model)
    if len(jobs) == 1:
        _predict_one(trained, *jobs[0], output, axes, tiling, cells)
        return
    failed = 0
    for source, target in jobs:
        try:
            _predict_one(trained, source, target, output, axes, tiling, cells)
        except (UserError, OSError, MemoryError) as error:  # the other images may be good
            typer.echo(f"napari-unet: {source.name}: {one_line(error).removeprefix(f'{source}: ')}", err=True)
            failed += 1
    if failed:
        rest = f", the others are saved in {out}" if failed < len(jobs) else ""
        raise UserError(f"{failed} of {len(jobs)} failed{rest}")


def parse_halo(text: str) -> int | Literal["exact", "auto"]:
    """Read the option ``--halo``.

    Examples
    --------
    >>> parse_halo("exact"), parse_halo("48")
    ('exact', 48)
    """
    if text == "exact" or text == "auto":
        return "exact" if text == "exact" else "auto"
    if text.isdigit():
        return int(text)
    raise UserError(f"--halo '{text}' must be exact, auto or a number of pixels")


def plan(image: Path, out: Path) -> list[tuple[Path, Path]]:
    """Return each image and the file to write for it; makes the folder for a folder of images.

    Raises
    ------
    UserError
        If the input is missing, or an output cannot be written.
    """
    from napari_unet.storage.formats import image_paths, kind_of, stem_of, suffix_of
    from napari_unet.storage.write import check_output

    sources = image_paths(image)
    if kind_of(image):
        inside, outside = image.resolve(), out.resolve()
        if inside.is_relative_to(outside) or outside.is_relative_to(inside):
            raise UserError(f"{out} is or holds the image, or lies in it; choose another place for the output")
        return [(image, check_output(out))]
    if suffix_of(out) or out.is_file():
        raise UserError(f"{image} is a folder, so the output must be a folder too, not {out}")
    if image.resolve() == out.resolve():
        raise UserError(f"{out} holds the images; choose another folder for the output")
    out.mkdir(exist_ok=True, parents=True)
    endings = [".zarr" if kind_of(s) == "zarr" else ".tif" for s in sources]
    jobs = [(s, check_output(out / f"{stem_of(s)}{e}")) for s, e in zip(sources, endings, strict=True)]
    if len({target for _, target in jobs}) < len(jobs):
        raise UserError(f"{image} holds images that differ only in their suffix; rename one of them")
    return jobs


def _predict_one(
    model: Model, source: Path, target: Path, output: Output, axes: str | None, tiling: TilingSpec, cells: CellSpec
) -> None:
    from napari_unet.jobs import OUTPUT_DTYPE, prediction
    from napari_unet.storage.read import describe, open_image
    from napari_unet.storage.write import create_output

    image = open_image(source, axes)
    typer.echo(describe(image))
    lead = "C" if output == "probabilities" else ""
    with create_output(
        target,
        model.output_shape(image, output),
        OUTPUT_DTYPE[output],
        lead + image.result_axes,
        image.spacing,
        unit=image.unit,
        cells=output != "probabilities",
        classes=[c.name for c in model.classes] if lead else (),
    ) as array:
        wanted: dict[Output, Any] = {output: array}
        stopped = follow(prediction(model, image, wanted, tiling=tiling, cells=cells), source.name)
        if stopped is not None:
            typer.echo(f"stopped; {target} was not written")
            raise typer.Exit(128 + stopped)
    typer.echo(f"saved {target}")
