"""Fit what a network says to what is annotated, by very little: one scale, and one shift per class.

The probabilities of a network that was trained elsewhere are over-confident, or lean to one class; a few strokes
tell by how much. This is vector scaling with a common scale (Guo et al. 2017, "On calibration of modern neural
networks", arXiv:1706.04599), fitted to the strokes, weighed by class. A class that nobody paints becomes rare by
that, which is right where it was never asked for. Where it was, that it is not what was painted is no sign that it
is rare: only those that are painted are weighed against each other then.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_unet.arrays.targets import IGNORE

HOLD = 3e-3
"""Pull of scale and shifts towards 1 and 0, against the mean loss of an annotated pixel."""
FEW = 3.0
"""What this pull grows by, over the number of annotated pixels."""
ITERATIONS = 50
FAINT = 1e-6
"""The least probability that is told from none."""


@dataclass(frozen=True)
class Calibration:
    """What to do to the last layer: ``scale`` times its outputs, plus ``shift`` of every class."""

    scale: float
    shift: tuple[float, ...]

    def apply(self, chances: Tensor) -> Tensor:
        """Calibrate probabilities (N, classes, ...)."""
        shift = torch.tensor(self.shift).reshape(1, -1, *[1] * (chances.ndim - 2))
        return (self.scale * chances.clamp(min=FAINT).log() + shift).softmax(dim=1)


def fit(chances: Tensor, target: Tensor, weights: Tensor, *, spare: bool = False) -> Calibration:
    """Find the calibration under which what is annotated is likeliest.

    Parameters
    ----------
    chances
        (N, classes, ...) probabilities of a softmax.
    target
        (N, ...) class indices, `IGNORE` where nothing is annotated.
    weights
        Of every class in the loss.
    spare
        Leave classes as they are of which nothing is annotated.

    Examples
    --------
    A network that sees the second class everywhere, a little less so where the first is painted:

    >>> chances = torch.tensor([[[0.3] * 500 + [0.1] * 500, [0.7] * 500 + [0.9] * 500]])
    >>> target = torch.tensor([[0] * 500 + [1] * 500])
    >>> found = fit(chances, target, torch.ones(2))
    >>> found.apply(chances).argmax(dim=1).equal(target)
    True

    A class that is not annotated may be left as it is:

    >>> three = torch.cat([chances * 0.1, torch.full((1, 1, 1000), 0.9)], dim=1)
    >>> found = fit(three, target, torch.ones(3), spare=True)
    >>> abs(sum(found.shift)) < 1e-4, found.shift[2]
    (True, 0.0)
    """
    known, classes = target != IGNORE, chances.shape[1]
    truth = target[known]
    fitted = torch.bincount(truth, minlength=classes) > 0 if spare else torch.ones(classes, dtype=torch.bool)
    if not len(truth):
        return Calibration(1.0, (0.0,) * classes)
    logits = chances.clamp(min=FAINT).log().movedim(1, -1)[known][:, fitted]
    weight = weights[truth]
    weight, pull = weight / weight.sum(), HOLD + FEW / len(truth)
    truth = (fitted.cumsum(0) - 1)[truth]  # its number among those that are fitted
    growth, shift = (torch.zeros(n, requires_grad=True) for n in (1, logits.shape[1]))
    optimizer = torch.optim.LBFGS([growth, shift], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        each = nn.functional.cross_entropy(logits * growth.exp() + shift, truth, reduction="none")
        value = (each * weight).sum() + pull * ((growth**2).sum() + (shift**2).sum())
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    whole = torch.zeros(classes)
    whole[fitted] = shift.detach()
    return Calibration(float(growth.detach().exp()), tuple(whole.tolist()))
