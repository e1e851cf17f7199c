"""Code in a package, and the question whether it may run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_unet.storage.bioimageio.archive import Files, open_files, read_checked
from napari_unet.storage.bioimageio.description import LONGEST, Description, read_description


@dataclass(frozen=True)
class Code:
    """The source of a network, which a package brings."""

    package: Path
    name: str
    """Of the file."""
    source: bytes
    callable: str
    kwargs: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Of this very code."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def question(self) -> str:
        """What has to be decided, in a sentence."""
        return (
            f"{self.package} holds code, '{self.name}', which would run here with all of your rights; read it, "
            f"and if you trust it say --trust-code {self.sha256}"
        )


def code_of(told: Description, files: Files) -> Code | None:
    """Find the code that a package's state dict needs; None if it has none, or not with it."""
    state = told.weights.pytorch_state_dict
    if state is None or not state.is_here or not state.architecture.source or "://" in state.architecture.source:
        return None
    code = state.architecture
    source = read_checked(files, code.source, code.sha256, LONGEST)
    return Code(files.path, code.source, source, code.callable, code.kwargs)


def code_in(path: Path) -> Code | None:
    """Find the code of the package at a path; None if it has none, or not with it.

    Raises
    ------
    UserError
        If there is no package, or it may do harm.
    """
    files = open_files(path)
    return code_of(read_description(files), files)
