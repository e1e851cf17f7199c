"""``napari-unet predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_unet.arrays.region import parse_range
from napari_unet.cli.options import MIRRORS, RANGES, Axes, DeviceOption, MirrorsOption, PrecisionOption, Threads
from napari_unet.cli.progress import follow
from napari_unet.errors import UserError, one_line
from napari_unet.spec import CellMethod, CellSpec, Output, TilingSpec

if TYPE_CHECKING:
    from napari_unet.jobs import Model
    from napari_unet.jobs.stored_work import Request


def predict(
    model: Annotated[Path, typer.Argument(help="Model file (.safetensors).")],
    image: Annotated[Path, typer.Argument(help="Image, or a folder of images.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help=".tif, .ome.tif, .zarr or .ome.zarr; a folder for a folder.")
    ],
    output: Annotated[Output, typer.Option(help="What to write; cells are instance labels.")] = "probabilities",
    halo: Annotated[
        str,
        typer.Option(
            help="Context around each tile: exact (tiled equals whole), auto (as good as exact), or pixels: at "
            "most the exact ones."
        ),
    ] = "exact",
    tile: Annotated[int | None, typer.Option(min=1, help="Largest length of an input tile.")] = None,
    method: Annotated[CellMethod, typer.Option(help="How boundaries become cells.")] = "auto",
    threshold: Annotated[float, typer.Option(help="Boundary probability above which a pixel is boundary.")] = 0.5,
    beta: Annotated[float, typer.Option(help="Below 0.5 fewer cells, above 0.5 more.")] = 0.5,
    min_size: Annotated[int, typer.Option(help="Cells with fewer pixels are removed.")] = 25,
    grow: Annotated[int, typer.Option(help="Farthest that a cell grows into its boundary, in pixels.")] = 8,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    mirrors: MirrorsOption = "1",
    threads: Threads = None,
    axes: Axes = None,
    channel: Annotated[int | None, typer.Option(min=0, help="Only this channel of the image, from 0.")] = None,
    t: Annotated[str | None, typer.Option(help=f"Only these times: {RANGES}")] = None,
    z: Annotated[str | None, typer.Option(help=f"Only these slices: {RANGES}")] = None,
    y: Annotated[str | None, typer.Option(help=f"Only these rows: {RANGES}")] = None,
    x: Annotated[str | None, typer.Option(help=f"Only these columns: {RANGES}")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only every N-th block, from the I-th: I/N, for N processes in parallel.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler whose workers compute the blocks.")
    ] = None,
) -> None:
    """Predict an image, or every image of a folder (one that fails does not stop the others).

    Stopped or killed, the same command goes on where it was.
    """
    part = parse_range("--t", t), parse_range("--z", z), parse_range("--y", y), parse_range("--x", x)
    share = parse_shard(shard)
    tiling = TilingSpec(
        tile=tile,
        halo=parse_halo(halo),
        device=device,
        precision=precision,
        mirrors=MIRRORS[mirrors],
        threads=threads,
    )
    cells = CellSpec(method=method, threshold=threshold, beta=beta, min_size=min_size, grow=grow)
    jobs = plan(image, out)
    from napari_unet.jobs import Request, load
    from napari_unet.jobs.cluster import ClusterError

    trained = load(model)

    def request(source: Path, target: Path) -> Request:
        return Request(source, target, output, axes, tiling, cells, part, channel)

    if len(jobs) == 1:
        _predict_one(trained, request(*jobs[0]), share, scheduler)
        return
    failed = 0
    for source, target in jobs:
        try:
            _predict_one(trained, request(source, target), share, scheduler)
        except ClusterError:  # it is needed for the other images, too
            raise
        except (UserError, OSError, MemoryError) as error:  # the other images may be good
            typer.echo(f"napari-unet: {source.name}: {one_line(error).removeprefix(f'{source}: ')}", err=True)
            failed += 1
    if failed:
        rest = f", the others are saved in {out}" if failed < len(jobs) else ""
        raise UserError(f"{failed} of {len(jobs)} failed{rest}")


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Read the option ``--shard``.

    Examples
    --------
    >>> parse_shard("2/4"), parse_shard(None)
    ((2, 4), None)
    """
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UserError(f"--shard '{text}' must be I/N with I from 1 to N, such as 1/4")
    return int(number), int(count)


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
    from napari_unet.storage.results import ONLY_RESULTS, left_out, refuse_labels, result_in
    from napari_unet.storage.write import check_output

    sources = image_paths(image)
    if kind_of(image):
        refuse_labels(image)
        return [(image, check_output(out, image))]
    if suffix_of(out) or out.is_file():
        raise UserError(f"{image} is a folder, so the output must be a folder too, not {out}")
    if image.resolve() == out.resolve():
        raise UserError(f"{out} holds the images; choose another folder for the output")
    kinds = {source: result_in(source) for source in sources}
    sources = [source for source, kind in kinds.items() if kind is None]
    if not sources:
        raise UserError(f"{image}: {ONLY_RESULTS}")
    if len(sources) < len(kinds):
        typer.echo(left_out([source for source, kind in kinds.items() if kind]))
    out.mkdir(exist_ok=True, parents=True)
    endings = [".zarr" if kind_of(s) == "zarr" else ".tif" for s in sources]
    jobs = [(s, check_output(out / f"{stem_of(s)}{e}")) for s, e in zip(sources, endings, strict=True)]
    if len({target for _, target in jobs}) < len(jobs):
        raise UserError(f"{image} holds images that differ only in their suffix; rename one of them")
    return jobs


def _predict_one(model: Model, request: Request, shard: tuple[int, int] | None, scheduler: str | None) -> None:
    from napari_unet.jobs import predict_file
    from napari_unet.storage.read import describe, open_image
    from napari_unet.storage.unfinished import folder_of

    typer.echo(describe(open_image(request.image, request.axes)))
    stopped = follow(predict_file(model, request, shard=shard, scheduler=scheduler), request.image.name)
    if stopped is not None:
        typer.echo(f"stopped; what is done is kept: the same command goes on, and writes {request.target}")
        raise typer.Exit(128 + stopped)
    if shard is None or not folder_of(request.target).exists():
        typer.echo(f"saved {request.target}")
