"""Run again what made a result: look whether model and image are those of its record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.numbering import planes_of
from napari_unet.errors import UserError
from napari_unet.jobs.linking import cells_of
from napari_unet.jobs.model import load
from napari_unet.jobs.voxels import compare_voxels
from napari_unet.spec import (
    Exporting,
    ImageFacts,
    Linking,
    Measuring,
    ModelFacts,
    Predicting,
    Record,
    Settings,
    TrainingSpec,
)
from napari_unet.storage.bioimageio.archive import is_package
from napari_unet.storage.cut import one_channel
from napari_unet.storage.facts import read_facts
from napari_unet.storage.formats import kind_of
from napari_unet.storage.moved import find_places
from napari_unet.storage.read import open_image, open_labels
from napari_unet.storage.records import facts_of, versions

SHOWN = 12
"""Characters of a hash that people are shown."""


@dataclass(frozen=True)
class Replay:
    """What to run, and what is to be known of it.

    Parameters
    ----------
    words
        The command line.
    differences
        How model or image differ from those of the record: the result will not be the same.
    notes
        Why the result may differ all the same.
    """

    words: tuple[str, ...]
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan_replay(
    record: Record,
    result: Path,
    out: Path,
    *,
    model: Path | None = None,
    image: Path | None = None,
    grey: Path | None = None,
) -> Replay:
    """Find model and image of a record, and tell how they differ from it.

    Parameters
    ----------
    record
        See `napari_unet.storage.records.read_record`.
    result
        What it is the record of: around it is looked for what is not where it was.
    out
        The new file.
    model, image, grey
        Where they lie now, if not where the record says; ``grey`` is the image whose grey values were measured.

    Raises
    ------
    UserError
        If some of them are not there: it tells them all.
    """
    places = find_places(record, result, model=model, image=image, grey=grey)
    if places.missing or places.image is None:
        raise UserError("; ".join(places.missing))
    differences: list[str] = []
    notes, ndim = [*places.notes, *_notes(record)], None
    if record.model is not None and places.model is not None:
        found, ndim = _read_model(places.model)
        differences += _model_differs(places.model, found, record.model)
    opened = _opened(record, places.image)
    if other := _image_differs(opened, places.image, record.source, "--image"):
        differences += other
    else:
        words, matters = compare_voxels(opened, places.image, record.source, record.settings, ndim)
        if matters:
            differences.append(f"{words}; give the right one with --image")
        elif words:
            notes.append(f"{words}: they change no pixel, only where the new file says that it lies")
    differences += _grey_differs(record.settings, places.grey)
    line = record.words(out, model=places.model, image=places.image, grey=places.grey)
    return Replay(line, tuple(differences), tuple(notes))


def compare(first: Path, second: Path) -> str:
    """Tell in a sentence whether two results hold the same: pixels, lines, or files in a ZIP."""
    kinds = {kind_of(path) or path.suffix.lower() for path in (first, second)}
    if kinds <= {"tiff", "zarr"}:
        return _compare_images(first, second)
    if len(kinds) > 1:
        return f"{second} was not compared with {first}, which is of another kind"
    parts = _parts_of(first), _parts_of(second)
    what = "files" if ".zip" in kinds else "lines"
    other = sum(a != b for a, b in zip_longest(*parts))
    return _found(first, second, other, max(map(len, parts)), what)


def _parts_of(path: Path) -> list[bytes]:
    """Give the lines of a text, or the files in a ZIP: that itself holds the time of its making."""
    if path.suffix.lower() != ".zip":
        return path.read_bytes().splitlines()
    with ZipFile(path) as file:
        return [name.encode() + file.read(name) for name in sorted(file.namelist())]


def _compare_images(first: Path, second: Path) -> str:
    one, two = open_image(first), open_image(second)
    if (one.axes, one.data.shape) != (two.axes, two.data.shape):
        return f"{second} has the shape {two.data.shape} ({two.axes}), {first} {one.data.shape} ({one.axes})"
    pairs = zip(planes_of(one.data), planes_of(two.data), strict=True)
    other = sum(int(np.count_nonzero(a != b)) for a, b in pairs)
    return _found(first, second, other, math.prod(one.data.shape), "values")


def _found(first: Path, second: Path, other: int, total: int, what: str) -> str:
    return (
        f"{second} differs from {first} in {other:,} of {total:,} {what}" if other else f"{second} equals {first}"
    )


def _opened(record: Record, path: Path) -> Image:
    """Open the source as its command does."""
    match record.settings:
        case Linking(along=along, axes=axes):
            return cells_of(path, along, axes)
        case Measuring():
            return open_labels(path, record.source.axes)
        case Exporting(axes=axes):
            return open_labels(path, axes)
        case Predicting(axes=axes, channel=channel):
            return one_channel(open_image(path, axes), channel)
        case other:
            return open_image(path, other.axes)


def _read_model(path: Path) -> tuple[str, int]:
    """Tell the hash of a model's weights, and along how many axes it looks; a package is read as a whole."""
    if is_package(path):
        package = load(path)
        return package.facts.sha256, package.spec.net.ndim
    facts = read_facts(path)
    return str(facts.get("sha256")), TrainingSpec.model_validate(facts["spec"]).net.ndim


def _model_differs(path: Path, found: str, known: ModelFacts) -> list[str]:
    if found == known.sha256:
        return []
    hashes = f"its SHA-256 begins with {found[:SHOWN]}, that of {known.name} began with {known.sha256[:SHOWN]}"
    return [f"{path} is another model: {hashes}; give the right one with --model"]


def _grey_differs(settings: Settings, path: Path | None) -> list[str]:
    """Compare the image whose grey values were measured."""
    if not isinstance(settings, Measuring) or settings.image is None or path is None:
        return []
    known = settings.image
    image = open_image(path, settings.axes)
    words, _ = compare_voxels(image, path, known, settings, None)
    voxels = [f"{words}; give the right one with --grey"] if words else []
    return _image_differs(image, path, known, "--grey") or voxels


def _image_differs(image: Image, path: Path, known: ImageFacts, option: str) -> list[str]:
    found = facts_of(image)
    for name in ("shape", "dtype", "axes", "fingerprint"):
        now, before = getattr(found, name), getattr(known, name)
        if now != before:
            shown = [str(v)[:SHOWN] if name == "fingerprint" else v for v in (now, before)]
            cure = f"give the right one with {option}"
            return [f"{path} is another image: its {name} is {shown[0]}, that of the record {shown[1]}; {cure}"]
    return []


def _notes(record: Record) -> list[str]:
    """Tell what a replay cannot promise."""
    now = versions()
    names = [n for n in sorted(now.keys() | record.versions.keys()) if now.get(n) != record.versions.get(n)]
    other = [f"{n} {now.get(n, 'is missing')} (then {record.versions.get(n, 'missing')})" for n in names]
    notes = [f"other versions: {', '.join(other)}"] if other else []
    return [*record.not_repeated, *notes]
