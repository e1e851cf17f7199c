"""Records of results: made when one is written, read back from its file."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint
from napari_unet.errors import UserError, one_line
from napari_unet.spec import ImageFacts, ModelFacts, Record, Settings
from napari_unet.storage.creator import RECORD, read_creator, side_file
from napari_unet.storage.formats import kind_of
from napari_unet.storage.opened import FileImage, file_of
from napari_unet.storage.summary import how_to_ask
from napari_unet.storage.tiff import open_tiff

MODEL = ".safetensors"
PACKAGES = ("napari-unet-live", "torch", "numpy", "scipy", "scikit-image", "python-elf")
"""Whose versions are noted, as far as they are installed: results may differ with others."""


def new_record(
    settings: Settings, source: ImageFacts, model: ModelFacts | None = None, not_repeated: tuple[str, ...] = ()
) -> Record:
    """Make the record of a result that is made now."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(
        settings=settings,
        source=source,
        model=model,
        versions=versions(),
        date=date,
        not_repeated=not_repeated,
    ).spelled()


def versions() -> dict[str, str]:
    """Tell the versions of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def facts_of(image: Image, known: str | None = None) -> ImageFacts:
    """Tell which image it is, with its own record if its file has one.

    Parameters
    ----------
    image
        A bounded sample of it is read.
    known
        Its fingerprint, if it is known already.
    """
    path = file_of(image)
    own = None
    if path is not None:
        with suppress(UserError):  # a record of a newer version: the pixels can be used all the same
            own = read_record(path)
    return ImageFacts(
        name=image.name,
        shape=tuple(int(n) for n in image.data.shape),
        dtype=np.dtype(image.data.dtype).name,
        axes=image.axes,
        spacing=image.spacing,
        fingerprint=known or fingerprint(image),
        path=None if path is None else str(path),
        record=own,
    )


def told_axes(image: Image) -> str | None:
    """Tell the axes that somebody has given by hand; None: the file tells them, or they are guessed as ever."""
    return image.axes if isinstance(image, FileImage) and image.axes_source == "told" else None


def read_record(path: str | os.PathLike[str]) -> Record | None:
    """Read the record of a result file; None if it has none.

    Raises
    ------
    UserError
        If this version cannot read it.
    """
    found = read_creator(Path(path)).get(RECORD)
    if found is None:
        return None
    try:
        return Record.model_validate(found)
    except ValidationError as error:
        raise UserError(
            f"{path}: its record ({one_line(error)}) was written by another version: update napari-unet-live"
        ) from error


def is_result(path: Path) -> bool:
    """Whether a file may be a result: an image, or something with a record beside it; a model tells of itself."""
    return kind_of(path) is not None or (path.suffix != MODEL and side_file(path).is_file())


def require_record(path: Path) -> Record:
    """Read the record of a result.

    Raises
    ------
    UserError
        If there is none: it tells why, as far as that can be told.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; check the name")
    found = read_record(path)
    if found is None:
        _check_readable(path)
        raise UserError(
            f"{path} does not tell how it was made: it is no result of napari-unet, or of an older version, or "
            "another program has saved it since"
        )
    return found


def _check_readable(path: Path) -> None:
    """Raise `UserError` if it is a file that is damaged, or the table of a batch."""
    if (words := how_to_ask(path)) is not None:
        raise UserError(words)
    if kind_of(path) == "tiff":
        open_tiff(path)


def as_creator(record: Record | None) -> dict[str, object]:
    """Give what a file keeps of its creator."""
    return {} if record is None else {RECORD: record.model_dump(mode="json")}
