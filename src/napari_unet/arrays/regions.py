"""The part of the annotation that is held out: whole blocks, a guard band away from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from scipy import ndimage

from napari_unet.arrays.targets import IGNORE, Target

GUARD = 8
"""Pixels around a held-out block whose annotation is used for nothing."""
MAX_BLOCKS = 16
"""More are not needed to score a training, and cost time at every check."""


@dataclass(frozen=True)
class Block:
    """A held-out box of one annotated plane (or volume): ``unit`` is its number, ``box`` its slices."""

    unit: int
    box: tuple[slice, ...]


def blocks_of(
    shape: Sequence[int], size: Sequence[int], touching: Sequence[slice] | None = None
) -> list[tuple[slice, ...]]:
    """Cut a shape into boxes of about ``size``, none smaller than half of it.

    Parameters
    ----------
    shape, size
        Pixels per axis.
    touching
        Only those that reach into this box; None: all.

    Examples
    --------
    >>> blocks_of((8,), (2,), touching=(slice(3, 5),))
    [(slice(2, 4, None),), (slice(4, 6, None),)]
    """
    spans = []
    box = touching or [slice(0, length) for length in shape]
    for length, wanted, within in zip(shape, size, box, strict=True):
        edges = np.linspace(0, length, max(1, round(length / wanted)) + 1).round().astype(int)
        cut = (slice(int(a), int(b)) for a, b in pairwise(edges))
        spans.append([s for s in cut if s.start < within.stop and within.start < s.stop])
    return list(product(*spans))


def hold_out(
    targets: Sequence[Target],
    fraction: float,
    classes: int,
    *,
    block: Sequence[int],
    seed: int = 0,
    beside: Sequence[Sequence[int]] | None = None,
    known: Sequence[int] | None = None,
    enough: bool = False,
    within: Sequence[Target] | None = None,
) -> list[Block]:
    """Choose blocks to hold out of training, spread over the annotated planes.

    Blocks are drawn at random; one that brings a class still missing in the held-out part is preferred, then one
    of a plane that has none yet. When enough pixels are held out, only missing classes are looked for. Of no class
    more than half is taken away from the training. If the annotation is too small for blocks of the given size,
    smaller ones are tried.

    Parameters
    ----------
    targets
        One target per annotated plane (or volume).
    fraction
        Part of the annotated pixels to hold out, 0 to 1.
    classes
        Number of classes.
    block
        Block size per axis of the targets, pixels.
    seed
        Seed of the draw.
    beside
        For every plane the numbers of the planes that lose a block's box with it, itself included. None: only
        itself.
    known
        Pixels per class that are held out elsewhere; None: none are.
    enough
        They are enough, but for the classes of which there are none.
    within
        All that is learnt from, of which ``targets`` are a part, plane by plane: of this, half of a class may be
        taken away. None: ``targets`` are all.

    Returns
    -------
    list of Block
        At most `MAX_BLOCKS`; empty if the annotation is too small to be split.
    """
    if fraction <= 0:
        return []
    beside = beside or [[u] for u in range(len(targets))]
    candidates = [
        Block(u, box)
        for u, t in enumerate(targets)
        if (painted_box := bounding_box(t != IGNORE)) is not None
        for box in blocks_of(t.shape, block, painted_box)
    ]
    held = np.array([_count(targets[c.unit][c.box], classes) for c in candidates]).reshape(-1, classes)
    painted = np.flatnonzero(held.sum(axis=1))
    order = np.random.default_rng(seed).permutation(painted)
    candidates, held = [candidates[i] for i in order], held[order]
    whole = targets if within is None else within
    lost = np.array([_lost(whole, c, beside[c.unit], classes) for c in candidates]).reshape(-1, classes)
    new, total = (sum((_count(t, classes) for t in ts), np.zeros(classes, np.int64)) for ts in (targets, whole))
    elsewhere = np.zeros(classes, np.int64) if known is None else np.array(known)
    wanted = fraction * new.sum()
    chosen = _choose(np.array([c.unit for c in candidates]), held, lost, total, wanted, elsewhere, enough)
    smaller = [max(1, n // 2) for n in block]
    if not chosen and max(smaller) >= GUARD:
        return hold_out(
            targets,
            fraction,
            classes,
            block=smaller,
            seed=seed,
            beside=beside,
            known=known,
            enough=enough,
            within=within,
        )
    return [candidates[i] for i in chosen]


Counts = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def _choose(
    units: Counts, held: Counts, lost: Counts, total: Counts, wanted: float, known: Counts, enough: bool
) -> list[int]:
    """Choose candidates: ``held`` and ``lost`` are pixels per candidate and class, ``total`` pixels per class."""
    left, found = total.copy(), known.copy()
    free = np.ones(len(units), bool)
    chosen: list[int] = []
    while len(chosen) < MAX_BLOCKS:
        fits = free & (2 * lost <= left).all(axis=1) & (lost.sum(axis=1) <= 3 * wanted)
        missing = (found == 0) & (total > 0)
        brings = (held[:, missing] > 0).any(axis=1)
        if enough or (found - known).sum() >= wanted:
            fits &= brings
        if not fits.any():
            break
        merit = 2 * brings + ~np.isin(units, units[chosen])
        best = int(np.argmax(np.where(fits, merit, -1)))
        free[best] = False
        chosen.append(best)
        found = found + held[best]
        left = left - lost[best]
    return chosen


def _lost(targets: Sequence[Target], block: Block, planes: Sequence[int], classes: int) -> Counts:
    """Pixels per class that training loses with a block: its box and the guard, in all planes concerned."""
    box = _grown(block.box, GUARD)
    return sum((_count(targets[p][box], classes) for p in planes), np.zeros(classes, np.int64))


def _count(target: Target, classes: int) -> Counts:
    return np.bincount(target[target != IGNORE].ravel(), minlength=classes)


def _grown(box: tuple[slice, ...], by: int) -> tuple[slice, ...]:
    return tuple(slice(max(0, s.start - by), s.stop + by) for s in box)


def without(target: Target, boxes: Sequence[tuple[slice, ...]], guard: int = GUARD) -> Target:
    """Copy a target with the given boxes, and ``guard`` pixels around them, not annotated.

    Examples
    --------
    >>> without(np.zeros((1, 6), np.int8), [(slice(0, 1), slice(0, 2))], guard=1)
    array([[-1, -1, -1,  0,  0,  0]], dtype=int8)
    """
    result = target.copy()
    for box in boxes:
        result[_grown(box, guard)] = IGNORE
    return result


def bounding_box(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[slice, ...] | None:
    """Smallest box that holds every True, or None."""
    found = ndimage.find_objects(mask.astype(np.int8))
    return found[0] if found else None
