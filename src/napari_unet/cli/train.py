"""``napari-unet train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_unet.cli.options import Axes, DeviceOption, Threads, parse_classes, parse_lengths
from napari_unet.cli.progress import follow
from napari_unet.spec import NormalisationSpec, Style, TargetSpec, TrainingSpec, TrainSpec


def train(
    image: Annotated[Path, typer.Argument(help="Image, or a folder of images.")],
    labels: Annotated[
        Path, typer.Argument(help="Labels; or a folder of them with the same names. 0 = not annotated.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write (.safetensors).")],
    style: Annotated[
        Style, typer.Option(help="classes: a value is a class (1 cell, 2 boundary). cells: a value is one cell.")
    ] = "classes",
    dense: Annotated[bool, typer.Option("--dense", help="Style cells: what is unpainted is background.")] = False,
    unpainted: Annotated[
        Literal["auto", "background", "boundary"],
        typer.Option(help="With --dense: what is unpainted; auto takes what is thin everywhere as boundary."),
    ] = "auto",
    background_value: Annotated[
        int | None, typer.Option(help="Style cells: the label value of background strokes.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Names of the values 1, 2, ..., such as cell,boundary,glia or neurite=cell,..."),
    ] = None,
    net: Annotated[str, typer.Option(help="Network, see 'napari-unet nets'.")] = "unet",
    base: Annotated[int | None, typer.Option(min=1, help="Channels of the first level.")] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Number of poolings.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Time for training alone; 60 by default.")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of steps, instead of --seconds.")] = None,
    patch: Annotated[str | None, typer.Option(help="Patch size, such as 192 or 24,80,80.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Patches per step.")] = 4,
    lr: Annotated[float, typer.Option("--lr", help="Highest learning rate.")] = 3e-3,
    val_fraction: Annotated[
        float, typer.Option(help="Part of the annotation held out for scores; 0: none.")
    ] = 0.1,
    weight_map: Annotated[bool, typer.Option("--weight-map", help="Border weights of the 2015 paper.")] = False,
    normalisation: Annotated[
        Literal["percentile", "meanstd", "none"], typer.Option(help="How grey values are normalised.")
    ] = "meanstd",
    device: DeviceOption = "auto",
    threads: Threads = None,
    seed: Annotated[int, typer.Option(help="Same seed and --steps on the CPU: same model.")] = 0,
    axes: Axes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped.")] = False,
) -> None:
    """Train a network on painted labels; IMAGE and LABELS are files, or folders paired by file name."""
    target = TargetSpec(
        style=style,
        classes=parse_classes(classes),
        dense=dense,
        unpainted=unpainted,
        background_value=background_value,
        weight_map=weight_map,
    )
    budget = TrainSpec(
        seconds=60 if seconds is None and steps is None else seconds,
        steps=steps,
        patch=parse_lengths(patch, "--patch"),
        batch=batch,
        learning_rate=lr,
        val_fraction=val_fraction,
        device=device,
        threads=threads,
        seed=seed,
    )
    from napari_unet.storage.pairs import pair_images

    pairs = pair_images(image, labels, axes)
    _report(pairs)
    from napari_unet.jobs import Training, net_spec

    shape = {k: v for k, v in (("base", base), ("depth", depth)) if v is not None}
    if budget.patch is not None and len(budget.patch) == 1:
        ndim = net_spec(net, **shape).ndim
        budget = budget.model_copy(update={"patch": budget.patch * ndim})
    spec = TrainingSpec(
        target=target,
        net=net_spec(net, **shape),
        train=budget,
        normalisation=NormalisationSpec(method=normalisation),
    )
    training = Training(pairs, spec, output=output, resume=resume)
    stopped = follow(iter(training), "training")
    if stopped is not None:
        typer.echo(f"stopped; {output} is saved, go on with --resume")
        raise typer.Exit(128 + stopped)
    typer.echo(f"saved {output}")


def _report(pairs: list[tuple[Any, Any]]) -> None:
    """Say what was understood: the first few pairs in full."""
    from napari_unet.storage.read import describe

    for image, labels in pairs[:3]:
        typer.echo(describe(image))
        typer.echo(f"  labels {describe(labels)}")
    if len(pairs) > 3:
        typer.echo(f"and {len(pairs) - 3} more")
