"""Writing a project: what has changed since the last time, and no more."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint
from napari_unet.files import replacing
from napari_unet.storage import budget, copies
from napari_unet.storage.blocks import places, remove_others, repeated_axes, write_blocks
from napari_unet.storage.project import (
    TRAININGS,
    Annotation,
    KeptImage,
    Look,
    Project,
    relative_to,
    write_project,
)

STATE = ".resume.safetensors"
"""Ending of the state for going on, beside a model."""


@dataclass(frozen=True)
class ImageNow:
    """An image as it is in the viewer; ``path`` and ``reader`` tell how it was opened, if it was."""

    id: int
    data: Any
    axes: str
    look: Look
    path: Path | None = None
    reader: str | None = None
    is_open: bool = True


@dataclass(frozen=True)
class AnnotationNow:
    """An annotation as it is in the viewer.

    Parameters
    ----------
    path
        The file that it is painted into, or, unless ``painted``, that it was opened from with ``reader``.
    painted
        It may hold strokes of this window. What does not, and has no file, is copied like an image: up to a size.
    """

    id: int
    data: Any
    look: Look
    marked: bool = True
    path: Path | None = None
    is_open: bool = True
    reader: str | None = None
    painted: bool = True


@dataclass(frozen=True)
class Now:
    """All that a project is to hold.

    Parameters
    ----------
    images, annotations
        Layers.
    image, annotation
        Which of them are worked on.
    point
        What is looked at.
    settings
        A `TrainingSpec` as JSON.
    training
        The last model, wherever it is; copied, with the state beside it, if it is not in the project.
    closed
        The window ends.
    """

    images: tuple[ImageNow, ...] = ()
    annotations: tuple[AnnotationNow, ...] = ()
    image: int | None = None
    annotation: int | None = None
    point: tuple[float, ...] = ()
    settings: Mapping[str, Any] | None = None
    training: Path | None = None
    closed: bool = False


def save(folder: Path, now: Now, before: Project, *, largest_copy: int = copies.LARGEST) -> Project:
    """Bring a project up to date; what it held before and is not in the viewer any more stays.

    Parameters
    ----------
    folder
        Is made if it is not there.
    now
        What to hold.
    before
        What `save` returned the last time.
    largest_copy
        Images without a file of more bytes are not copied; they have neither path nor copy afterwards. Labels
        without strokes are left out.

    Raises
    ------
    OSError, UserError
        If it cannot be written; the project stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "a.unet"
    >>> strokes = AnnotationNow(1, np.eye(8, dtype=np.uint8), Look(name="strokes"))
    >>> project = save(folder, Now(annotations=(strokes,)), Project())
    >>> [len(a.blocks) for a in project.annotations]
    [1]
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = {i.id: i for i in before.images} | {i.id: _image(folder, i, before, largest_copy) for i in now.images}
    annotations = {a.id: a for a in before.annotations} | {
        a.id: _annotation(folder, a, before) for a in now.annotations if _is_kept(a, largest_copy)
    }
    project = Project(
        made_by=_version(),
        saved=datetime.now(UTC).isoformat(timespec="seconds"),
        images=tuple(images.values()),
        annotations=tuple(annotations.values()),
        image=now.image,
        annotation=now.annotation,
        point=now.point,
        settings=before.settings if now.settings is None else now.settings,
        training=before.training if now.training is None else bring_training(folder, now.training),
        closed=now.closed,
    )
    write_project(folder, project)
    remove_others(folder, project.annotations)
    return project


def _version() -> str:
    try:
        return version("napari-unet-live")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def is_painted(now: Now) -> bool:
    """Whether anything is painted that has no file of its own."""
    drawn = (a.data for a in now.annotations if a.path is None and a.painted)
    return any(np.asarray(data[place]).any() for data in drawn for _, place in places(data.shape))


def _image(folder: Path, image: ImageNow, before: Project, largest_copy: int) -> KeptImage:
    shape, dtype = tuple(int(n) for n in image.data.shape), np.dtype(image.data.dtype)
    known = next((i for i in before.images if i.id == image.id), None)
    same = known is not None and (known.shape, known.dtype, known.axes) == (shape, str(dtype), image.axes)
    copied = known.copied if known is not None and same else None
    content = known.fingerprint if known is not None and same else fingerprint(Image(image.data, image.axes))
    if image.path is None and copied is None and budget.nbytes(shape, dtype) <= largest_copy:
        copied = f"{copies.FOLDER}/{image.id}.zarr"
        copies.write_copy(folder / copied, image.data, image.axes)
    return KeptImage(
        id=image.id,
        look=image.look,
        shape=shape,
        dtype=str(dtype),
        is_open=image.is_open,
        axes=image.axes,
        fingerprint=content,
        path=None if image.path is None else str(image.path),
        relative=None if image.path is None else relative_to(image.path, folder),
        reader=image.reader,
        copied=copied if image.path is None else None,
    )


def _is_kept(annotation: AnnotationNow, largest_copy: int) -> bool:
    size = budget.nbytes(annotation.data.shape, annotation.data.dtype)
    return annotation.painted or annotation.path is not None or size <= largest_copy


def _annotation(folder: Path, annotation: AnnotationNow, before: Project) -> Annotation:
    known = next((a for a in before.annotations if a.id == annotation.id), None)
    repeated = repeated_axes(annotation.data)
    blocks = {}
    if annotation.path is None:
        blocks = write_blocks(folder, annotation.id, annotation.data, repeated, known.blocks if known else None)
    return Annotation(
        id=annotation.id,
        look=annotation.look,
        shape=tuple(int(n) for n in annotation.data.shape),
        dtype=str(np.dtype(annotation.data.dtype)),
        is_open=annotation.is_open,
        marked=annotation.marked,
        repeated=repeated,
        blocks=blocks,
        path=None if annotation.path is None else str(annotation.path),
        relative=None if annotation.path is None else relative_to(annotation.path, folder),
        reader=annotation.reader,
        as_opened=annotation.path is not None and not annotation.painted,
    )


def bring_training(folder: Path, model: Path) -> str:
    """Bring a model and the state beside it into the project; returns its name there."""
    target = folder / TRAININGS / model.name
    target.parent.mkdir(exist_ok=True)
    for source, copy in ((model, target), (model.with_suffix(STATE), target.with_suffix(STATE))):
        if source.is_file() and source.resolve() != copy.resolve() and _is_newer(source, copy):
            with replacing(copy) as temporary:
                shutil.copy2(source, temporary)
    return model.name


def _is_newer(source: Path, copy: Path) -> bool:
    return not copy.is_file() or source.stat().st_mtime > copy.stat().st_mtime
