"""Packages of BioImage.IO that are opened: where their models are kept, and whether their code may run; no Qt."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pooch
from psygnal import Signal

from napari_unet.errors import UserError
from napari_unet.storage.bioimageio.consent import Code, code_in


class Packages:
    """Remembers the package that is being opened.

    Parameters
    ----------
    folder
        Where model files are kept that were made of packages; the user's cache folder if None.
    """

    needs_consent = Signal(Code)
    """The package cannot be opened unless this code runs."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(pooch.os_cache("napari-unet-live")) / "imported"
        self._opened: Path | None = None

    def file_for(self, package: Path) -> Path:
        """Name the model file that is made of a package, the same for the same bytes.

        Raises
        ------
        UserError
            If the package cannot be read, or the folder not be made.
        """
        self._opened = package
        try:
            with package.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{package.name} cannot be opened: {error.strerror} ({error.filename})") from error
        return self.folder / f"{package.stem}-{digest[:8]}.safetensors"

    def look(self, message: str) -> None:
        """Ask for consent if it is code that kept a package from being opened, which the message then names."""
        package, self._opened = self._opened, None
        if package is None:
            return
        try:
            code = code_in(package)
        except UserError:  # which the message says already
            return
        if code is not None and code.sha256 in message:
            self.needs_consent.emit(code)
