"""The table of a batch: one row for every image of its folder, whatever process wrote it."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from napari_unet.errors import UserError
from napari_unet.events import ImageDone
from napari_unet.files import replacing
from napari_unet.storage.gather import MISSPELT

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
    wanted
        All files that the batch names, those of other processes too.

    Raises
    ------
    UserError
        If another table of that name is there.
    """

    def __init__(self, folder: Path, wanted: Collection[str] = ()) -> None:
        self._wanted = wanted
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

    def earlier(self, rows: Mapping[str, ImageDone], file: str, name: str) -> ImageDone | None:
        """Find the row whose place one of this file and name takes: of the file, or of where the image lay before.

        Parameters
        ----------
        rows
            By file.
        """
        moved = (row for row in rows.values() if row.name == name and row.file not in self._wanted)
        return rows.get(file) or next(moved, None)

    def begin(self, files: Collection[str]) -> None:
        """Leave out the failures of images that are to be tried again.

        Raises
        ------
        OSError, UserError
            If the file cannot be written, or is another table now.
        """
        with self._lock:
            before = self.read()
            stay = [row for row in before.values() if row.file not in files or row.status != "failed"]
            if len(stay) < len(before):
                self._write(stay)

    def add(self, *rows: ImageDone) -> None:
        """Add rows, each in the place of an earlier one of the same file.

        It takes the place of rows of the same name, too, whose files the batch does not name: images were moved.
        Failures of misspelt names that it does not name go.

        Raises
        ------
        OSError, UserError
            If the file cannot be written, or is another table now; the rows are written the next time.
        """
        self._waiting += rows
        names = {row.name for row in self._waiting}
        with self._lock:
            stay = {
                file: row
                for file, row in self.read().items()
                if file in self._wanted or not (row.name in names or _is_misspelt(row))
            }
            self._write({**stay, **{row.file: row for row in self._waiting}}.values())
        self._waiting = []

    def _write(self, rows: Iterable[ImageDone]) -> None:
        with (
            replacing(self.path) as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors=NAMES) as file,
        ):
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(_written(row) for row in sorted(rows, key=lambda r: (r.name, r.file)))


def _is_misspelt(row: ImageDone) -> bool:
    return row.status == "failed" and row.message in MISSPELT


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
