"""Where models are saved while training."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pooch
import psutil

from napari_unet.errors import UserError
from napari_unet.storage.keep import STATE

KEPT = 5
"""Trainings whose files are kept."""


class Checkpoints:
    """Names the file of every training, and removes those of trainings long past.

    Parameters
    ----------
    folder
        Where; the user's cache folder if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(pooch.os_cache("napari-unet-live")) / "trainings"
        self._first = self.folder
        self._named: list[Path] = []

    @property
    def current(self) -> Path | None:
        """Model file of the last training that has saved anything; one that was refused has not."""
        return next((p for p in reversed(self._named) if _beside(p).is_file()), None)

    @property
    def can_go_on(self) -> bool:
        """A training has left a state to go on from."""
        return self.current is not None

    def holds(self, path: Path) -> bool:
        """Tell whether a file lies where trainings are saved, and may be removed after later ones."""
        return path.parent in (self.folder, self._first)

    def new(self) -> Path:
        """Name the file of a new training; whatever is there stays until that one has saved something.

        Raises
        ------
        UserError
            If its folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot make the folder {self.folder}, in which trainings are saved ({error.strerror}): "
                "make room on its disk, or allow writing there"
            ) from error
        name = f"training-{datetime.now():%Y%m%d-%H%M%S-%f}-{os.getpid()}.safetensors"
        self._named.append(self.folder / name)
        return self._named[-1]

    def move(self, folder: Path) -> None:
        """Save new trainings in another folder; those that there are stay where they are."""
        self.folder = folder

    def adopt(self, path: Path) -> None:
        """Take a training over that was saved earlier; new ones are saved beside it."""
        self.folder = path.parent
        self._named.append(path)

    def forget(self) -> None:
        """Go on with none of those that there are, and save new ones where the first was; files stay."""
        self._named.clear()
        self.folder = self._first

    def tidy(self) -> None:
        """Remove all but the files of the last trainings; call it when a training has ended.

        Those of other windows that are open are theirs to remove: they may go on with any of them.
        """
        models = [p for p in self.folder.glob("training-*.safetensors") if not p.name.endswith(STATE)]
        try:
            models.sort(key=lambda p: p.stat().st_mtime)
            for path in models[:-KEPT]:
                if path != self.current and not _of_another_window(path):
                    path.unlink(missing_ok=True)
                    _beside(path).unlink(missing_ok=True)
        except OSError:  # another window tidies as well, or the disk is gone: it can wait for the next time
            return


def _of_another_window(path: Path) -> bool:
    process = path.stem.rpartition("-")[2]
    return process.isdigit() and int(process) != os.getpid() and psutil.pid_exists(int(process))


def _beside(path: Path) -> Path:
    return path.with_suffix(STATE)
