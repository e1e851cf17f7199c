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


@dataclass(frozen=True)
class Block:
    """A held-out box of one annotated plane (or volume): ``unit`` is its number, ``box`` its slices."""

    unit: int
    box: tuple[slice, ...]


def blocks_of(shape: Sequence[int], size: Sequence[int]) -> list[tuple[slice, ...]]:
    """Cut a shape into boxes of about ``size``, none smaller than half of it."""
    spans = []
    for length, wanted in zip(shape, size, strict=True):
        edges = np.linspace(0, length, max(1, round(length / wanted)) + 1).round().astype(int)
        spans.append([slice(int(a), int(b)) for a, b in pairwise(edges)])
    return list(product(*spans))


def hold_out(
    targets: Sequence[Target], fraction: float, classes: int, *, block: Sequence[int], seed: int = 0
) -> list[Block]:
    """Choose blocks to hold out of training, spread over the annotated planes.

    Blocks are drawn at random; one that brings a class still missing in the held-out part is preferred, and no
    block is taken that holds more than half of what is left of a class for training.

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

    Returns
    -------
    list of Block
        Possibly empty, if the annotation is too small to be split.
    """
    if fraction <= 0:
        return []
    candidates = [Block(u, box) for u, t in enumerate(targets) for box in blocks_of(t.shape, block)]
    counts = np.array([_count(targets[b.unit][b.box], classes) for b in candidates])
    total = counts.sum(axis=0)
    left = total.copy()
    order = np.random.default_rng(seed).permutation(len(candidates))
    order = order[counts[order].sum(axis=1) > 0]
    chosen: list[int] = []
    held = np.zeros(classes, int)
    while held.sum() < fraction * total.sum():
        possible = [i for i in order if i not in chosen and (2 * counts[i] <= left).all()]
        if not possible:
            break
        used = {candidates[i].unit for i in chosen}
        missing = (held == 0) & (total > 0)
        best = max(
            possible,
            key=lambda i: (bool((counts[i][missing] > 0).any()), candidates[i].unit not in used),
        )
        if held.sum() + counts[best].sum() > 3 * fraction * total.sum() and chosen:
            break
        chosen.append(best)
        held += counts[best]
        left -= counts[best]
    return [candidates[i] for i in chosen]


def _count(target: Target, classes: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(target[target != IGNORE].ravel(), minlength=classes)


def without(target: Target, boxes: Sequence[tuple[slice, ...]], guard: int = GUARD) -> Target:
    """Copy a target with the given boxes, and ``guard`` pixels around them, not annotated.

    Examples
    --------
    >>> without(np.zeros((1, 6), np.int8), [(slice(0, 1), slice(0, 2))], guard=1)
    array([[-1, -1, -1,  0,  0,  0]], dtype=int8)
    """
    result = target.copy()
    for box in boxes:
        result[tuple(slice(max(0, s.start - guard), s.stop + guard) for s in box)] = IGNORE
    return result


def bounding_box(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[slice, ...] | None:
    """Smallest box that holds every True, or None."""
    found = ndimage.find_objects(mask.astype(np.int8))
    return found[0] if found else None
