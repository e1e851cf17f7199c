"""A result that is being written: left at any moment, it can be taken up again, by one process or by many.

It lies beside its target until it is whole::

    .cells.zarr.unfinished/plan.json          what rules the result
                           model.safetensors  a copy of the model
                           image.zarr/        the result so far
                           done/000012.json   block 12 is written; hashes of its source and of what it holds
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.leftovers import temporary

PLAN, IMAGE, DONE = "plan.json", "image.zarr", "done"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors that say that no more can be written."""


class Unfinished:
    """The folder of a result that is being written.

    Parameters
    ----------
    folder
        See `folder_of`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder / IMAGE
        self._done = folder / DONE

    @classmethod
    def create(cls, target: Path, facts: Mapping[str, Any], fill: Callable[[Path], None]) -> Unfinished:
        """Make the folder for a target; if another process makes it at the same time, one of them is taken.

        Parameters
        ----------
        target
            File or folder that the result will become.
        facts
            What rules the result, ready for JSON.
        fill
            Called with the folder, to put into it what is needed.
        """
        folder = folder_of(target)
        new = temporary(folder, "partial")
        (new / DONE).mkdir(parents=True)
        try:
            fill(new)
            (new / PLAN).write_text(json.dumps(facts, indent=1), encoding="utf-8")
            try:
                new.rename(folder)
            except OSError:
                if not (folder / PLAN).is_file():
                    raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return cls(folder)

    @property
    def facts(self) -> dict[str, Any]:
        """What rules the result.

        Raises
        ------
        UserError
            If it cannot be read.
        """
        try:
            found: dict[str, Any] = json.loads((self.folder / PLAN).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.folder} is damaged ({error}); remove it and start again") from error
        return found

    def done(self) -> dict[int, dict[str, str]]:
        """Return the marks of the blocks that are written."""
        found = {}
        for path in self._done.glob("*.json"):
            try:
                found[int(path.stem)] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):  # cut short by a power failure: the block is written again
                continue
        return found

    def mark(self, number: int, facts: Mapping[str, str]) -> None:
        """Note that a block is written."""
        with replacing(self._done / f"{number:06}.json") as path:
            path.write_text(json.dumps(facts), encoding="utf-8")

    def unmark(self, number: int) -> None:
        """Note that a block has to be written again."""
        (self._done / f"{number:06}.json").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(target: Path) -> Path:
    """Where the unfinished result for a target lies.

    Examples
    --------
    >>> folder_of(Path("out", "cells.zarr")).name
    '.cells.zarr.unfinished'
    """
    return target.with_name(f".{target.name}.unfinished")


def replace_folder(new: Path, target: Path) -> None:
    """Let a folder take the place of another, which comes back if that fails."""
    old = temporary(target, "old")
    try:
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def explain_full_disk(error: OSError, folder: Path, target: Path) -> UserError | None:
    """Turn an error that says that the disk is full into words; None for other errors.

    Examples
    --------
    >>> explain_full_disk(OSError(errno.ENOENT, "none"), Path("a"), Path("b")) is None
    True
    """
    if error.errno not in FULL:
        return None
    return UserError(
        f"the disk of {target} is full ({os.strerror(error.errno or 0).lower()}); what was finished is kept in "
        f"{folder}: free some space and give the same command again, which goes on from there"
    )
