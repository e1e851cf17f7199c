"""Where models are saved while training."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pooch

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
        self.current: Path | None = None
        """Model file of the last training."""

    @property
    def can_go_on(self) -> bool:
        """The last training has left a state to go on from."""
        return self.current is not None and _beside(self.current).is_file()

    def new(self) -> Path:
        """Name the file of a new training."""
        self.folder.mkdir(parents=True, exist_ok=True)
        old = sorted(self.folder.glob("training-*.safetensors"), key=lambda p: p.stat().st_mtime)
        models = [p for p in old if not p.name.endswith(".resume.safetensors")]
        for path in models[: -KEPT or None]:
            path.unlink(missing_ok=True)
            _beside(path).unlink(missing_ok=True)
        name = f"training-{datetime.now():%Y%m%d-%H%M%S-%f}-{os.getpid()}.safetensors"
        self.current = self.folder / name
        return self.current


def _beside(path: Path) -> Path:
    return path.with_suffix(".resume.safetensors")
