"""What a batch makes: the outputs of every image by name, and which of them are still to be made."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.jobs.counting import is_measured, is_own_table
from napari_unet.jobs.model import Model
from napari_unet.jobs.stored import is_made, predict_file
from napari_unet.jobs.stored_work import Request
from napari_unet.spec import BatchSpec, Output
from napari_unet.storage.formats import kind_of
from napari_unet.storage.gather import Found, gather
from napari_unet.storage.stamp import is_of_request


class InTheWayError(UserError):
    """A file lies where an output goes that no batch has written."""


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
    def stale(self) -> tuple[Path, ...]:
        """Files that are made now, whatever lies there; of a table only if its cells are made."""
        made = tuple(r.target for r in self.missing)
        return made if self.table is None or self.cells not in self.missing else (*made, self.table)

    @property
    def work(self) -> int:
        """How many pixels have to be computed."""
        return self.pixels * len(self.missing)


def plan(spec: BatchSpec) -> tuple[list[Item], list[Path]]:
    """Name the outputs of every image, and tell which cannot be made because of their names.

    Returns
    -------
    items, results
        The images; what lies among them, and is left out as it says that it is a result.

    Raises
    ------
    UserError
        If the folder of outputs is an input.
    """
    for text in spec.inputs:
        if Path(text).resolve() == spec.folder.resolve():
            raise UserError(f"{text} holds the images; choose another folder for the outputs")
    every = gather(spec.inputs, spec.folder, recursive=spec.recursive)
    items = [_item(spec, found) for found in every if not found.result]
    sources = {_key(item.found.path) for item in items if not item.problem}
    counts = Counter(_key(target) for item in items for target in item.targets)
    results = [found.path for found in every if found.result]
    return [_with_names_checked(item, sources, counts) for item in items], results


def _item(spec: BatchSpec, found: Found) -> Item:
    if found.problem:
        return Item(found, problem=found.problem)
    if any(0xD800 <= ord(letter) < 0xE000 for letter in found.name):  # bytes that Python could not read
        return Item(found, problem="its name is not text in UTF-8, which its outputs need; rename it")
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
        If it cannot be read, does not fit the model, or its outputs cannot be written, or are somebody's work.
    """
    for folder in {target.parent for target in item.targets}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = tuple(r for r in item.requests if not is_made(model, r))
    for request in missing:
        check_target(request.target)
        predict_file(model, request)  # raises at once what can be known
    found = replace(item, missing=missing)
    _check_table(found)
    first = item.requests[0]
    return replace(found, pixels=math.prod(Region.of(first.open(), first.part).shape))


def check_target(target: Path) -> None:
    """Raise `InTheWayError` if a file is there that is not as a batch has written it."""
    if target.exists() and not is_of_request(target):
        raise _in_the_way(target)


def _check_table(item: Item) -> None:
    """Raise `InTheWayError` if a table would be replaced that is not as a batch has written it."""
    cells, table = item.cells, item.table
    if cells is None or table is None or not table.exists():
        return
    stays = cells not in item.missing and is_measured(cells, table)
    if not stays and not is_own_table(cells, table):
        raise _in_the_way(table)


def _in_the_way(path: Path) -> InTheWayError:
    return InTheWayError(
        f"{path} was not made by a batch, or was changed since; move it, or choose another folder"
    )
