"""What a batch makes: the outputs of every image by name, and which of them are still to be made."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.jobs.model import Model
from napari_unet.jobs.stored import is_made, predict_file
from napari_unet.jobs.stored_work import Request
from napari_unet.spec import BatchSpec, Output
from napari_unet.storage.formats import kind_of
from napari_unet.storage.gather import Found, gather


@dataclass(frozen=True)
class Item:
    """One image of a batch, and what is to be made of it.

    Parameters
    ----------
    found
        The image.
    requests
        One for each output.
    table
        Where its cells are measured into, if they are.
    problem
        Why it cannot be made, in words.
    missing
        Those of ``requests`` that are not finished; told by `check`, as is what follows.
    pixels
        Of the part that is predicted.
    """

    found: Found
    requests: tuple[Request, ...] = ()
    table: Path | None = None
    problem: str = ""
    missing: tuple[Request, ...] = ()
    pixels: int = 0

    @property
    def targets(self) -> tuple[Path, ...]:
        """All files that are made."""
        return (*(r.target for r in self.requests), *(() if self.table is None else (self.table,)))

    @property
    def cells(self) -> Request | None:
        """The request for cells, if there is one."""
        return next((r for r in self.requests if r.output == "cells"), None)

    @property
    def work(self) -> int:
        """How many pixels have to be computed."""
        return self.pixels * len(self.missing)


def plan(spec: BatchSpec) -> list[Item]:
    """Name the outputs of every image, and tell which cannot be made because of their names.

    Raises
    ------
    UserError
        If the folder of outputs is an input.
    """
    for text in spec.inputs:
        if Path(text).resolve() == spec.folder.resolve():
            raise UserError(f"{text} holds the images; choose another folder for the outputs")
    items = [_item(spec, found) for found in gather(spec.inputs, spec.folder, recursive=spec.recursive)]
    sources = {_key(item.found.path) for item in items if not item.problem}
    counts = Counter(_key(target) for item in items for target in item.targets)
    return [_with_names_checked(item, sources, counts) for item in items]


def _item(spec: BatchSpec, found: Found) -> Item:
    if found.problem:
        return Item(found, problem=found.problem)
    usual = "zarr" if kind_of(found.path) == "zarr" else "tif"
    ending = usual if spec.format == "auto" else spec.format
    base = spec.folder.joinpath(*found.name.split("/"))

    def target(output: Output) -> Path:
        what = f"-{output}" if len(spec.outputs) > 1 else ""
        return base.with_name(f"{base.name}{what}.{ending}")

    requests = tuple(
        Request(found.path, target(o), o, spec.axes, spec.tiling, spec.cells, spec.part, spec.channel)
        for o in spec.outputs
    )
    return Item(found, requests, base.with_name(f"{base.name}-cells.csv") if spec.measure else None)


def _key(path: Path) -> str:
    return os.path.normcase(path.resolve())


def _with_names_checked(item: Item, sources: set[str], counts: Counter[str]) -> Item:
    """Refuse what would overwrite an image, or another output."""
    for target in item.targets:
        if _key(target) in sources:
            return replace(item, problem=f"{target} is an image; choose another folder for the outputs")
        if counts[_key(target)] > 1:
            why = f"another image would be written to {target}, too; rename one of them, or take separate folders"
            return replace(item, problem=why)
    return item


def check(model: Model, item: Item) -> Item:
    """Open an image and see what is to be made of it; nothing is computed.

    Raises
    ------
    UserError, OSError
        If it cannot be read, does not fit the model, or its outputs cannot be written.
    """
    for folder in {target.parent for target in item.targets}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = tuple(r for r in item.requests if not is_made(model, r))
    for request in missing:
        predict_file(model, request)  # raises at once what can be known
    first = item.requests[0]
    pixels = math.prod(Region.of(first.open(), first.part).shape)
    return replace(item, missing=missing, pixels=pixels)
