"""Mirror images and quarter turns: views of an image that are as good as the image itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_unet.spec import AugmentSpec, Mirrors


@dataclass(frozen=True)
class Turn:
    """One of the views; of a volume, turned in its Y-X plane.

    Examples
    --------
    >>> turn, values = Turn(quarters=1, mirrored=(-1,)), torch.arange(6).reshape(1, 1, 2, 3)
    >>> turn.apply(values)[0, 0].tolist()
    [[0, 3], [1, 4], [2, 5]]
    >>> turn.undo(turn.apply(values)).equal(values)
    True
    """

    quarters: int = 0
    mirrored: tuple[int, ...] = ()
    """Axes, counted from the last."""

    def apply(self, values: Tensor) -> Tensor:
        """Give the view of values (..., Y, X)."""
        values = values.flip(self.mirrored) if self.mirrored else values
        return torch.rot90(values, self.quarters, (-2, -1)) if self.quarters else values

    def undo(self, values: Tensor) -> Tensor:
        """Give back what a view (..., Y, X) was made of."""
        values = torch.rot90(values, -self.quarters, (-2, -1)) if self.quarters else values
        return values.flip(self.mirrored) if self.mirrored else values


AS_IT_IS = Turn()


def turns(spec: AugmentSpec, patch: Sequence[int]) -> tuple[Turn, ...]:
    """Give all the views of a patch that a training may see; the first is the patch as it is.

    Examples
    --------
    >>> len(turns(AugmentSpec(), (64, 64))), len(turns(AugmentSpec(), (16, 64, 64)))
    (8, 16)
    >>> len(turns(AugmentSpec(), (64, 32))), len(turns(AugmentSpec(flip=False), (64, 64)))
    (4, 4)
    >>> turns(AugmentSpec(flip=False, rotate90=False), (64, 64))
    (Turn(quarters=0, mirrored=()),)
    """
    square = patch[-1] == patch[-2]
    quarters = range(4) if spec.rotate90 and square else (0, 2) if spec.rotate90 or spec.flip else (0,)
    axes = [a for a in range(-len(patch), 0) if spec.flip and a != -2]  # the rest of -2 is done by half turns
    mirrored = itertools.chain.from_iterable(itertools.combinations(axes, n) for n in range(len(axes) + 1))
    return tuple(Turn(q, m) for m, q in itertools.product(mirrored, quarters))


def learnt_mirrors(spec: AugmentSpec) -> Mirrors:
    """Count the mirror images that a training sees: what was never learnt from tells nothing.

    Examples
    --------
    >>> [learnt_mirrors(AugmentSpec(flip=flip, rotate90=turn)) for flip, turn in [(1, 1), (0, 1), (0, 0)]]
    [4, 2, 1]
    """
    return 4 if spec.flip else 2 if spec.rotate90 else 1


def mirror_images(count: Mirrors) -> tuple[Turn, ...]:
    """Give the views that a prediction averages: mirrored along Y and X, so that tiles keep their shape.

    A tile may be mirrored by itself, and tiled stays equal to whole: all tiles of an image begin at the same place
    within the grid of the network's strides, and so do they end at the same one, where their mirror images begin.

    Examples
    --------
    >>> values = torch.tensor([[0, 1], [2, 3]])
    >>> [turn.apply(values).flatten().tolist() for turn in mirror_images(4)]
    [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]]
    """
    every = AS_IT_IS, Turn(mirrored=(-2, -1)), Turn(mirrored=(-1,)), Turn(mirrored=(-2,))
    return every[:count]
