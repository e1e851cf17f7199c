"""``napari-unet nets``, ``info``, ``demo`` and ``doctor``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from napari_unet.cli.options import DeviceOption, Threads
from napari_unet.cli.progress import follow
from napari_unet.errors import UserError

SHOWN = ("nuclei-6.tif", "nuclei-6-cells.tif")
"""What ``demo --gui`` opens, from bottom to top; the scenes differ in size and would hide one another."""


def nets() -> None:
    """List the networks that --net takes, with parameters, receptive field, exact halo and what they are for."""
    from napari_unet.nets import NETS, build, count_parameters, geometry_of

    for name, family in NETS.items():
        spec = family.spec()
        geometry = geometry_of(spec)
        typer.echo(
            f"{name:16} {count_parameters(build(spec)):>11,} parameters, "
            f"sees {_size(geometry.receptive_field):>3} pixels, "
            f"exact halo {_size(geometry.context):>3}  {family.purpose}"
        )


def _size(lengths: Sequence[int]) -> str:
    """Write lengths shortly.

    Examples
    --------
    >>> _size((103, 103)), _size((8, 48, 48))
    ('103', '8x48x48')
    """
    return str(lengths[0]) if len(set(lengths)) == 1 else "x".join(map(str, lengths))


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe as JSON, to save and edit.")] = None,
) -> None:
    """List the recipes that --recipe takes, or print one as JSON."""
    from napari_unet.spec import RECIPES

    if name is not None:
        from napari_unet.jobs import find_recipe

        typer.echo(find_recipe(name).model_dump_json(indent=2))
        return
    for key, recipe in RECIPES.items():
        typer.echo(f"{key:16} {recipe.spec.net.kind:16} {recipe.purpose}")


def info(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Model (.safetensors), project (.unet), or any result."),
    ],
) -> None:
    """Show what a model or a project holds, or how a result was made, as JSON."""
    from napari_unet.storage.formats import kind_of
    from napari_unet.storage.project import is_project, read_project
    from napari_unet.storage.records import is_result, require_record
    from napari_unet.storage.summary import how_to_ask

    if is_project(path):
        typer.echo(json.dumps(read_project(path).model_dump(mode="json", exclude_none=True), indent=2))
        return
    if path.is_dir() and kind_of(path) is None:
        raise UserError(how_to_ask(path) or f"{path} is a folder: name one file, a .zarr or a .unet")
    if is_result(path) or path.suffix == ".csv":
        typer.echo(require_record(path).model_dump_json(indent=2, exclude_none=True))
        return
    from napari_unet.jobs import load

    typer.echo(json.dumps(load(path).describe(), indent=2, default=str))


def demo(
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of each of the two trainings; a minute each on two quiet cores.")
    ] = 150,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures and scores.")] = Path(
        "demo-output"
    ),
    device: DeviceOption = "auto",
    threads: Threads = None,
    gui: Annotated[bool, typer.Option("--gui", help="Open one of the results in napari.")] = False,
) -> None:
    """Train on bundled real images, predict images it has not seen, write pictures and scores; works offline."""
    from napari_unet.jobs.demo import demo as job

    stopped = follow(job(output, steps=steps, device=device, threads=threads), "demo")
    if stopped is not None:
        raise typer.Exit(128 + stopped)
    if gui:
        shown = [str(output / name) for name in SHOWN]
        command = [sys.executable, "-m", "napari", *shown, "-w", "napari-unet-live"]
        raise typer.Exit(subprocess.run(command, check=False).returncode)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line: what, found, cure, broken.")
    ] = False,
) -> None:
    """Check device, driver, memory, disk, versions and a small computation; say what to do about each finding."""
    from napari_unet.jobs.doctor import doctor as job

    bad = False
    for finding in job():
        typer.echo(json.dumps(asdict(finding)) if as_json else str(finding))
        bad = bad or finding.broken
    if bad:
        raise typer.Exit(1)
