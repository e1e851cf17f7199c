"""A result that is being written: left at any moment, it can be taken up again, by one process or by many.

It lies beside its target until it is whole::

    .cells.zarr.unfinished/plan.json          what rules the result
                           model.safetensors  a copy of the model
                           image.zarr/        the result so far
                           done/000012.json   block 12 is written; hashes of its source and of what it holds
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.leftovers import temporary
from napari_unet.storage.budget import is_full

PLAN, IMAGE, DONE, AT_WORK, FINISHING = "plan.json", "image.zarr", "done", "at-work", "finishing.lock"


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
        (new / AT_WORK).mkdir()
        try:
            fill(new)
            (new / PLAN).write_text(json.dumps({**facts, "id": secrets.token_hex(8)}, indent=1), encoding="utf-8")
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

    def rewrite(self, facts: Mapping[str, Any]) -> None:
        """Replace what rules the result."""
        with replacing(self.folder / PLAN) as path:
            path.write_text(json.dumps(facts, indent=1), encoding="utf-8")

    def done(self) -> dict[int, dict[str, str]]:
        """Return the marks of the blocks that are written.

        Raises
        ------
        UserError
            If a folder has the name of a mark.
        """
        found = {}
        for path in self._done.glob("*.json"):
            try:
                found[int(path.stem)] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:  # cut short by a power failure: the block is written again
                if path.is_dir():
                    raise UserError(f"{path} is a folder where a file goes; remove it and start again") from error
        return found

    def mark(self, number: int, facts: Mapping[str, str]) -> None:
        """Note that a block is written."""
        with replacing(self._done / f"{number:06}.json") as path:
            path.write_text(json.dumps(facts), encoding="utf-8")

    def unmark(self, number: int) -> None:
        """Note that a block has to be written again."""
        (self._done / f"{number:06}.json").unlink(missing_ok=True)

    def check(self, identity: str) -> None:
        """Raise `UserError` unless this is still the result that was begun under an identity."""
        found = self.facts["id"] if (self.folder / PLAN).is_file() else None
        if found != identity:
            raise UserError(
                f"{self.folder} has been removed or begun anew by another process; give each its own output"
            )

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let other processes know that this one is writing; the system forgets it if the process dies."""
        lock = FileLock(self.folder / AT_WORK / f"{os.getpid()}-{secrets.token_hex(4)}.lock")
        try:
            with lock:
                yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)

    def others_at_work(self) -> bool:
        """Whether another process, or another part of this one, is writing."""
        return any(_is_held(path) for path in (self.folder / AT_WORK).glob("*.lock"))

    @contextmanager
    def finishing(self) -> Iterator[bool]:
        """Claim the making of the target: True for one process only, while the result is there."""
        lock = FileLock(self.folder / FINISHING, blocking=False)
        if not (self.folder / PLAN).is_file():
            yield False
            return
        try:
            lock.acquire()
        except (Timeout, OSError):  # held by another, or removed by it already
            yield False
            return
        try:
            yield (self.folder / PLAN).is_file() and self.image.exists()
        finally:
            lock.release()

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_held(path: Path) -> bool:
    """Whether a living process holds a lock."""
    try:
        with FileLock(path, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # gone meanwhile
        return False


def folder_of(target: Path) -> Path:
    """Where the unfinished result for a target lies.

    Examples
    --------
    >>> folder_of(Path("out", "cells.zarr")).name
    '.cells.zarr.unfinished'
    """
    return target.with_name(f".{target.name}.unfinished")


def explain_full_disk(error: OSError, folder: Path, target: Path) -> UserError | None:
    """Turn an error that says that the disk is full into words; None for other errors.

    Examples
    --------
    >>> import errno
    >>> explain_full_disk(OSError(errno.ENOENT, "none"), Path("a"), Path("b")) is None
    True
    """
    if not is_full(error):
        return None
    if not folder.exists():
        return UserError(f"the disk of {target} is full; free some space, or write elsewhere")
    return UserError(
        f"the disk of {target} is full ({os.strerror(error.errno or 0).lower()}); what was finished is kept in "
        f"{folder}: free some space and give the same command again, which goes on from there"
    )
