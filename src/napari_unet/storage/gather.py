"""Find the images that a user names: files, folders, patterns, OME-Zarrs that hold several."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet.errors import UserError
from napari_unet.storage.formats import READABLE, is_zarr, kind_of, stem_of, suffix_of
from napari_unet.storage.positions import positions
from napari_unet.storage.results import NO_IMAGE, ONLY_RESULTS, Kind, result_in

NO_SUCH = "no such file or folder; check the name"
NO_MATCH = "no file is of that pattern; check the names"
MISSPELT = {NO_SUCH, NO_MATCH}
"""Problems of which a name is the cause, not an image."""


@dataclass(frozen=True)
class Found:
    """An image that is named, or what is wrong with its name.

    Parameters
    ----------
    path
        Of the image.
    name
        What its outputs are called: path below their folder, without a suffix.
    problem
        Why there is no image, in words; empty if there is.
    result
        It lies among images, but says that it is a result of this kind: it is to be left out.
    """

    path: Path
    name: str
    problem: str = ""
    result: Kind | None = None


def gather(inputs: Sequence[str], folder: Path, *, recursive: bool = False) -> list[Found]:
    """Find images, each once.

    Parameters
    ----------
    inputs
        Files; folders, of which the images are taken; patterns with ``*``, ``?``, ``[]`` and ``**``. A zarr with
        several positions, or a plate, gives each of them.
    folder
        Where outputs go: what lies in it is no input.
    recursive
        Take the images of all folders below.

    Returns
    -------
    list of Found
        In the order of the inputs, those of one input by name. What is not there is in it, with a problem; so are
        labels that are named as an image.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> (place / "day 1").mkdir()
    >>> for name in ("b.png", "a.tif", "day 1/a.tif", "notes.txt"):
    ...     (place / name).touch()
    >>> [found.name for found in gather([str(place)], place / "out", recursive=True)]
    ['a', 'b', 'day 1/a']
    >>> gather([str(place / "*.jpg")], place / "out")[0].problem
    'no file is of that pattern; check the names'
    """
    seen: set[str] = set()
    found = []
    for text in inputs:
        for image in _of_input(text, folder.resolve(), recursive):
            key = os.path.normcase(image.path.resolve())
            if key not in seen:
                seen.add(key)
                found.append(image)
    return found


def _of_input(text: str, out: Path, recursive: bool) -> Iterator[Found]:
    path = _absolute(Path(text).expanduser())
    if os.path.exists(path) or not glob.has_magic(text):
        found = _of_path(path, path if _is_folder(path) else path.parent, out, recursive)
        yield from found if _is_folder(path) else map(_as_named, found)
        return
    root = _fixed(path)
    every = _not_within([Path(p) for p in sorted(glob.glob(str(path), recursive=True))])
    matches = every if out in root.resolve().parents else [p for p in every if not p.resolve().is_relative_to(out)]
    if every and not matches:
        yield Found(path, text, "all of that pattern lies in the folder of the outputs; choose another folder")
    elif not matches:
        yield Found(path, text, NO_MATCH)
    if any(not _is_folder(p) for p in matches):  # folders on the way, such as ** gives
        matches = [p for p in matches if not _is_folder(p)]
    yield from _among(path, text, [found for match in matches for found in _of_path(match, root, out, recursive)])


def _absolute(path: Path) -> Path:
    """Name a path as all others, so that the same image is the same however it is typed."""
    return path.resolve() if ".." in path.parts else path.absolute()


def _not_within(paths: Sequence[Path]) -> list[Path]:
    """Leave out what lies in a zarr that is there itself: ``**`` gives its arrays and chunks, too."""
    zarrs = {p for p in paths if p.is_dir() and is_zarr(p)}
    return [p for p in paths if zarrs.isdisjoint(p.parents)]


def _fixed(pattern: Path) -> Path:
    """Return the folder up to the first part of a pattern that is not plain."""
    parts = pattern.parts
    number = next(n for n, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:number])


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path) and not is_zarr(path)


def _of_path(path: Path, root: Path, out: Path, recursive: bool) -> Iterator[Found]:
    """Give the images of a path; their names are paths below ``root``."""
    if not os.path.exists(path):  # unlike `Path.exists` it raises for no name
        yield Found(path, path.name, NO_SUCH)
    elif kind_of(path) == "zarr":
        yield from _of_zarr(path, root)
    elif kind_of(path):
        yield Found(path, _name(path, root), result=result_in(path))
    elif not path.is_dir():
        yield Found(path, path.name, f"not an image that can be read here; use {READABLE}")
    elif suffix_of(path):
        yield Found(path, path.name, "holds no zarr metadata (zarr.json or .zgroup); it may be copied in part")
    else:
        yield from _of_folder(path, root, out, recursive)


def _of_folder(path: Path, root: Path, out: Path, recursive: bool) -> Iterator[Found]:
    images = [p for p in _images(path, out, recursive) if p.resolve() != out]
    if not images:
        below = "" if recursive else " itself, perhaps those below do (--recursive)"
        yield Found(path, path.name, f"the folder holds no images{below}; expected {READABLE}")
    yield from _among(path, path.name, [f for image in images for f in _of_path(image, root, out, recursive)])


def _as_named(found: Found) -> Found:
    """Refuse labels that are named as an image; whoever names probabilities means them."""
    return replace(found, problem=NO_IMAGE if found.result == "labels" else found.problem, result=None)


def _among(path: Path, name: str, images: Sequence[Found]) -> Iterator[Found]:
    """Give the images of a folder or pattern, and tell if all of them are results."""
    yield from images
    if images and all(found.result for found in images):
        yield Found(path, name, ONLY_RESULTS)


def _images(folder: Path, out: Path, recursive: bool) -> Iterator[Path]:
    """Walk through a folder: its images first, then those of the folders below."""
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    yield from (p for p in entries if kind_of(p))
    for below in entries:
        if recursive and _is_folder(below) and not below.is_symlink() and below.resolve() != out:
            yield from _images(below, out, recursive)


def _of_zarr(path: Path, root: Path) -> Iterator[Found]:
    name = _name(path, root)
    try:
        within = positions(path)
    except UserError as error:
        yield Found(path, name, str(error).removeprefix(f"{path}: "))
        return
    if not within:
        yield Found(path, name, result=result_in(path))
    yield from (Found(path / place.path, f"{name}/{place.path}", place.problem) for place in within)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_name(stem_of(path)).as_posix()
