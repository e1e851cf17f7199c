"""Losses over annotated pixels only.

Each takes what the network gives (before the activation), the target and the weights of the pixels, and knows
nothing else; `make_loss` chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_unet.arrays.targets import IGNORE
from napari_unet.nets.head import probabilities
from napari_unet.spec import NetSpec, TrainSpec, default_loss

LossFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Of outputs (N, channels, ...), target (N, ...) and the pixels' weights (N, ...) or None; gives a scalar."""

SMOOTH = 1.0
"""Added to both sides of Dice's fraction, so that an empty class has a score of 1 and a gradient."""


def weighted_mean(values: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Mean over annotated pixels; 0, with a gradient of 0, if there are none."""
    mask = (target != IGNORE).float()
    if weights is not None:
        mask = mask * weights
    return (values * mask).sum() / mask.sum().clamp(min=1e-6)


def cross_entropy(outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy after a softmax, of the annotated pixels.

    Parameters
    ----------
    outputs
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
    >>> float(cross_entropy(torch.zeros(1, 2, 2), torch.tensor([[0, -1]]))).__round__(4)
    0.6931
    """
    losses = F.cross_entropy(outputs.float(), target.clamp(min=0), reduction="none")
    return weighted_mean(losses, target, weights)


def binary_cross_entropy(outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy after a sigmoid, of the annotated pixels and the output channels.

    Parameters
    ----------
    outputs
        (N, channels, ...); channel ``k`` tells class ``k`` from all others.
    target, weights
        As in `cross_entropy`.

    Examples
    --------
    >>> float(binary_cross_entropy(torch.zeros(1, 1, 2), torch.tensor([[0, -1]]))).__round__(4)
    0.6931
    """
    wanted = one_hot(target, outputs.shape[1])
    losses = F.binary_cross_entropy_with_logits(outputs.float(), wanted, reduction="none").mean(dim=1)
    return weighted_mean(losses, target, weights)


def soft_dice(chances: Tensor, target: Tensor, weights: Tensor | None = None, *, squared: bool = False) -> Tensor:
    """One minus the soft Dice score of the annotated pixels, averaged over the channels.

    ``1 - (2 sum(p g) + 1) / (sum(p) + sum(g) + 1)`` per channel, over all patches of a batch together; ``squared``
    takes ``sum(p^2) + sum(g^2)``, as Milletari et al. 2016 (arXiv:1606.04797, section 3) do.

    Parameters
    ----------
    chances
        (N, channels, ...) probabilities; channel ``k`` belongs to class ``k``.
    target, weights
        As in `cross_entropy`.

    Examples
    --------
    >>> float(soft_dice(torch.ones(1, 1, 2), torch.tensor([[0, 0]])))
    0.0
    """
    mask = (target != IGNORE).float() if weights is None else (target != IGNORE) * weights
    p, g, m = chances.float(), one_hot(target, chances.shape[1]), mask[:, None]
    axes = [0, *range(2, chances.ndim)]
    both = (p * g * m).sum(axes)
    total = ((p**2 + g**2) * m).sum(axes) if squared else ((p + g) * m).sum(axes)
    return (1 - (2 * both + SMOOTH) / (total + SMOOTH)).mean()


def one_hot(target: Tensor, channels: int) -> Tensor:
    """Mark the pixels of every class: float32 (N, channels, ...).

    Examples
    --------
    >>> one_hot(torch.tensor([[1, -1]]), 2)
    tensor([[[0., 0.],
             [1., 0.]]])
    """
    return torch.stack([(target == k).float() for k in range(channels)], dim=1)


def balance(counts: Sequence[int]) -> Tensor:
    """Weights of the classes by how rare they are: w_c of equation 2 of the 2015 paper.

    Inverse to the number of annotated pixels, and 1 on average over these pixels; a class that is not annotated
    has 1.

    Examples
    --------
    >>> balance([90, 10, 0])
    tensor([0.5556, 5.0000, 1.0000])
    """
    present = sum(n > 0 for n in counts)
    total = sum(counts)
    return torch.tensor([total / (present * n) if n else 1.0 for n in counts])


def pixel_weights(target: Tensor, border: Tensor | None, classes: Tensor | None) -> Tensor | None:
    """Join both terms of equation 2 of the 2015 paper: ``w_c(x) + w0 exp(...)``.

    Parameters
    ----------
    target
        (N, ...).
    border
        (N, ...), ``1 + w0 exp(...)`` from `border_weights`, or None.
    classes
        (classes,) from `balance`, or None.
    """
    if classes is None:
        return border
    own = classes.to(target.device)[target.clamp(min=0)]
    return own if border is None else own + border - 1


def make_loss(train: TrainSpec, net: NetSpec) -> LossFunction:
    """Choose the loss that a training asks for, or the network's own.

    Dice counts both classes of a single sigmoid: which of them is rare depends on the image.
    """
    kind = train.loss or default_loss(net)
    entropy = cross_entropy if net.activation == "softmax" else binary_cross_entropy
    if kind in ("cross-entropy", "binary-cross-entropy"):
        return entropy

    def dice(outputs: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        several = net.activation == "sigmoid" and net.outputs > 1
        chances = outputs.float().sigmoid() if several else probabilities(outputs, net)
        return soft_dice(chances, target, weights, squared=train.dice_squared)

    if kind == "dice":
        return dice
    return lambda outputs, target, weights: dice(outputs, target, weights) + entropy(outputs, target, weights)


def dice_scores(chances: Tensor, target: Tensor) -> list[float | None]:
    """Dice score of every class over the annotated pixels; None if it is not annotated.

    Parameters
    ----------
    chances
        (N, classes, ...) probabilities, or anything that grows with them.
    target
        (N, ...) class indices, or `IGNORE`.
    """
    annotated = target != IGNORE
    predicted = chances.argmax(dim=1)
    scores: list[float | None] = []
    for k in range(chances.shape[1]):
        truth, guess = (target == k) & annotated, (predicted == k) & annotated
        total = int(truth.sum() + guess.sum())
        scores.append(2 * int((truth & guess).sum()) / total if bool(truth.any()) else None)
    return scores
