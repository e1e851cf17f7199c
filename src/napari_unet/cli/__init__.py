"""The command ``napari-unet``: thin, over `napari_unet.jobs`.

Exit codes: 0; 1 with one line on stderr for a user's mistake; 2 for wrong usage; 128 + n when stopped by signal n,
or 141 (128 + SIGPIPE) when nobody reads the output to its end.
torch is imported only inside the commands that need it.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet.cli.app import app

__all__ = ["app", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends by `SystemExit`."""
    app(args=None if arguments is None else list(arguments), prog_name="napari-unet")
