"""Tables as CSV files, which spreadsheets and pandas open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.storage.foreign import check_not_foreign

if TYPE_CHECKING:
    import pandas as pd

SUFFIX = ".csv"
DIGITS = 9
"""Significant digits of numbers with a fraction."""


def check_table(path: str | os.PathLike[str], *, asked: bool = False) -> Path:
    """Check that a table can be written at ``path``, before any work is done.

    Parameters
    ----------
    path
        Of the table.
    asked
        As of `napari_unet.storage.write.check_output`.

    Raises
    ------
    UserError
        For another suffix than `SUFFIX`, a missing folder, a folder in the way, or a table of others.

    Examples
    --------
    >>> check_table("cells.xlsx")
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: cells.xlsx: tables are written as CSV; end the name in .csv
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"{path}: tables are written as CSV; end the name in {SUFFIX}")
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; choose another name")
    if not asked:
        check_not_foreign(path)
    return path


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table whole or not at all, whatever is there; what is not defined stays empty.

    Raises
    ------
    UserError, OSError
        If it cannot be written; an older file stays as it was.
    """
    with replacing(check_table(path, asked=True)) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n", encoding="utf-8")


def as_text(table: pd.DataFrame) -> str:
    """Give a table as text that spreadsheets take from the clipboard."""
    return str(table.to_csv(None, index=False, sep="\t", float_format=f"%.{DIGITS}g", lineterminator="\n"))
