"""Files out of a package that strangers made: named ones only, never too much, and nothing is unpacked."""

from __future__ import annotations

import hashlib
import io
import math
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError
from napari_unet.storage.budget import human

DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml")
"""What the description is called, the newer name first."""
NONE_OF = " and no ".join(DESCRIPTIONS)
YAML = (".yaml", ".yml")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)
"""What the standard library raises of zip files that are damaged."""
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

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Read a file; raises `UserError` if it is not there, not within the package, or of more bytes."""
        ...


def is_package(path: Path) -> bool:
    """Tell by its name whether a file is a package, or the description of one; a folder by what it holds.

    Examples
    --------
    >>> is_package(Path("nuclei.zip")), is_package(Path("mine.safetensors"))
    (True, False)
    """
    return path.suffix.lower() in (".zip", *YAML) or _description_in(path) is not None


def _description_in(folder: Path) -> Path | None:
    return next((folder / name for name in DESCRIPTIONS if (folder / name).is_file()), None)


def open_files(path: Path) -> Files:
    """Open a package: a zip file, a folder with its files, or the description in such a folder.

    Raises
    ------
    UserError
        If it is missing, no package, or may do harm.
    """
    if path.is_dir():
        if (found := _description_in(path)) is None:
            raise UserError(f"the folder {path} is no package of BioImage.IO: it holds no {NONE_OF}")
        return FolderFiles(found)
    if not path.is_file():
        raise UserError(f"there is no package {path}")
    if path.suffix.lower() in YAML:
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


def checked_members(file: Path | IO[bytes], name: str, most: int = MOST_FILES) -> list[zipfile.ZipInfo]:
    """List the files of a zip file, unless it unpacks into too much, which fills the memory or the disk.

    Parameters
    ----------
    file
        What is read.
    name
        For messages.
    most
        Files that it may hold.

    Raises
    ------
    UserError
        If it is damaged, or its files are too many, too large, or packed in a way that packs anything into next to
        nothing.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except _DAMAGE as error:
        raise UserError(f"{name} is no zip file, or damaged ({error}): get it again") from error
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
    return members


class ZipFiles:
    """A package as one zip file, checked as a whole when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        members = [i for i in checked_members(path, str(path)) if not i.is_dir()]
        self._members = {self._check(i): i for i in members}
        if len(self._members) < len(members):
            raise UserError(f"{path} is refused: it holds two files of one name")
        self.description = next((n for n in DESCRIPTIONS if n in self._members), "")
        if not self.description:
            raise UserError(f"{path} is no package of BioImage.IO: it holds no {NONE_OF}")

    def _check(self, member: zipfile.ZipInfo) -> str:
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{self.path} is refused: '{member.filename}' is a link")
        if member.flag_bits & 1:
            raise UserError(f"{self.path} is refused: '{member.filename}' is encrypted")
        return check_name(member.filename, self.path)

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Read a file; what it unpacks to is never more than was checked."""
        member = self._members.get(check_name(name, self.path))
        if member is None:
            raise UserError(f"{self.path} lacks the file '{name}' that it describes")
        _check_length(self.path, name, member.file_size, most)
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(member)
        except _DAMAGE as error:
            raise UserError(f"'{name}' in {self.path} is damaged ({error}): get the package again") from error


class FolderFiles:
    """A package as a folder; ``path`` is its description."""

    def __init__(self, path: Path) -> None:
        self.path, self.description = path, path.name
        self._folder = path.parent.resolve()

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Read a file, which must not be a link to another place."""
        file = (self._folder / check_name(name, self.path)).resolve()
        if not file.is_relative_to(self._folder):
            raise UserError(f"{self.path} is refused: '{name}' is a link to {file}, outside of the package")
        if not file.is_file():
            raise UserError(f"{self.path} lacks the file '{name}' that it describes")
        _check_length(self.path, name, file.stat().st_size, most)
        try:
            return file.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {file}: {error.strerror}") from error


def _check_length(path: Path, name: str, length: int, most: int) -> None:
    if length > most:
        raise UserError(f"{path} is refused: its file '{name}' has {human(length)}, more than {human(most)}")


def read_checked(files: Files, name: str, sha256: str | None, most: int = MOST_BYTES) -> bytes:
    """Read a file whose SHA-256 is told, if it is; raise `UserError` if it differs, or the file is longer."""
    found = files.read(name, most)
    if sha256 is not None and hashlib.sha256(found).hexdigest() != sha256.lower():
        raise UserError(f"'{name}' in {files.path} is damaged: its SHA-256 is not {sha256}; get the package again")
    return found


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""By version of the format; a later one is of arrays with named fields alone."""


def read_array(content: bytes, name: str) -> npt.NDArray[Any]:
    """Read a numpy file (``.npy``) without objects, whose reading would run code.

    Raises
    ------
    UserError
        If it holds objects, no array, or less than it claims, for which memory would be taken first.
    """
    stream = io.BytesIO(content)
    try:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
        if dtype.hasobject:
            raise ValueError("it holds objects")
        claimed = math.prod(shape) * dtype.itemsize
        array: npt.NDArray[Any] | None = None
        if min(shape, default=1) >= 0 and claimed == len(content) - stream.tell():
            stream.seek(0)
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"'{name}' is refused: it is no plain numpy array ({words})") from error
    if array is None:
        words = " x ".join(map(str, shape))
        raise UserError(f"'{name}' is refused: it claims to hold {words} values, and does not: get it again")
    return array
