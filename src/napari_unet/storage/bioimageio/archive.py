"""Files out of a package that strangers made: named ones only, never too much, and nothing is unpacked."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError
from napari_unet.storage.budget import human

DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml")
"""What the description is called, the newer name first."""
MOST_FILES = 1000
MOST_BYTES = 4 * 2**30
"""Of all files together, unpacked."""
MOST_RATIO, SMALL = 200, 16 * 2**20
"""No file of more than `SMALL` bytes is packed into less than this part of its size."""


class Files(Protocol):
    """The files of a package."""

    path: Path
    description: str
    """Name of the file that describes the others."""

    def read(self, name: str) -> bytes:
        """Read a file; raises `UserError` if it is not there, or not within the package."""
        ...


def is_package(path: Path) -> bool:
    """Tell by its name whether a file is a package, or the description of one.

    Examples
    --------
    >>> is_package(Path("nuclei.zip")), is_package(Path("mine.safetensors"))
    (True, False)
    """
    return path.suffix.lower() in (".zip", ".yaml", ".yml")


def open_files(path: Path) -> Files:
    """Open a package: a zip file, or the description in a folder with the other files.

    Raises
    ------
    UserError
        If it is missing, no package, or may do harm.
    """
    if not path.is_file():
        raise UserError(f"there is no package {path}")
    if path.suffix in (".yaml", ".yml"):
        return FolderFiles(path)
    return ZipFiles(path)


def check_name(name: str, path: Path) -> str:
    """Return a file's name as it is within a package; raise `UserError` if it may point elsewhere.

    Examples
    --------
    >>> check_name("./weights/a.pt", Path("model.zip"))
    'weights/a.pt'
    >>> check_name("../a.pt", Path("model.zip"))
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: model.zip is refused: it names the file '../a.pt', which is not within it
    """
    windows = PureWindowsPath(name)
    pure = PurePosixPath(name)
    outside = pure.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if outside or "\\" in name or "\0" in name or not pure.parts:
        raise UserError(f"{path} is refused: it names the file '{name}', which is not within it")
    return str(pure)


def check_members(members: Sequence[zipfile.ZipInfo], name: str, most: int = MOST_FILES) -> None:
    """Refuse a zip file that unpacks into too much, which fills the memory or the disk.

    Parameters
    ----------
    members
        Its files.
    name
        Of the zip file, for messages.
    most
        Files that it may hold.

    Raises
    ------
    UserError
        If they are too many or too large, or packed in a way that packs anything into next to nothing.
    """
    total = sum(i.file_size for i in members)
    if len(members) > most:
        raise UserError(f"{name} is refused: it holds {len(members)} files, more than {most}")
    if total > MOST_BYTES:
        raise UserError(f"{name} is refused: unpacked it has {human(total)}, more than {human(MOST_BYTES)}")
    for i in members:
        if i.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(
                f"{name} is refused: '{i.filename}' is packed with the method {i.compress_type}; only files that "
                "are stored or deflated are read: pack it again, as an ordinary zip file"
            )
        if i.file_size > SMALL and i.file_size > MOST_RATIO * i.compress_size:
            raise UserError(
                f"{name} is refused: '{i.filename}' unpacks {human(i.compress_size)} into {human(i.file_size)}, "
                "as only a trap does"
            )


class ZipFiles:
    """A package as one zip file, checked as a whole when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = [i for i in archive.infolist() if not i.is_dir()]
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise UserError(f"{path} is no zip file, or damaged ({error}): get it again") from error
        check_members(members, str(path))
        self._members = {self._check(i): i for i in members}
        if len(self._members) < len(members):
            raise UserError(f"{path} is refused: it holds two files of one name")
        self.description = next((n for n in DESCRIPTIONS if n in self._members), "")
        if not self.description:
            raise UserError(f"{path} is no package of BioImage.IO: it holds no {' and no '.join(DESCRIPTIONS)}")

    def _check(self, member: zipfile.ZipInfo) -> str:
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{self.path} is refused: '{member.filename}' is a link")
        if member.flag_bits & 1:
            raise UserError(f"{self.path} is refused: '{member.filename}' is encrypted")
        return check_name(member.filename, self.path)

    def read(self, name: str) -> bytes:
        """Read a file; what it unpacks to is never more than was checked."""
        member = self._members.get(check_name(name, self.path))
        if member is None:
            raise UserError(f"{self.path} lacks the file '{name}' that it describes")
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(member)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            raise UserError(f"'{name}' in {self.path} is damaged ({error}): get the package again") from error


class FolderFiles:
    """A package as a folder; ``path`` is its description."""

    def __init__(self, path: Path) -> None:
        self.path, self.description = path, path.name
        self._folder = path.parent.resolve()

    def read(self, name: str) -> bytes:
        """Read a file, which must not be a link to another place."""
        file = (self._folder / check_name(name, self.path)).resolve()
        if not file.is_relative_to(self._folder):
            raise UserError(f"{self.path} is refused: '{name}' is a link to {file}, outside of the package")
        if not file.is_file():
            raise UserError(f"{self.path} lacks the file '{name}' that it describes")
        if (size := file.stat().st_size) > MOST_BYTES:
            raise UserError(f"{file} is refused: it has {human(size)}, more than {human(MOST_BYTES)}")
        return file.read_bytes()


def read_checked(files: Files, name: str, sha256: str | None) -> bytes:
    """Read a file whose SHA-256 is told, if it is; raise `UserError` if it differs."""
    found = files.read(name)
    if sha256 is not None and hashlib.sha256(found).hexdigest() != sha256.lower():
        raise UserError(f"'{name}' in {files.path} is damaged: its SHA-256 is not {sha256}; get the package again")
    return found


def read_array(content: bytes, name: str) -> npt.NDArray[Any]:
    """Read a numpy file without objects, whose reading would run code.

    Raises
    ------
    UserError
        If it holds objects, or no array.
    """
    try:
        array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"'{name}' is refused: it is no plain numpy array ({error})") from error
    return array
