"""``napari-unet replay``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from napari_unet.errors import UserError


def replay(
    context: typer.Context,
    result: Annotated[
        Path, typer.Argument(help="A result of predict, cells, link, export, measure or the window.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The new file.")] = None,
    model: Annotated[Path | None, typer.Option(help="Where the model is now.")] = None,
    image: Annotated[Path | None, typer.Option(help="Where the image is now.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="With another model or image, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command line, and end.")] = False,
) -> None:
    """Make a result again, as its record tells: the same model, image and settings give the same pixels.

    Prints the command line that it equals. Refuses if the model or the image is not the one of the record.
    """
    from napari_unet.storage.records import require_record

    record = require_record(result)
    if dry_run:
        typer.echo(shlex.join(record.words(out, model=model, image=image)))
        return
    if out is None:
        raise UserError("name the new file with --out, or print the command line alone with --dry-run")
    if out.resolve() == result.resolve():
        raise UserError(f"{out} is the result itself: give the new file another name, to compare the two")
    from napari_unet.jobs.replaying import compare, plan_replay

    plan = plan_replay(record, out, model=model, image=image)
    for words in plan.differences:
        if not anyway:
            raise UserError(f"{words}, or run it with --anyway")
        typer.echo(f"warning: {words}")
    for words in plan.notes:
        typer.echo(f"note: {words}")
    typer.echo(shlex.join(plan.words))
    code = context.find_root().command.main(args=[*plan.words[1:]], prog_name=plan.words[0], standalone_mode=False)
    if code:
        raise typer.Exit(code)
    if found := compare(result, out):
        typer.echo(found)
