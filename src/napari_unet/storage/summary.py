"""The table of a batch: one row for every image of its folder, whatever process wrote it."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

from filelock import FileLock

from napari_unet.errors import UserError
from napari_unet.events import ImageDone
from napari_unet.files import replacing

NAME = "summary.csv"
NAMES = "surrogateescape"
"""Names of files may hold bytes that are not UTF-8: they are written as they are."""
COLUMNS = ("name", "status", "cells", "seconds", "pixels", "message", "outputs", "file")


def how_to_ask(path: Path) -> str | None:
    """Say of the table of a batch, or of its folder, which of its results can be asked; None if it is neither.

    Examples
    --------
    >>> how_to_ask(Path("results/cells.csv"))
    """
    table = path / NAME if path.is_dir() else path
    if table.name != NAME or not table.is_file():
        return None
    try:
        rows = Summary(table.parent).read().values()
    except UserError:  # somebody else's table of that name
        return None
    outputs = [table.parent / name for row in rows for name in row.outputs]
    one = next((output for output in outputs if output.exists()), None)
    such = "" if one is None else f", such as {one}"
    return f"{table} is the table of a batch, with a row for every image: name one of its results{such}"


class Summary:
    """The file ``summary.csv`` of a folder of outputs.

    Several processes may write it, such as the tasks of a SLURM array: each adds its rows to those that are there.

    Parameters
    ----------
    folder
        Of the outputs.

    Raises
    ------
    UserError
        If another table of that name is there.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock = FileLock(folder / f".{NAME}.lock")
        self._waiting: list[ImageDone] = []
        self.read()

    def read(self) -> dict[str, ImageDone]:
        """Read the rows, by file."""
        if not self.path.exists():
            return {}
        with self.path.open(newline="", encoding="utf-8-sig", errors=NAMES) as file:
            rows = csv.DictReader(file)
            try:
                columns = tuple(rows.fieldnames or ())
                if columns == COLUMNS:
                    return {row["file"]: _parsed(row) for row in rows}
            except (ValueError, TypeError, csv.Error) as error:
                raise UserError(f"{self.path} is damaged ({error}); remove it, it is written anew") from error
        raise UserError(
            f"{self.path} is another table than a batch writes, or was saved by a spreadsheet; move it, or choose "
            "a new folder"
        )

    def add(self, *rows: ImageDone, wanted: Collection[str] = ()) -> None:
        """Add rows, each in the place of an earlier one of the same file.

        Parameters
        ----------
        rows
            What has become of images.
        wanted
            Files that the batch names. Rows of others that failed and are not there are left out from now on:
            their names were misspelt.

        Raises
        ------
        OSError, UserError
            If the file cannot be written, or is another table now; the rows are written the next time.
        """
        self._waiting += rows
        with self._lock:
            earlier = {file: row for file, row in self.read().items() if file in wanted or not _is_misspelt(row)}
            known = {**earlier, **{row.file: row for row in self._waiting}}
            with (
                replacing(self.path) as temporary,
                temporary.open("w", newline="", encoding="utf-8", errors=NAMES) as file,
            ):
                table = csv.writer(file, lineterminator="\n")
                table.writerow(COLUMNS)
                table.writerows(_written(row) for row in sorted(known.values(), key=lambda r: (r.name, r.file)))
        self._waiting = []


def _is_misspelt(row: ImageDone) -> bool:
    return row.status == "failed" and not Path(row.file).exists()


def _written(row: ImageDone) -> list[str | int]:
    cells = "" if row.cells is None else row.cells
    outputs = "; ".join(row.outputs)
    return [row.name, row.status, cells, f"{row.seconds:.2f}", row.pixels, row.message, outputs, row.file]


def _parsed(row: dict[str, str]) -> ImageDone:
    if row["status"] not in ("done", "skipped", "failed"):
        raise ValueError(f"a row has the status '{row['status']}'")
    return ImageDone(
        name=row["name"],
        file=row["file"],
        status=row["status"],  # type: ignore[arg-type]  # checked above
        outputs=tuple(row["outputs"].split("; ")) if row["outputs"] else (),
        cells=int(row["cells"]) if row["cells"] else None,
        seconds=float(row["seconds"]),
        pixels=int(row["pixels"]),
        message=row["message"],
    )
