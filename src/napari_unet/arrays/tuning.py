"""Which settings make the cells that somebody has drawn or accepted: tried on them, coarsely, then finely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.agglomeration import has_elf
from napari_unet.arrays.axes import ArrayLike
from napari_unet.arrays.contingency import contingency, renumber, sums
from napari_unet.arrays.pieces import cells_of_piece
from napari_unet.errors import UserError
from napari_unet.spec import CellMethod, CellSpec, ClassSpec

MARGIN = 64
"""Pixels around the known cells that are looked at with them."""
MOST_PIXELS = 2**20
"""Pixels that are looked at: places with the most known cells first."""
_BETAS = (0.3, 0.5, 0.7)
_THRESHOLDS = (0.35, 0.5, 0.65)
_OF_COMPONENTS = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Thresholds; nothing else tells connected parts apart."""
_TRIES = 7
"""Of the finer search."""


@dataclass(frozen=True)
class Place:
    """A plane or volume with some known cells.

    Parameters
    ----------
    probabilities
        ``(K, Z, Y, X)``, uint8 or float; cells are made in 3D if Z is longer than 1. Anything that can be sliced:
        only what is around the known cells is read.
    truth
        ``(Z, Y, X)``: a number for each known cell, 0 where nothing is known.
    spacing
        Size of a voxel along Z, Y, X.
    """

    probabilities: ArrayLike
    truth: npt.NDArray[Any]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Scored:
    """Settings, and how well their cells fit the known ones: 0 to 1 (the same pixels)."""

    cells: CellSpec
    score: float


def known_area(cells: npt.NDArray[Any], truth: npt.NDArray[Any]) -> list[float]:
    """Tell for each known cell how well the cell that fits it best does.

    Parameters
    ----------
    cells
        Integer ids, 0 outside.
    truth
        Same shape; 0 is unknown.

    Returns
    -------
    list of float
        Intersection over union, in the order of the known numbers. Both a cell that is cut and cells that are
        joined lower it.

    Examples
    --------
    >>> known_area(np.array([[1, 1, 2, 2, 2, 2]]), np.array([[5, 5, 0, 0, 7, 7]]))
    [1.0, 0.5]
    """
    table = contingency(renumber(truth), renumber(cells))
    known, found = sums(table, axis=1), sums(table, axis=0)
    pairs = table.tocoo()
    inside = (pairs.row > 0) & (pairs.col > 0)
    rows, columns, shared = pairs.row[inside], pairs.col[inside], pairs.data[inside].astype(float)
    best = np.zeros(len(known))
    np.maximum.at(best, rows, shared / (known[rows] + found[columns] - shared))
    return [float(v) for v in best[1:]]


def score(places: Sequence[Place], classes: Sequence[ClassSpec], cells: CellSpec) -> float:
    """Mean of `known_area` over all known cells; those of a volume count in every slice that shows them."""
    found: list[float] = []
    for place in places:
        made = cells_of_piece(np.asarray(place.probabilities), classes, cells, place.spacing)
        for plane, truth in zip(made, place.truth, strict=True):
            found += known_area(plane, truth)
    return float(np.mean(found)) if found else 0.0


def tune(
    places: Sequence[Place], classes: Sequence[ClassSpec], start: CellSpec | None = None
) -> Iterator[tuple[Scored, float]]:
    """Try settings on known cells.

    Parameters
    ----------
    places
        Where cells are known.
    classes
        Of the probabilities.
    start
        Tried first; what is not tuned is taken from it.

    Yields
    ------
    Scored, float
        What was tried, and which part of the search is done, 0 to 1.

    Raises
    ------
    UserError
        If no cell is known.
    """
    smallest = _smallest(places)
    if not smallest:
        raise UserError("no cell is known: tuning needs a number on every pixel of at least one cell")
    start = start or CellSpec()
    first = start.model_copy(update={"min_size": min(start.min_size, smallest // 2)})
    coarse = [start, *(spec for spec in _coarse(first) if spec != start)]
    tried: dict[CellSpec, float] = {}
    total = len(coarse) + _TRIES

    def attempt(spec: CellSpec) -> tuple[Scored, float]:
        tried[spec] = score(places, classes, spec)
        return Scored(spec, tried[spec]), min(1.0, len(tried) / total)

    for spec in coarse:
        yield attempt(spec)
    for step in (0.1, 0.05):
        for spec in _around(best_of([Scored(*item) for item in tried.items()]).cells, step):
            if spec not in tried:
                yield attempt(spec)


def best_of(tried: Sequence[Scored]) -> Scored:
    """Choose the best; of equally good ones (to a thousandth) that which is nearest to the defaults."""
    usual = CellSpec()

    def merit(found: Scored) -> tuple[float, float]:
        cells = found.cells
        far = abs(cells.beta - usual.beta) + abs(cells.threshold - usual.threshold)
        return round(found.score, 3), -(far + (cells.method != usual.method))

    return max(tried, key=merit)


def tune_cells(
    probabilities: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    classes: Sequence[ClassSpec],
    *,
    start: CellSpec | None = None,
    volume: bool = False,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> list[Scored]:
    """Find the settings that make known cells best.

    Parameters
    ----------
    probabilities
        ``(K, [Z,] Y, X)``, as `Model.predict` gives them.
    truth
        ``([Z,] Y, X)``: a number for each known cell, 0 where nothing is known. A few cells are enough; they have
        to be whole.
    classes
        Such as ``model.classes``.
    start
        What is not tuned, and the first that is tried.
    volume
        Cells go through the slices of a stack.
    spacing
        Size of a voxel along Z, Y, X; matters for volumes.

    Returns
    -------
    list of Scored
        What was tried, the best first; ``[0].cells`` is to be given to `Model.cells`. The score is the mean
        intersection over union of the known cells, each with the cell that fits it best.

    Raises
    ------
    UserError
        If the shapes do not fit, or no cell is known.

    Examples
    --------
    >>> from napari_unet.spec import BOUNDARY, CELL
    >>> faint = np.tile(np.uint8([0] * 9 + [80] + [0] * 9), (20, 1))
    >>> truth = np.tile([1] * 9 + [0] + [2] * 9, (20, 1))
    >>> tried = tune_cells(np.stack([255 - faint, faint]), truth, (CELL, BOUNDARY))
    >>> round(tried[0].score, 2), round(next(t.score for t in tried if t.cells == CellSpec()), 2)
    (1.0, 0.47)
    """
    if truth.shape != probabilities.shape[1:]:
        raise UserError(
            f"the known cells have the shape {truth.shape}, the probabilities {probabilities.shape[1:]}"
        )
    if truth.ndim == 2:
        probabilities, truth = probabilities[:, np.newaxis], truth[np.newaxis]
    step = len(truth) if volume else 1
    parts = [slice(z, z + step) for z in range(0, len(truth), step)]
    places = [Place(probabilities[:, z], truth[z], spacing) for z in parts if truth[z].any()]
    tried = [found for found, _ in tune(chosen(places), classes, start)]
    first = best_of(tried) if tried else None
    return sorted(tried, key=lambda found: (found is not first, -found.score))


def chosen(places: Sequence[Place]) -> list[Place]:
    """Crop places to their known cells, and take those with the most until enough is looked at."""
    taken: list[Place] = []
    pixels = 0
    for place in (_cropped(p) for p in sorted(places, key=lambda p: -len(np.unique(p.truth)))):
        if taken and pixels + place.truth.size > MOST_PIXELS:
            break
        taken.append(place)
        pixels += place.truth.size
    return taken


def _cropped(place: Place) -> Place:
    """Leave out what is far from all known cells."""
    box = []
    for axis, length in enumerate(place.truth.shape):
        others = tuple(a for a in range(place.truth.ndim) if a != axis)
        (at,) = np.nonzero(place.truth.any(axis=others))
        box.append(slice(max(0, int(at[0]) - MARGIN), min(length, int(at[-1]) + 1 + MARGIN)))
    return Place(np.asarray(place.probabilities[(slice(None), *box)]), place.truth[tuple(box)], place.spacing)


def _smallest(places: Sequence[Place]) -> int:
    """Pixels of the smallest known cell; 0 if there is none."""
    sizes = [n for p in places for v, n in zip(*np.unique(p.truth, return_counts=True), strict=True) if v]
    return int(min(sizes, default=0))


def _coarse(start: CellSpec) -> Iterator[CellSpec]:
    methods: tuple[CellMethod, ...] = ("auto", "multicut") if has_elf() else ("auto",)
    for method in methods:
        for beta in _BETAS:
            for threshold in _THRESHOLDS:
                yield _changed(start, method=method, beta=beta, threshold=threshold)
    for threshold in _OF_COMPONENTS:
        yield _changed(start, method="components", threshold=threshold)


def _around(cells: CellSpec, step: float) -> list[CellSpec]:
    """Neighbours of settings: a step less or more of what counts for their method."""
    fields = ("threshold",) if cells.method == "components" else ("beta", "threshold")
    return [
        _changed(cells, **{field: float(np.clip(round(getattr(cells, field) + way * step, 2), 0.05, 0.95))})
        for field in fields
        for way in (-1, 1)
    ]


def _changed(cells: CellSpec, **update: Any) -> CellSpec:
    return cells.model_copy(update=update)
