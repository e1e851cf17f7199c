"""How often every class occurs in the image, as the network that learns comes to see it.

A training weighs its classes by how often the start sees them (see `napari_unet.learn.anchor`). Where the start is
wrong about that, so is what learns from it: it expects a class more often than it occurs, or less, and decides by
that wherever it is in doubt. But what it sees of the image tells how often the classes do occur, by expectation
maximisation, and its probabilities are corrected by the ratio (Saerens, Latinne and Decaestecker 2002, "Adjusting
the outputs of a classifier to new a priori probabilities: a simple procedure", Neural Computation 14).
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from napari_unet.arrays.targets import IGNORE
from napari_unet.learn.anchor import Anchor
from napari_unet.spec import TrainingSpec

EVERY = 5
"""Steps between two looks at a place of the image."""
LOOKS = 12
"""How many are remembered."""
LEAST = 4
"""Looks that change nothing yet."""
GRID = 4
"""Every so many pixels along Y and X are looked at: neighbours tell the same."""
ITERATIONS = 30
MOST = 3.0
"""Factor by which a class may turn out more or less frequent than it was taken for."""


class Prior:
    """Frequencies of the classes.

    Parameters
    ----------
    taught
        (classes,) how often they occur, by the weights of the loss; their sum is 1.

    Attributes
    ----------
    seen
        (classes,) how often they occur, by what the network saw.
    """

    def __init__(self, taught: Tensor) -> None:
        self.taught, self.seen = taught, taught.clone()
        self._chances, self._known = deque[Tensor](maxlen=LOOKS), deque[Tensor](maxlen=LOOKS)

    def look(self, outputs: Tensor, target: Tensor) -> None:
        """Learn from what the network sees of a place.

        Parameters
        ----------
        outputs
            (N, classes, ...) before the softmax.
        target
            (N, ...) class indices, `IGNORE` where nothing is annotated; elsewhere the class is known.

        Examples
        --------
        A network was taught that both classes are as frequent. It is sure of 12 pixels of the second class in a
        hundred, and thinks 2 to 1 in the others:

        >>> prior = Prior(torch.tensor([0.5, 0.5]))
        >>> outputs = torch.tensor([2.0, 1.0]).log().repeat(100, 1)
        >>> outputs[:12] = torch.tensor([-9.0, 9.0])
        >>> for _ in range(50):
        ...     prior.look(outputs.T[None, :, None].repeat(1, 1, 4, 4), torch.full((1, 4, 400), IGNORE))
        >>> [round(p, 2) for p in prior.seen.tolist()]
        [0.76, 0.24]
        """
        if not outputs.isfinite().all():  # the training has diverged: what was seen before still holds
            return
        self._known.append(target[..., ::GRID, ::GRID].flatten().cpu())
        flat = outputs[..., ::GRID, ::GRID].movedim(1, -1).flatten(0, -2)
        self._chances.append(flat.float().softmax(dim=1).cpu())
        if len(self._known) > LEAST:
            self.seen = self._maximised(torch.cat([*self._chances]), torch.cat([*self._known]))

    def _maximised(self, chances: Tensor, known: Tensor) -> Tensor:
        seen, painted = (self.seen + self.taught) / 2, known != IGNORE  # what was not seen yet may still come
        free = chances[~painted]
        counts = torch.bincount(known[painted], minlength=len(seen))
        for _ in range(ITERATIONS):
            likely = free * (seen / self.taught)
            found = (likely / likely.sum(dim=1, keepdim=True)).sum(dim=0) + counts
            seen = found / found.sum()
        return seen

    @property
    def shift(self) -> list[float]:
        """What is added to the network's outputs, one per class."""
        ratio: list[float] = (self.seen / self.taught).clamp(1 / MOST, MOST).log().tolist()
        return ratio


def prior_of(spec: TrainingSpec, anchor: Anchor | None) -> Prior | None:
    """Give the prior of a training; None where there is nothing to correct.

    Only for tissues, which cells fill. Where things lie on a background, they and their rims are rare, and a
    network that is a little too sure of itself sees them twice as often as they are.
    """
    alone = any(c.role == "background" for c in spec.target.classes)
    if anchor is None or alone or spec.train.class_balance:
        return None
    return Prior(anchor.prior)
