"""Projects that have no name yet: where they are, which of them were lost, and which are kept."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from napari_unet.errors import UserError
from napari_unet.storage.claim import is_claimed
from napari_unet.storage.project import FILE, SUFFIX, read_project

KEPT = 5
"""Projects without a name that are kept."""


class Unnamed:
    """The folder of projects that have no name yet.

    Parameters
    ----------
    folder
        Is made with the first of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self) -> Path:
        """Name a new one; nothing is made."""
        return self._folder / f"{datetime.now():%Y%m%d-%H%M%S-%f}-{os.getpid()}{SUFFIX}"

    def has(self, project: Path) -> bool:
        """Whether a project is one of them."""
        return project.parent == self._folder

    def lost(self, but: Path) -> list[Path]:
        """List those whose window has ended badly, the last one first, but for one of them."""
        found = []
        for project in sorted(self._folder.glob(f"*{SUFFIX}"), reverse=True):
            with contextlib.suppress(UserError):
                if project != but and not read_project(project).closed and not is_claimed(project):
                    found.append(project)
        return found

    def tidy(self, needed: Collection[Path | None] = ()) -> None:
        """Remove all but those that were saved last, and those that are needed."""
        free = [p for p in self._folder.glob(f"*{SUFFIX}") if p not in needed and not is_claimed(p)]
        for project in sorted(free, key=_saved_at)[:-KEPT]:
            shutil.rmtree(project, ignore_errors=True)


def _saved_at(project: Path) -> tuple[int, str]:
    try:
        return (project / FILE).stat().st_mtime_ns, project.name
    except OSError:
        return 0, project.name
