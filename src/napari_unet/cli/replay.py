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


def replay(
    context: typer.Context,
    result: Annotated[
        Path, typer.Argument(help="A result of predict, cells, link, export, measure or the window; or a model.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The new file.")] = None,
    model: Annotated[Path | None, typer.Option(help="Where the model is now.")] = None,
    image: Annotated[Path | None, typer.Option(help="Where the image is now.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Where the labels of a training are now.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="With another model or image, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command line, and end.")] = False,
) -> None:
    """Make a result again, as its record tells: the same model, image and settings give the same pixels.

    Prints the command line that it equals. Refuses if the model or the image is not the one of the record.
    """
    from napari_unet.storage.records import require_record

    if out is None and not dry_run:
        raise UserError("name the new file with --out, or print the command line alone with --dry-run")
    if out is not None and out.resolve() == result.resolve():
        raise UserError(f"{out} is the result itself: give the new file another name, to compare the two")
    if result.suffix == ".safetensors":
        _replay_training(context, result, None if dry_run else out, image, labels, anyway)
        return
    record = require_record(result)
    if dry_run or out is None:
        for name, earlier in _before(record):
            typer.echo(f"# {name} was made by: {shlex.join(earlier)}")
        typer.echo(shlex.join(record.words(out, model=model, image=image)))
        return
    from napari_unet.jobs.replaying import compare, plan_replay

    plan = plan_replay(record, out, model=model, image=image)
    _run(context, plan, anyway=anyway)
    if found := compare(result, out):
        typer.echo(found)


def _replay_training(
    context: typer.Context, model: Path, out: Path | None, image: Path | None, labels: Path | None, anyway: bool
) -> None:
    """Train a model again; without ``out``, only print how."""
    from napari_unet.jobs.retraining import compare_models, plan_training, write_recipe
    from napari_unet.storage.facts import read_facts

    facts = read_facts(model)
    plan = plan_training(facts, out or Path("OUT.safetensors"), image=image, labels=labels, check=out is not None)
    if out is None:
        typer.echo(shlex.join(plan.words))
        return
    write_recipe(facts, out)
    _run(context, plan, anyway=anyway)
    typer.echo(compare_models(model, out))


def _run(context: typer.Context, plan: Replay, *, anyway: bool) -> None:
    """Run a command line, unless what it takes has changed."""
    for difference in plan.differences:
        if not anyway:
            raise UserError(f"{difference}, or run it with --anyway")
        typer.echo(f"warning: {difference}")
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
