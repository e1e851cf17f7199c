"""What a package of BioImage.IO says of its model, of version 0.4 or 0.5 of the format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_unet.errors import UserError
from napari_unet.storage.bioimageio.archive import Files, check_name
from napari_unet.storage.bioimageio.older import modern

LONGEST = 2**20
"""Bytes of a description, and of the source of a network."""
MOST_ALIASES = 20
"""References of a description to parts of itself: of references to references a few make gigabytes."""
_DAMAGE = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What the YAML reader raises, the latter ones from its conversions of numbers and dates."""


class Part(BaseModel):
    """Base of all parts of a description; what is not needed here is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class File(Part):
    """A file of the package."""

    source: str
    sha256: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is part of the package, not of the internet."""
        return "://" not in self.source


class Size(Part):
    """Lengths that an axis may have: ``min`` and multiples of ``step`` more."""

    min: int = Field(ge=1)
    step: int = Field(ge=0)


class Like(Part):
    """A length that follows from that of another axis."""

    tensor_id: str
    axis_id: str = ""
    offset: float = 0


class Axis(Part):
    """An axis of a tensor."""

    type: Literal["batch", "channel", "index", "time", "space"]
    id: str = ""
    size: int | Size | Like | None = None
    halo: int = Field(default=0, ge=0)
    scale: float = 1.0
    channel_names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its id; the default of its type if it has none."""
        return self.id or {"space": "x"}.get(self.type, self.type)


class Step(Part):
    """A step of processing, by name."""

    id: str
    kwargs: dict[str, Any] = Field(default_factory=dict)


class Tensor(Part):
    """An input or an output."""

    id: str
    axes: tuple[Axis, ...]
    test_tensor: File
    preprocessing: tuple[Step, ...] = ()
    postprocessing: tuple[Step, ...] = ()
    data: Any = None

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(a.name for a in self.axes)


class Architecture(Part):
    """Where the code of a network is: in a file of the package, or in a library."""

    callable: str
    source: str = ""
    sha256: str | None = None
    import_from: str = ""
    kwargs: dict[str, Any] = Field(default_factory=dict)


class StateDict(File):
    """Weights that need the code of their network."""

    architecture: Architecture


class Weights(Part):
    """The weights, in one or more formats."""

    pytorch_state_dict: StateDict | None = None
    onnx: File | None = None
    torchscript: File | None = None

    @property
    def formats(self) -> list[str]:
        """Those that there are."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class Description(Part):
    """A model."""

    name: str
    format_version: str
    type: Literal["model"]
    inputs: tuple[Tensor, ...] = Field(min_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    weights: Weights
    license: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)


def read_description(files: Files) -> Description:
    """Read the description of a package.

    Raises
    ------
    UserError
        If it is damaged, no model's, or names files that are not within the package.
    """
    found = _load(files)
    version = str(found.get("format_version", ""))
    if not version.startswith(("0.4", "0.5")):
        raise UserError(f"{files.path} has the format '{version[:40]}'; those from 0.4 to 0.5 can be read")
    try:
        description = Description.model_validate(modern(found) if version.startswith("0.4") else found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        words = f"{where}: {first['msg']}"
        raise UserError(f"{files.path} describes no model that can be read: {words}") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:  # of an older one
        raise UserError(f"{files.path} describes no model that can be read ({repr(error)[:200]})") from error
    _check_names(description, files.path)
    return description


def _load(files: Files) -> dict[str, Any]:
    content = files.read(files.description, LONGEST)
    try:
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, Loader=yaml.SafeLoader))
        found = yaml.safe_load(content) if aliases <= MOST_ALIASES else None
    except _DAMAGE as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"{files.description} of {files.path} cannot be read: {words}") from error
    if aliases > MOST_ALIASES:
        raise UserError(f"{files.path} is refused: its description repeats parts of itself {aliases} times")
    if not isinstance(found, dict):
        raise UserError(f"{files.description} of {files.path} describes nothing")
    return found


def _check_names(description: Description, path: Path) -> None:
    """Refuse files outside of the package, also where they would not be read."""
    weights = description.weights
    given: list[File] = [t.test_tensor for t in (*description.inputs, *description.outputs)]
    given += [getattr(weights, name) for name in weights.formats]
    names = [f.source for f in given if f.is_here]
    if weights.pytorch_state_dict is not None and weights.pytorch_state_dict.architecture.source:
        names.append(weights.pytorch_state_dict.architecture.source)
    for name in names:
        check_name(name, path)
