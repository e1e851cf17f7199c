"""A batch: many images, one model, one folder of results; and the command line that says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from napari_unet.spec.base import Spec
from napari_unet.spec.prediction import CellSpec, Output, TilingSpec

BatchFormat = Literal["auto", "tif", "ome.tif", "zarr", "ome.zarr"]
Range = tuple[int, int | None] | None
"""First position and the one after the last; None as the last: to the end; None alone: everything."""


class BatchSpec(Spec):
    """What to predict of which images, and where to."""

    model: Path
    inputs: tuple[str, ...] = Field(min_length=1)
    """Files, folders, patterns such as ``plate/*.tif``."""
    folder: Path
    """Where the outputs go, named as their images."""
    outputs: tuple[Output, ...] = Field(default=("cells",), min_length=1)
    format: BatchFormat = "auto"
    """``auto``: zarr for a zarr, else tif."""
    recursive: bool = False
    """Take the images of all folders below, too; the outputs lie in folders of the same names."""
    measure: bool = False
    """Write a table of the cells of every image besides."""
    axes: str | None = None
    """One letter per axis of the images; None: as each file says, else guessed."""
    channel: int | None = Field(default=None, ge=0)
    """The only channel that is used, from 0."""
    t: Range = None
    z: Range = None
    y: Range = None
    x: Range = None
    tiling: TilingSpec = Field(default_factory=TilingSpec)
    cells: CellSpec = Field(default_factory=CellSpec)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.measure and "cells" not in self.outputs:
            raise ValueError("only cells can be measured: let cells be one of the outputs")
        if len(set(self.outputs)) < len(self.outputs):
            raise ValueError(f"the outputs {', '.join(self.outputs)} name one twice; name each once")
        return self

    @property
    def part(self) -> tuple[Range, Range, Range, Range]:
        """Ranges along T, Z, Y, X."""
        return self.t, self.z, self.y, self.x


def batch_arguments(spec: BatchSpec) -> list[str]:
    """Say a batch as arguments of ``napari-unet``; what is as usual is left out.

    Examples
    --------
    >>> spec = BatchSpec(model="a.safetensors", inputs=("plate",), folder="out", z=(2, None), measure=True)
    >>> " ".join(batch_arguments(spec))
    'batch a.safetensors plate -o out --measure --z 2:'
    """
    usual, tiling, cells = BatchSpec.model_fields, spec.tiling, spec.cells
    found = ["batch", str(spec.model), *spec.inputs, "-o", str(spec.folder)]
    if spec.outputs != usual["outputs"].default:
        found += ["--output", ",".join(spec.outputs)]
    if spec.format != "auto":
        found += ["--format", spec.format]
    found += [f"--{name}" for name in ("recursive", "measure") if getattr(spec, name)]
    for name in ("axes", "channel"):
        if getattr(spec, name) is not None:
            found += [f"--{name}", str(getattr(spec, name))]
    for name, wanted in zip("tzyx", spec.part, strict=True):
        if wanted is not None:
            found += [f"--{name}", f"{wanted[0]}:{'' if wanted[1] is None else wanted[1]}"]
    for part, plain in ((tiling, TilingSpec()), (cells, CellSpec())):
        for name, value in part:
            if value != getattr(plain, name):
                found += [f"--{name.replace('_', '-')}", str(value)]
    if any(name.startswith("-") for name in spec.inputs):  # a file is no option
        found = [*found[:2], *found[2 + len(spec.inputs) :], "--", *spec.inputs]
    return found
