"""``napari-unet replay``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet.errors import UserError
from napari_unet.spec import Record

if TYPE_CHECKING:
    from napari_unet.jobs.replaying import Replay
    from napari_unet.storage.moved import Places


def replay(
    context: typer.Context,
    result: Annotated[
        Path, typer.Argument(help="A result of predict, cells, link, export, measure or the window; or a model.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The new file.")] = None,
    model: Annotated[Path | None, typer.Option(help="Where the model is now.")] = None,
    image: Annotated[Path | None, typer.Option(help="Where the image is now.")] = None,
    grey: Annotated[
        Path | None, typer.Option(help="Where the image is now whose grey values were measured.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Where the labels of a training are now.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="With another model or image, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command line, and end.")] = False,
) -> None:
    """Make a result again, as its record tells: the same model, image and settings give the same pixels.

    Prints the command line that it equals. Refuses if the model or the image is not the one of the record.
    """
    from napari_unet.storage.moved import find_places
    from napari_unet.storage.records import MODEL, require_record

    if out is None and not dry_run:
        raise UserError("name the new file with --out, or print the command line alone with --dry-run")
    if out is not None and out.resolve() == result.resolve():
        raise UserError(f"{out} is the result itself: give the new file another name, to compare the two")
    if result.suffix == MODEL:
        _replay_training(context, result, out, image=image, labels=labels, anyway=anyway, dry_run=dry_run)
        return
    record = require_record(result)
    if dry_run or out is None:
        places = find_places(record, result, model=model, image=image, grey=grey)
        _comment(record, places)
        words = record.words(
            out, model=places.model or model, image=places.image or image, grey=places.grey or grey
        )
        typer.echo(shlex.join(words))
        return
    from napari_unet.jobs.replaying import compare, plan_replay

    plan = plan_replay(record, result, out, model=model, image=image, grey=grey)
    _check(plan, anyway=anyway)
    _run(context, plan)
    typer.echo(compare(result, out))


def _comment(record: Record, places: Places) -> None:
    """Print what is to be known of a command line."""
    for note in (*places.notes, *places.missing):
        typer.echo(f"# {note}")
    for name, earlier in _before(record):
        typer.echo(f"# {name} was made by: {shlex.join(earlier)}")


def _replay_training(
    context: typer.Context,
    model: Path,
    out: Path | None,
    *,
    image: Path | None,
    labels: Path | None,
    anyway: bool,
    dry_run: bool,
) -> None:
    """Train a model again, or only print how."""
    from napari_unet.jobs.retraining import compare_models, plan_training, recipe_of, write_recipe
    from napari_unet.storage.facts import read_facts

    facts, new = read_facts(model), out or Path("OUT.safetensors")
    plan = plan_training(facts, model, new, image=image, labels=labels, check=not dry_run)
    if dry_run:
        typer.echo(f"# {recipe_of(new)}: the settings of this training; replay without --dry-run writes it first")
        for note in plan.notes:
            typer.echo(f"# {note}")
        typer.echo(shlex.join(plan.words))
        return
    _check(plan, anyway=anyway)
    write_recipe(facts, new)
    _run(context, plan)
    typer.echo(compare_models(model, new))


def _check(plan: Replay, *, anyway: bool) -> None:
    """Refuse if what the command line takes has changed."""
    for difference in plan.differences:
        if not anyway:
            raise UserError(f"{difference}, or run it with --anyway")
        typer.echo(f"warning: {difference}")


def _run(context: typer.Context, plan: Replay) -> None:
    for note in plan.notes:
        typer.echo(f"note: {note}")
    typer.echo(shlex.join(plan.words))
    code = context.find_root().command.main(args=[*plan.words[1:]], prog_name=plan.words[0], standalone_mode=False)
    if code:
        raise typer.Exit(code)


def _before(record: Record) -> list[tuple[str, tuple[str, ...]]]:
    """List what the source of a result was made by, the first step first."""
    earlier = record.source.record
    return [] if earlier is None else [*_before(earlier), (record.source.name, earlier.words())]
