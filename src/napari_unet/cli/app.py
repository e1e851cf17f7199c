"""The application that the commands join, and what becomes of a user's mistake."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from napari_unet import __version__
from napari_unet.cli import about, batch, cells, exchange, export, link, measure, predict, replay, score, train
from napari_unet.errors import UserError, one_line


class _Commands(typer.core.TyperGroup):
    """Turns mistakes that a user can cure into one line and exit code 1; faults keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # names of files may hold what cannot be printed
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # who reads along has seen enough, such as head
            _forget_output()
            sys.exit(141)
        except (UserError, ValidationError, OSError, MemoryError) as error:
            typer.echo(f"napari-unet: {one_line(error)}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            typer.echo("napari-unet: stopped", err=True)
            sys.exit(130)


def _forget_output() -> None:
    """Let nothing complain at the end about what cannot be written any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


app = typer.Typer(
    cls=_Commands,
    name="napari-unet",
    help="Paint a few strokes, let a U-Net learn from them, get boundaries and cells.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("batch")(batch.batch)
app.command("cells")(cells.cells)
app.command("measure")(measure.measure)
app.command("link")(link.link)
app.command("score")(score.score)
app.command("export")(export.export)
app.command("replay")(replay.replay)
app.command("export-model")(exchange.export_model)
app.command("import-model")(exchange.import_model)
app.command("import-weights")(exchange.import_weights)
app.command("nets")(about.nets)
app.command("recipes")(about.recipes)
app.command("info")(about.info)
app.command("demo")(about.demo)
app.command("doctor")(about.doctor)
