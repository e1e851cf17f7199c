"""``napari-unet train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_unet.cli.options import Axes, Threads, by_options, parse_classes, parse_lengths
from napari_unet.cli.progress import follow
from napari_unet.errors import UserError
from napari_unet.spec import Activation, Device, Loss, Precision, Skips, Style, Up

DRAWN = (Path("shipped"), Path("random"))
"""Words of --start that are no files."""
_NETWORK, _TARGET, _OPTIMISER, _ENCODER = "Network", "Annotation", "Learning", "ImageNet encoder"


def train(
    image: Annotated[Path, typer.Argument(help="Image, or a folder of images.")],
    labels: Annotated[
        Path, typer.Argument(help="Labels; or a folder of them with the same names. 0 = not annotated.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write (.safetensors).")],
    recipe: Annotated[
        str | None,
        typer.Option(help="Start from a recipe (see 'napari-unet recipes') or a .json file of one."),
    ] = None,
    style: Annotated[
        Style | None,
        typer.Option(
            help="classes (default): a value is a class (1 cell, 2 boundary). cells: a value is one cell.",
            rich_help_panel=_TARGET,
        ),
    ] = None,
    dense: Annotated[
        bool,
        typer.Option("--dense", help="Style cells: what is unpainted is background.", rich_help_panel=_TARGET),
    ] = False,
    unpainted: Annotated[
        Literal["auto", "background", "boundary"] | None,
        typer.Option(
            help="With --dense: what is unpainted; auto takes what is thin everywhere as boundary.",
            rich_help_panel=_TARGET,
        ),
    ] = None,
    background_value: Annotated[
        int | None,
        typer.Option(help="Style cells: the label value of background strokes.", rich_help_panel=_TARGET),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Names of the values 1, 2, ..., such as cell,boundary,glia or neurite=cell,...",
            rich_help_panel=_TARGET,
        ),
    ] = None,
    rim: Annotated[
        int | None,
        typer.Option(help="Style cells: pixels of a cell that are its boundary.", rich_help_panel=_TARGET),
    ] = None,
    weight_map: Annotated[
        bool, typer.Option("--weight-map", help="Border weights of the 2015 paper.", rich_help_panel=_TARGET)
    ] = False,
    net: Annotated[
        str | None, typer.Option(help="Network, see 'napari-unet nets'; unet.", rich_help_panel=_NETWORK)
    ] = None,
    base: Annotated[
        int | None, typer.Option(min=1, help="Channels of the first level.", rich_help_panel=_NETWORK)
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Number of poolings.", rich_help_panel=_NETWORK)] = None,
    up: Annotated[Up | None, typer.Option(help="Way upwards (unet, unet3d).", rich_help_panel=_NETWORK)] = None,
    skips: Annotated[
        Skips | None, typer.Option(help="How skips join (unet, unet3d).", rich_help_panel=_NETWORK)
    ] = None,
    activation: Annotated[
        Activation | None, typer.Option(help="After the last layer.", rich_help_panel=_NETWORK)
    ] = None,
    batchnorm: Annotated[
        bool | None, typer.Option(help="BatchNorm where it is a choice.", rich_help_panel=_NETWORK)
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            help="Part that is dropped, from 0 to below 1, if the network does.", rich_help_panel=_NETWORK
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Time for training alone; 60 by default.")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of steps, instead of --seconds.")] = None,
    checks: Annotated[int | None, typer.Option(min=1, help="How often the held-out part is scored; 5.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=0, help="Checks that may pass without a better score; 0: all of them.")
    ] = None,
    loss: Annotated[Loss | None, typer.Option(help="Loss; the network's own.", rich_help_panel=_OPTIMISER)] = None,
    class_balance: Annotated[
        bool | None, typer.Option(help="Rare classes count more.", rich_help_panel=_OPTIMISER)
    ] = None,
    optimizer: Annotated[
        Literal["adamw", "adam", "sgd"] | None,
        typer.Option(help="Optimiser; adamw.", rich_help_panel=_OPTIMISER),
    ] = None,
    lr: Annotated[
        float | None, typer.Option("--lr", help="Highest learning rate; 0.003.", rich_help_panel=_OPTIMISER)
    ] = None,
    patch: Annotated[
        str | None, typer.Option(help="Patch size, such as 192 or 24,80,80.", rich_help_panel=_OPTIMISER)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Patches per step; 4.", rich_help_panel=_OPTIMISER)
    ] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(help="Part of the annotation held out for scores; 0.1, 0: none.", rich_help_panel=_OPTIMISER),
    ] = None,
    normalisation: Annotated[
        Literal["percentile", "meanstd", "none"] | None,
        typer.Option(help="How grey values are normalised; meanstd.", rich_help_panel=_OPTIMISER),
    ] = None,
    encoder_weights: Annotated[
        Literal["random", "imagenet"] | None,
        typer.Option(help="Start of the encoder of vgg16-unet, pretrained-unet.", rich_help_panel=_ENCODER),
    ] = None,
    encoder_file: Annotated[
        Path | None, typer.Option(help="File of the ImageNet weights.", rich_help_panel=_ENCODER)
    ] = None,
    download: Annotated[
        bool,
        typer.Option("--download", help="Fetch ImageNet weights that are missing here.", rich_help_panel=_ENCODER),
    ] = False,
    freeze_encoder: Annotated[
        bool | None, typer.Option(help="Leave the encoder as it is.", rich_help_panel=_ENCODER)
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL|shipped|random",
            help="Model of the same network to start from; else the network that the package brings (shipped), if "
            "it fits, or weights at random.",
        ),
    ] = None,
    device: Annotated[
        Device | None, typer.Option(help="Where to compute; auto takes a GPU if there is one.")
    ] = None,
    threads: Threads = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="full (float32); half: more steps in the same time where the device has it; auto: half on a GPU, "
            "and for the default network on a CPU that has it."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Same seed and --steps on the same kind of CPU: same model.")
    ] = None,
    axes: Axes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped.")] = False,
) -> None:
    """Train a network on painted labels; IMAGE and LABELS are files, or folders paired by file name."""
    lengths = parse_lengths(patch, "--patch")
    named = parse_classes(classes)
    from napari_unet.jobs import Training, load, make_spec

    with by_options():
        spec = make_spec(
            recipe,
            net,
            shape={
                "base": base,
                "depth": depth,
                "up": up,
                "skips": skips,
                "activation": activation,
                "batchnorm": batchnorm,
                "dropout": dropout,
            },
            target={
                "style": style,
                "classes": named or None,
                "dense": dense or None,
                "unpainted": unpainted,
                "background_value": background_value,
                "rim": rim,
                "weight_map": weight_map or None,
            },
            train={
                "seconds": seconds,
                "steps": steps,
                "checks": checks,
                "patience": patience,
                "loss": loss,
                "class_balance": class_balance,
                "optimizer": optimizer,
                "learning_rate": lr,
                "patch": lengths[0] if lengths is not None and len(lengths) == 1 else lengths,
                "batch": batch,
                "val_fraction": val_fraction,
                "start": str(start) if start in DRAWN else None,
                "encoder_weights": encoder_weights,
                "encoder_file": encoder_file,
                "freeze_encoder": freeze_encoder,
                "device": device,
                "threads": threads,
                "precision": precision,
                "seed": seed,
            },
            normalisation=normalisation,
        )
    if resume and start is not None:
        raise UserError("give --resume or --start, not both")
    from napari_unet.storage.pairs import pair_images

    pairs = pair_images(image, labels, axes)
    _report(pairs)
    training = Training(
        pairs,
        spec,
        output=output,
        resume=resume,
        start=None if start is None or start in DRAWN else load(start),
        fetch=_download if download else None,
    )
    stopped = follow(iter(training), "training")
    if stopped is not None:
        saved = f"{output} is saved, go on with --resume"
        end = saved if training.saved else "nothing was learnt, and nothing is saved"
        typer.echo(f"stopped; {end}")
        raise typer.Exit(128 + stopped)
    typer.echo(f"saved {output}" if training.saved else f"nothing new was learnt: {output} is as it was")


def _download() -> Path:
    """Fetch the ImageNet weights of VGG16."""
    from napari_unet.storage import weights

    typer.echo(weights.VGG16_WORDS)
    return weights.download_vgg16()


def _report(pairs: list[tuple[Any, Any]]) -> None:
    """Say what was understood: the first few pairs in full."""
    from napari_unet.storage.read import describe

    for image, labels in pairs[:3]:
        typer.echo(describe(image))
        typer.echo(f"  labels {describe(labels)}")
    if len(pairs) > 3:
        typer.echo(f"and {len(pairs) - 3} more")
