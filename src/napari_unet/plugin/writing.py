"""One saving of a project, in a thread of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from napari_unet.errors import UserError, one_line
from napari_unet.storage import keep
from napari_unet.storage.budget import is_full
from napari_unet.storage.claim import Claim
from napari_unet.storage.project import Project


@dataclass
class Saving:
    """A saving in a thread, and what came of it."""

    thread: threading.Thread | None = None
    began: float = 0.0
    version: int = 0
    result: Project | None = None
    claim: Claim | None = None
    error: str = ""
    ended: bool = False


def attempt(saving: Saving, folder: Path, now: keep.Now, before: Project, largest: int) -> None:
    """Save; a project without a name has no folder before something is painted."""
    try:
        if saving.claim is None:
            if not keep.is_painted(now):
                return
            folder.mkdir(parents=True, exist_ok=True)
            claim = Claim(folder)
            claim.take()
            saving.claim = claim  # one that was refused is asked for again
        saving.result = keep.save(folder, now, before, largest_copy=largest)
    except OSError as error:
        full = f"the disk of {folder.parent} is full: make room; nothing is lost meanwhile."
        saving.error = full if is_full(error) else f"{one_line(error)}."
    except UserError as error:
        saving.error = f"{error}."
    except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the window says it
        saving.error = f"{type(error).__name__}: {one_line(error)}."
