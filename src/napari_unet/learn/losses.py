"""Losses over annotated pixels only."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from napari_unet.arrays.targets import IGNORE


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of the annotated pixels.

    Parameters
    ----------
    logits
        (N, classes, ...).
    target
        (N, ...) class indices, `IGNORE` where nothing is annotated.
    weights
        (N, ...) or None; the mean is then the weighted one.

    Returns
    -------
    Tensor
        A scalar; 0, with a gradient of 0, if no pixel is annotated.

    Examples
    --------
    >>> import torch
    >>> float(cross_entropy(torch.zeros(1, 2, 2), torch.tensor([[0, -1]]))).__round__(4)
    0.6931
    """
    annotated = target != IGNORE
    losses = F.cross_entropy(logits.float(), target.clamp(min=0), reduction="none")
    mask = annotated.float() if weights is None else annotated * weights
    return (losses * mask).sum() / mask.sum().clamp(min=1e-6)


def dice_scores(logits: Tensor, target: Tensor) -> list[float | None]:
    """Dice score of every class over the annotated pixels; None if it is neither annotated nor predicted."""
    annotated = target != IGNORE
    predicted = logits.argmax(dim=1)
    scores: list[float | None] = []
    for k in range(logits.shape[1]):
        truth, guess = (target == k) & annotated, (predicted == k) & annotated
        total = int(truth.sum() + guess.sum())
        scores.append(2 * int((truth & guess).sum()) / total if bool(truth.any()) else None)
    return scores
