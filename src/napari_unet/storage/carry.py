"""What a project holds that is not in the viewer, such as layers that were closed: brought into another folder."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from napari_unet.storage.keep import bring_training
from napari_unet.storage.project import TRAININGS, Annotation, KeptImage, Project, find_image, inside, relative_to

Layer = TypeVar("Layer", KeptImage, Annotation)


def carry_over(
    old: Path,
    new: Path,
    project: Project,
    images: Collection[int] = (),
    annotations: Collection[int] = (),
    *,
    training: bool = True,
) -> Project:
    """Copy what no layer holds any more into a new folder.

    Parameters
    ----------
    old, project
        Where it is.
    new
        Is there already; its ``project.json`` is not written.
    images, annotations
        Numbers of those that are written from their layers.
    training
        Its last training goes along.

    Returns
    -------
    Project
        What `napari_unet.storage.keep.save` takes as ``before`` in the new folder.

    Raises
    ------
    OSError, UserError
        If it cannot be copied, or a file lies outside of the project; one that is missing stays so.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from napari_unet.storage.keep import AnnotationNow, Now, save
    >>> from napari_unet.storage.project import Look
    >>> folder = Path(tempfile.mkdtemp())
    >>> strokes = AnnotationNow(1, np.eye(8, dtype=np.uint8), Look(name="strokes"))
    >>> project = save(folder / "a", Now(annotations=(strokes,)), Project())
    >>> (folder / "b").mkdir()
    >>> project = carry_over(folder / "a", folder / "b", project)
    >>> [(folder / "b" / block.file).is_file() for a in project.annotations for block in a.blocks.values()]
    [True]
    """
    kept = [a for a in project.annotations if a.id not in annotations]
    for file in (block.file for a in kept for block in a.blocks.values()):
        _copy(inside(old, file), inside(new, file))
    pictures = [_image(old, new, i) for i in project.images if i.id not in images]
    name = project.training if training else None
    model = None if name is None else inside(old / TRAININGS, name)
    return Project(
        images=tuple(pictures),
        annotations=tuple(_moved(old, new, a) for a in kept),
        settings=project.settings,
        training=bring_training(new, model) if model is not None and model.is_file() else None,
    )


def _image(old: Path, new: Path, image: KeptImage) -> KeptImage:
    if image.copied is not None:
        _copy(inside(old, image.copied), inside(new, image.copied))
    return _moved(old, new, image)


def _moved(old: Path, new: Path, layer: Layer) -> Layer:
    """Tell where the file of a layer is as seen from the new folder."""
    if layer.path is None:
        return layer
    path = find_image(old, layer) or Path(layer.path)
    return layer.model_copy(update={"path": str(path), "relative": relative_to(path, new)})


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        shutil.copy2(source, target)
