"""Where the files of a record are now: as recorded, or moved together with the result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath

from napari_unet.errors import UserError
from napari_unet.spec import ImageFacts, Measuring, Record


@dataclass(frozen=True)
class Places:
    """The files that take part in a replay, and where they are.

    Parameters
    ----------
    model, image, grey
        None: it takes no part, or is missing; ``grey`` is the image whose grey values were measured.
    notes
        What was found at another place than the recorded one.
    missing
        What is nowhere, and the cure, in sentences.
    """

    model: Path | None = None
    image: Path | None = None
    grey: Path | None = None
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def find_places(
    record: Record,
    result: Path,
    *,
    model: Path | None = None,
    image: Path | None = None,
    grey: Path | None = None,
) -> Places:
    """Look for the files of a record.

    Parameters
    ----------
    record
        Of the result.
    result
        Around which is looked for what is not where it was; see `find_near`.
    model, image, grey
        Where they are, if somebody tells.

    Raises
    ------
    UserError
        If one is told that took no part.
    """
    settings = record.settings
    measured = settings.image if isinstance(settings, Measuring) else None
    if model is not None and record.model is None:
        raise UserError(f"--model {model}: no model took part in '{settings.command}'; leave it out")
    if grey is not None and measured is None:
        raise UserError(f"--grey {grey}: no grey values were measured; leave it out")
    search, source = Search(result), record.source
    if (known := record.model) is not None:
        model = search.find(f"the model {known.name}", "--model", model, known.path)
    image = search.find(f"the image {source.name}", "--image", image, source.path, _made_by(source))
    if measured is not None:
        what = f"the image {measured.name}, whose grey values were measured,"
        grey = search.find(what, "--grey", grey, measured.path, _made_by(measured))
    return Places(model, image, grey, tuple(search.notes), tuple(search.missing))


def find_near(result: Path, known: str) -> Path | None:
    """Find a file that was moved together with a result.

    What its recorded path ends in is looked for in the result's folder and in those around it: as much of the path
    as possible first.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "images").mkdir()
    >>> (folder / "images" / "x.tif").touch()
    >>> find_near(folder / "results" / "x-cells.tif", "/data/project/images/x.tif") == folder / "images" / "x.tif"
    True
    >>> find_near(folder / "results" / "x-cells.tif", "/data/project/images/y.tif")
    """
    folders = Path(os.path.abspath(result)).parents
    candidates = (folder / tail for tail in _tails(known) for folder in folders)
    return next((path for path in candidates if path.exists()), None)


class Search:
    """Finds file after file, and keeps what is to be said of them.

    Parameters
    ----------
    result
        Around which is looked for what is not where it was; see `find_near`.
    """

    def __init__(self, result: Path) -> None:
        self._result = result
        self.notes: list[str] = []
        self.missing: list[str] = []

    def find(
        self, what: str, option: str, given: Path | None, known: str | None, made_by: str = ""
    ) -> Path | None:
        """Find a file: that which is given, else where it was, else what was moved together with the result.

        Parameters
        ----------
        what, made_by
            For messages.
        option
            Of the command line, which gives it.
        given, known
            Where it is, as somebody tells; where it was.
        """
        place = given or (Path(known) if known else None)
        if place is not None and place.exists():
            return place
        if place is None:
            self.missing.append(f"{what} was in no file: save it, and name the file with {option}{made_by}")
            return None
        near = None if given or known is None else find_near(self._result, known)
        if near is None:
            self.missing.append(f"{what} is not at {place}: tell where it is now with {option}{made_by}")
        else:
            self.notes.append(f"{what} is not at {place} any more; {near} is taken")
        return near


def _tails(known: str) -> Iterator[PurePath]:
    r"""Give the ends of a recorded path, of this system or another, the longest first.

    Examples
    --------
    >>> [tail.as_posix() for tail in _tails("/lab/images/../x.tif")]
    ['lab/x.tif', 'x.tif']
    >>> [tail.as_posix() for tail in _tails("D:\\images\\x.tif")]
    ['images/x.tif', 'x.tif']
    """
    is_foreign = "\\" in known and "/" not in known
    path = PureWindowsPath(known) if is_foreign else PurePath(os.path.normpath(known))
    parts = path.parts[1:] if path.anchor else path.parts
    return (PurePath(*parts[start:]) for start in range(len(parts)))


def _made_by(source: ImageFacts) -> str:
    return f"; it was made by: {' '.join(source.record.command_line)}" if source.record else ""
