"""Run again what made a result: look whether model and image are those of its record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.numbering import planes_of
from napari_unet.errors import UserError
from napari_unet.jobs.linking import cells_of
from napari_unet.spec import Exporting, ImageFacts, Linking, Measuring, ModelFacts, Predicting, Record
from napari_unet.storage.cut import one_channel
from napari_unet.storage.facts import read_facts
from napari_unet.storage.formats import kind_of
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


def plan_replay(record: Record, out: Path, *, model: Path | None = None, image: Path | None = None) -> Replay:
    """Find model and image of a record, and tell how they differ from it.

    Parameters
    ----------
    record
        See `napari_unet.storage.records.read_record`.
    out
        The new file.
    model, image
        Where they lie now, if not where the record says.

    Raises
    ------
    UserError
        If one of them is not there.
    """
    differences = []
    if record.model is not None:
        path = _find(model, record.model.path, f"the model {record.model.name}", "--model")
        differences += _model_differs(path, record.model)
    elif model is not None:
        raise UserError(f"--model {model}: no model took part in '{record.settings.command}'; leave it out")
    path = _find(image, record.source.path, f"the image {record.source.name}", "--image", record.source)
    differences += _image_differs(_opened(record, path), path, record.source, "--image")
    if isinstance(record.settings, Measuring) and (grey := record.settings.image) is not None:
        path = _find(None, grey.path, f"the image {grey.name}", "--image")
        differences += _image_differs(open_image(path, record.settings.axes), path, grey, None)
    words = record.words(out, model=model, image=image)
    return Replay(words, tuple(differences), tuple(_notes(record)))


def compare(first: Path, second: Path) -> str:
    """Tell whether two results hold the same pixels, in a sentence; empty if they are no images of one kind."""
    if {kind_of(first), kind_of(second)} - {"tiff", "zarr"}:
        return ""
    one, two = open_image(first), open_image(second)
    if (one.axes, one.data.shape) != (two.axes, two.data.shape):
        return f"{second} has the shape {two.data.shape} ({two.axes}), {first} {one.data.shape} ({one.axes})"
    pairs = zip(planes_of(one.data), planes_of(two.data), strict=True)
    other = sum(int(np.count_nonzero(a != b)) for a, b in pairs)
    total = math.prod(one.data.shape)
    return (
        f"{second} differs from {first} in {other:,} of {total:,} values" if other else f"{second} equals {first}"
    )


def _find(given: Path | None, known: str | None, what: str, option: str, source: ImageFacts | None = None) -> Path:
    path = given or (None if known is None else Path(known))
    if path is not None and path.exists():
        return path
    again = f"; it was made by: {' '.join(source.record.command_line)}" if source and source.record else ""
    if path is None:
        raise UserError(f"{what} was in no file: save it, and name the file with {option}{again}")
    raise UserError(f"{what} is not at {path}: tell where it is now with {option}{again}")


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


def _model_differs(path: Path, known: ModelFacts) -> list[str]:
    found = str(read_facts(path).get("sha256"))
    if found == known.sha256:
        return []
    hashes = f"its SHA-256 begins with {found[:SHOWN]}, that of {known.name} began with {known.sha256[:SHOWN]}"
    return [f"{path} is another model: {hashes}; give the right one with --model"]


def _image_differs(image: Image, path: Path, known: ImageFacts, option: str | None) -> list[str]:
    found = facts_of(image)
    cure = f"give the right one with {option}" if option else "put the right one there"
    for name in ("shape", "dtype", "axes", "fingerprint"):
        now, before = getattr(found, name), getattr(known, name)
        if now != before:
            shown = [str(v)[:SHOWN] if name == "fingerprint" else v for v in (now, before)]
            return [f"{path} is another image: its {name} is {shown[0]}, that of the record {shown[1]}; {cure}"]
    if not np.allclose(found.spacing, known.spacing):
        return [f"{path} has voxels of {found.spacing} (Z, Y, X), those of the record are {known.spacing}; {cure}"]
    return []


def _notes(record: Record) -> list[str]:
    """Tell what a replay cannot promise."""
    now = versions()
    names = [n for n in sorted(now.keys() | record.versions.keys()) if now.get(n) != record.versions.get(n)]
    other = [f"{n} {now.get(n, 'is missing')} (then {record.versions.get(n, 'missing')})" for n in names]
    notes = [f"other versions: {', '.join(other)}"] if other else []
    return [*record.not_repeated, *notes]
