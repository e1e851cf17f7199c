"""The folder of a project: what ``project.json`` says, read as what it is, a file from somebody else.

::

    nuclei.unet/project.json       everything that is not pixels or weights
                annotations/1/     what is painted, see `napari_unet.storage.blocks`
                images/1.zarr      images that have no file of their own
                trainings/         models, and the states to go on from

Pixels and weights are written first, under names of their own; replacing ``project.json`` is the one moment in
which the project becomes the new one. Files that it names lie inside the folder, but for images and label images
that the user keeps elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_unet.errors import UserError, one_line
from napari_unet.files import replacing

FORMAT = 1
"""Version of the layout; a reader refuses a higher one."""
FILE = "project.json"
SUFFIX = ".unet"
TRAININGS = "trainings"
LARGEST_FILE = 2**26
"""Bytes of a ``project.json`` that is read."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Shape = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=8)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Look(_Facts):
    """Where a layer lies and how it is shown; None: as the viewer likes."""

    name: str
    scale: tuple[Number, ...] | None = None
    translate: tuple[Number, ...] | None = None
    rotate: tuple[tuple[Number, ...], ...] | None = None
    shear: tuple[Number, ...] | None = None
    affine: tuple[tuple[Number, ...], ...] | None = None
    units: tuple[str, ...] | None = None
    axis_labels: tuple[str, ...] | None = None
    opacity: Annotated[Number, Field(ge=0, le=1)] | None = None
    blending: str | None = None
    visible: bool | None = None
    contrast_limits: tuple[Number, Number] | None = None
    gamma: Number | None = None
    colormap: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Only what is told."""
        return self.model_dump(exclude_none=True)


class _Layer(_Facts):
    id: int = Field(ge=1)
    look: Look
    shape: Shape
    dtype: str
    is_open: bool = True
    """It was in the viewer; what the user has closed is kept, but not opened again."""


class KeptImage(_Layer):
    """An image: a file of the user's, or a copy in the project."""

    axes: str
    fingerprint: str
    """See `napari_unet.arrays.identity.fingerprint`."""
    path: str | None = None
    relative: str | None = None
    """The same as seen from the project, with forward slashes: both may have been moved together."""
    reader: str | None = None
    """napari plugin that has opened it."""
    copied: str | None = None
    """File inside the project."""


class Block(_Facts):
    """A painted block of an annotation."""

    file: str
    sha256: str


class Annotation(_Layer):
    """A label image: its painted blocks, or a file of the user's that it is painted into."""

    repeated: tuple[int, ...] = ()
    """Axes along which all is the same, such as channels; one of them is kept."""
    blocks: Mapping[str, Block] = Field(default_factory=dict)
    """By where they begin, such as "3-0-0"."""
    marked: bool = True
    """It was made by this plugin, and wears the colours of the annotation style."""
    path: str | None = None
    """A zarr array of its own, or the file that it was opened from."""
    relative: str | None = None
    """As of images."""
    reader: str | None = None
    """napari plugin that has opened it."""
    as_opened: bool = False
    """It is as a plugin has opened it, and cannot be painted there."""


class Project(_Facts):
    """What ``project.json`` says."""

    format: int = FORMAT
    made_by: str = ""
    saved: str = ""
    """Date and time."""
    images: tuple[KeptImage, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    image: int | None = None
    annotation: int | None = None
    """Which of them are worked on."""
    point: tuple[Number, ...] = ()
    """What is looked at, in coordinates of the viewer."""
    settings: Mapping[str, Any] | None = None
    """A `TrainingSpec`; read apart, so that the painting of a project with unknown settings can be opened."""
    training: str | None = None
    """File name of the last model in `TRAININGS`."""
    closed: bool = False
    """The window has ended as it should."""


class _Version(_Facts):
    format: int
    made_by: str = ""


def is_project(folder: Path) -> bool:
    """Whether a folder holds a project."""
    return (folder / FILE).is_file()


def read_project(folder: Path) -> Project:
    """Read ``project.json``; nothing that it names is looked at yet.

    Raises
    ------
    UserError
        If it is missing, damaged, or from a newer version.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_project(folder, Project(point=(0.0, 3.0)))
    >>> read_project(folder).point
    (0.0, 3.0)
    """
    path = folder / FILE
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path} is too large for a project; take an older copy of it")
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"{folder} holds no project: cannot read its {FILE} ({error.strerror})") from error
    try:
        version = _Version.model_validate_json(text)
        if version.format > FORMAT:
            raise UserError(
                f"{folder} was written by a newer version {version.made_by} in format {version.format}, this one "
                f"reads up to {FORMAT}: please update napari-unet-live"
            )
        return Project.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"{path} is damaged: {one_line(error)}; take an older copy of it from a backup") from error


def write_project(folder: Path, project: Project) -> None:
    """Replace ``project.json``, whole or not at all."""
    with replacing(folder / FILE) as temporary:
        temporary.write_text(project.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")


def inside(folder: Path, name: str) -> Path:
    """Give the path of a file that a project names.

    Raises
    ------
    UserError
        If it lies, or a link on the way leads, outside of the folder.

    Examples
    --------
    >>> inside(Path("a.unet"), "../b")
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: a.unet names the file '../b', which is not inside it: do not open ...
    """
    path = folder / name
    try:
        if "\0" not in name and path.resolve().is_relative_to(folder.resolve()):
            return path
    except (OSError, RuntimeError):  # loops of links, names that are too long
        pass
    raise UserError(
        f"{folder} names the file {name[:200]!r}, which is not inside it: do not open this project unless you "
        "know who wrote it"
    )


def find_image(folder: Path, image: KeptImage | Annotation) -> Path | None:
    """Find the file of an image or of labels, beside the project first; None if it is gone.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> image = KeptImage(id=1, look=Look(name="a"), shape=(8, 8), dtype="uint8", axes="YX", fingerprint="",
    ...                   path="/gone/a.tif", relative="../a.tif")
    >>> find_image(folder / "a.unet", image)
    >>> (folder / "a.tif").touch()
    >>> find_image(folder / "a.unet", image).name
    'a.tif'
    """
    beside = [] if image.relative is None else [Path(os.path.normpath(folder.absolute() / image.relative))]
    places = beside + ([] if image.path is None else [Path(image.path)])
    try:
        return next((p for p in places if p.exists()), None)
    except (OSError, ValueError):  # no possible name of a file
        return None


def relative_to(path: Path, folder: Path) -> str | None:
    """Tell where a file is as seen from a folder, with forward slashes; None if it is on another drive.

    Examples
    --------
    >>> relative_to(Path("/data/a.tif"), Path("/data/projects/a.unet"))
    '../../a.tif'
    """
    try:
        return PurePosixPath(Path(os.path.relpath(path, folder)).as_posix()).as_posix()
    except ValueError:
        return None
