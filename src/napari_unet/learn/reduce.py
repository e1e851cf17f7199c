"""What is made of probabilities on the device, so that less has to leave it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from napari_unet.spec import ClassSpec

Wanted = Literal["float", "byte", "classes", "boundaries"]
"""Probabilities as float32, or as uint8 from 0 to 255; class ids from 1; the boundary mask, 0 or 1."""


def reducer(
    wanted: Collection[Wanted], classes: Sequence[ClassSpec], threshold: float
) -> Callable[[Tensor], Mapping[Wanted, Tensor]]:
    """Make the function that a `Predictor` calls with its probabilities.

    Parameters
    ----------
    wanted
        What to make.
    classes
        The K classes, in the order of the probabilities.
    threshold
        Boundary probability from which on a pixel is boundary.

    Examples
    --------
    >>> from napari_unet.spec import BOUNDARY, CELL
    >>> reduce = reducer(["byte", "classes"], (CELL, BOUNDARY), 0.5)
    >>> {name: found.flatten().tolist() for name, found in reduce(torch.tensor([[[0.2]], [[0.8]]])[None]).items()}
    {'byte': [51, 204], 'classes': [2]}
    """
    lines = [i for i, c in enumerate(classes) if c.role == "boundary"]
    makers: dict[Wanted, Callable[[Tensor], Tensor]] = {
        "float": lambda p: p,
        "byte": lambda p: (p * 255).round().to(torch.uint8),
        "classes": lambda p: (p.argmax(dim=1) + 1).to(torch.uint8),
        "boundaries": lambda p: (_sum_of(p, lines) >= threshold).to(torch.uint8),
    }
    return lambda p: {name: makers[name](p) for name in wanted}


def _sum_of(p: Tensor, channels: Sequence[int]) -> Tensor:
    """Add channels up, one after the other: a list as index would be copied to the GPU, and waited for."""
    return functools.reduce(torch.add, (p[:, n] for n in channels))
