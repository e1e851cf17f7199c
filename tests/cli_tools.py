"""Calls the command line as a shell does, within the process of the test."""

from __future__ import annotations

from click.testing import Result
from typer.testing import CliRunner

from napari_unet.cli.app import app

SHORT = [
    *("--style", "cells", "--dense", "--steps", "12", "--base", "4", "--depth", "2", "--patch", "64"),
    *("--device", "cpu", "--threads", "1"),
]
"""Options of a training that takes a moment."""


def run(*arguments: object) -> Result:
    """Call a command; what it printed and its exit status come back."""
    return CliRunner().invoke(app, [str(a) for a in arguments])


def good(*arguments: object) -> str:
    """Call a command that has to end well; returns what it printed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
