"""``napari-unet export-model``, ``import-model`` and ``import-weights``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_unet.cli.options import Axes, parse_classes
from napari_unet.errors import UserError
from napari_unet.storage.bioimageio.card import Card

if TYPE_CHECKING:
    from napari_unet.jobs import Model

Out = Annotated[Path, typer.Option("--out", "-o", help="Model file to write (.safetensors).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an older file of that name.")]


def export_model(
    model: Annotated[Path, typer.Argument(help="Model file (.safetensors).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Package to write (.zip).")],
    weights: Annotated[
        str,
        typer.Option(help="Formats beside the state dict: onnx, torchscript, or both with a comma between."),
    ] = "",
    name: Annotated[str | None, typer.Option(help=f"What the model is called; else {Card.name}.")] = None,
    description: Annotated[str, typer.Option(help="What it is for, in a sentence.")] = Card.description,
    author: Annotated[
        list[str] | None, typer.Option(help="Who trained it; may be given several times. Else unknown.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX name of the licence of its weights, such as CC-BY-4.0.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Image whose middle becomes the test input; else a sample of nuclei.")
    ] = None,
    axes: Axes = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model as a package of BioImage.IO (format 0.5), for other programs and the model zoo.

    It holds the weights as a PyTorch state dict with the source of the network, which needs nothing but PyTorch,
    test arrays, and a description. Give the author and the licence before you publish it.
    """
    from napari_unet.jobs import load
    from napari_unet.jobs.exchange import export_model as job

    _check_free(out, overwrite=overwrite)
    authors = tuple(author or Card.authors)
    card = Card(name=name or Card.name, description=description, authors=authors, licence=licence)
    formats = [w.strip() for w in weights.split(",") if w.strip()]
    job(load(model), out, weights=formats, card=card, image=image, axes=axes)
    typer.echo(f"saved {out}")
    _warn_of_made_up(card, name=name, author=author)


def import_model(
    package: Annotated[Path, typer.Argument(help="Package of BioImage.IO (.zip), or its .yaml in a folder.")],
    out: Out,
    trust_code: Annotated[
        list[str] | None,
        typer.Option(help="SHA-256 of code in the package that may run, if it cannot be imported without."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a model file of a package of BioImage.IO, of format 0.4 or 0.5.

    One of our own networks comes back as it was. Other networks come as ONNX graphs: they predict, and cannot be
    trained further; for those pip install "napari-unet-live[onnx]". The model has to give the package's own test
    output before anything is written.
    """
    from napari_unet.jobs.completion import check_output
    from napari_unet.jobs.exchange import import_package

    check_output(out)
    _check_free(out, overwrite=overwrite)
    _save(import_package(package, trust_code or ()), out)


def import_weights(
    file: Annotated[Path, typer.Argument(help="State dict that torch.save wrote (.pt, .pth).")],
    out: Out,
    layout: Annotated[str, typer.Option(help="Whose names its layers have: milesial, or a .json file.")],
    classes: Annotated[
        str | None, typer.Option(help="Names of the outputs, such as background,cell or nucleus=cell,background.")
    ] = None,
    normalisation: Annotated[
        Literal["none", "percentile", "meanstd"], typer.Option(help="How it saw grey values.")
    ] = "none",
    divisor: Annotated[float, typer.Option(help="Grey values were divided by this, such as 255.")] = 1.0,
    overwrite: Overwrite = False,
) -> None:
    """Make a model file of weights that another program saved, of a network with the same layers.

    Nothing but tensors is read from the file. Weights that are missing, unexpected or of another shape are named.
    """
    from napari_unet.jobs.completion import check_output
    from napari_unet.jobs.exchange import import_weights as job

    check_output(out)
    _check_free(out, overwrite=overwrite)
    told = parse_classes(classes)
    _save(job(file, layout, classes=told, normalisation=normalisation, divisor=divisor), out)


def _check_free(out: Path, *, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        raise UserError(f"{out} is there already: choose another name, or replace it with --overwrite")


def _warn_of_made_up(card: Card, *, name: str | None, author: list[str] | None) -> None:
    """Say which words of a package are nobody's."""
    made_up = [f"its name '{card.name}'"] if name is None else []
    cures = ["--name"] if name is None else []
    if not author:
        made_up.append(f"its author '{', '.join(card.authors)}'")
        cures.append("--author")
    if made_up:
        words = f"{' and '.join(made_up)} {'is' if len(made_up) == 1 else 'are'} made up"
        typer.echo(f"warning: {words}: give {' and '.join(cures)} before you publish the package", err=True)


def _save(model: Model, out: Path) -> None:
    model.save(out)
    classes = ", ".join(f"{c.name} ({c.role})" for c in model.classes)
    typer.echo(f"saved {out}: {model.spec.net.kind}, {classes}")
