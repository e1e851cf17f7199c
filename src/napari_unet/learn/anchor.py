"""What a training keeps to where nothing is painted: the network that it began with.

A few strokes say little about the rest of the image, and a network that learns from them alone forgets what it
knew. So where nothing is painted, its predictions are held to those of the start (Li and Hoiem 2016, "Learning
without forgetting", arXiv:1606.09282), if these are worth anything where something is painted. And strokes are no
fair sample of the classes: users paint thin lines as often as wide areas. What the start sees of every class in
the image corrects that (importance weights, Shimodaira 2000). What leans to a class in the start itself is put
right by the strokes before it is kept to, see `napari_unet.learn.calibrate`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from napari_unet.arrays.targets import IGNORE, Target
from napari_unet.learn import calibrate
from napari_unet.learn.calibrate import Calibration
from napari_unet.learn.data import Unit, cut_crop
from napari_unet.learn.device import memory_format
from napari_unet.learn.inference import prepare
from napari_unet.learn.turns import Turn
from napari_unet.nets.adopt import rescale

LOOKS = 12
"""Patches of the image that are looked at, at most."""
SMALLEST = 1e-3
"""Share that a class has at least."""
AS_IT_IS = Turn()


class Anchor:
    """The start network, and what it is worth.

    Parameters
    ----------
    network
        With the start's weights, softmax outputs, one per class; copied.
    units, targets
        What is learnt from.
    patch
        Size of the network's input.
    calibrated
        It has been calibrated before.
    spare
        Its classes are wanted, painted or not, see `calibrate.fit`.

    Attributes
    ----------
    trust
        0 to 1: how well the start predicts what is painted; 0 if no better than chance.
    weights
        Of every class in the loss: how often it occurs, by what the start sees, over how often it is painted.
    prior
        How often every class occurs, by what the start sees.
    calibration
        What the strokes have last changed about the start; it is in ``network`` already.
    """

    def __init__(
        self,
        network: nn.Module,
        units: Sequence[Unit],
        targets: Sequence[Target],
        patch: Sequence[int],
        *,
        calibrated: bool = False,
        spare: bool = False,
    ) -> None:
        self._spare = spare
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._half = False
        self._ready: nn.Module | None = None
        self.calibration: Calibration | None = None
        self.measure(units, targets, patch, calibrated=calibrated)

    def measure(
        self,
        units: Sequence[Unit],
        targets: Sequence[Target],
        patch: Sequence[int],
        *,
        calibrated: bool = False,
    ) -> None:
        """Compare the start with what is painted now: set ``trust`` and ``weights``, and calibrate it."""
        places = [(n, start) for n, target in enumerate(targets) for start in _annotated(target, patch)]
        chosen = [places[int(n)] for n in np.linspace(0, len(places) - 1, min(LOOKS, len(places)))]
        on = next(self.network.parameters()).device
        ready = prepare(self.network, len(patch), on)  # in full: a training that goes on finds the same again
        chances = torch.cat([_look(ready, on, units[n], start, patch) for n, start in chosen])
        cuts = [cut_crop(targets[n], start, patch, "ignore") for n, start in chosen]
        target = torch.from_numpy(np.stack(cuts).astype(np.int64))
        self.trust = trust(chances, target)
        counts = torch.tensor([sum(int((t == k).sum()) for t in targets) for k in range(chances.shape[1])])
        whole = sum(t.size for t in targets)
        self.prior = shares(chances, target, counts, whole)
        if not calibrated:
            self.calibration = calibrate.fit(chances, target, class_weights(self.prior, counts), spare=self._spare)
            rescale(self.network, self.calibration.scale, self.calibration.shift)
            self._ready = None
            self.prior = shares(self.calibration.apply(chances), target, counts, whole)
        self.weights = class_weights(self.prior, counts)

    def to(self, device: torch.device, *, half: bool) -> Anchor:
        """Move to a device; tell in which precision the loss is computed there."""
        self.network.to(device)
        self._half, self._ready = half, None
        return self

    def _see(self, images: Tensor) -> Tensor:
        """Compute what the start sees; twice as fast as by the network itself, whose weights do not change."""
        if self._ready is None:
            self._ready = prepare(self.network, images.ndim - 2, images.device, half=self._half)
        seen: Tensor = self._ready(images.contiguous(memory_format=memory_format(images.ndim - 2)))
        return seen

    def loss(self, outputs: Tensor, images: Tensor, target: Tensor, turn: Turn = AS_IT_IS) -> Tensor:
        """Mean Kullback-Leibler divergence from the start's predictions, over what is not annotated.

        Parameters
        ----------
        outputs
            (N, classes, ...) of the network that learns, before the softmax.
        images
            (N, C, ...), what it saw.
        target
            (N, ...) class indices, `IGNORE` where nothing is annotated.
        turn
            How the start looks at the images. Another way at every step, and what is kept to is what all of them
            say together.
        """
        with torch.no_grad():
            wanted = turn.undo(self._see(turn.apply(images))).log_softmax(dim=1)
        divergence = (wanted.exp() * (wanted - outputs.float().log_softmax(dim=1))).sum(dim=1)
        free = (target == IGNORE).float()
        mean: Tensor = (divergence * free).sum() / free.sum().clamp(min=1)
        return mean


@torch.no_grad()
def _look(ready: nn.Module, on: torch.device, unit: Unit, start: Sequence[int], patch: Sequence[int]) -> Tensor:
    image = torch.from_numpy(unit.normalisation.apply(cut_crop(unit.image, start, patch, "reflect")))[None].to(on)
    found: Tensor = ready(image.contiguous(memory_format=memory_format(len(patch)))).softmax(dim=1).cpu()
    return found


def _annotated(target: Target, patch: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Give the starts of patches, side by side, that hold annotation."""
    for index in np.ndindex(*(-(-n // p) for n, p in zip(target.shape, patch, strict=True))):
        start = tuple(i * p for i, p in zip(index, patch, strict=True))
        if (target[tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))] != IGNORE).any():
            yield start


def trust(chances: Tensor, target: Tensor) -> float:
    """Tell how well probabilities predict what is annotated: the balanced accuracy, less what chance gives.

    Parameters
    ----------
    chances
        (N, classes, ...).
    target
        (N, ...), `IGNORE` where nothing is annotated.

    Examples
    --------
    >>> perfect = torch.eye(2)[None, :, :]
    >>> trust(perfect, torch.tensor([[0, 1]])), trust(perfect, torch.tensor([[0, 0]]))
    (1.0, 0.0)
    """
    classes, guess = chances.shape[1], chances.argmax(dim=1)
    right = [float((guess[target == k] == k).float().mean()) for k in range(classes) if (target == k).any()]
    chance = 1 / classes
    return max(0.0, (sum(right) / len(right) - chance) / (1 - chance)) if right else 0.0


def shares(chances: Tensor, target: Tensor, counts: Tensor, whole: int) -> Tensor:
    """Tell how often every class occurs: annotated pixels are what they are, the others as the start sees them.

    Parameters
    ----------
    chances, target
        As in `trust`.
    counts
        Annotated pixels of every class.
    whole
        Pixels of the image in all.

    Returns
    -------
    Tensor
        (classes,), at least `SMALLEST` each; their sum is 1.

    Examples
    --------
    >>> seen = torch.tensor([[[0.9, 0.9], [0.1, 0.1]]])
    >>> shares(seen, torch.tensor([[-1, -1]]), torch.tensor([5, 5]), 10**6)
    tensor([0.9000, 0.1000])
    >>> shares(seen, torch.tensor([[-1, -1]]), torch.tensor([5, 5]), 10)
    tensor([0.5000, 0.5000])
    """
    painted, free = counts.float(), target == IGNORE
    fallback = painted / painted.sum()
    seen = torch.stack([chances[:, k][free].mean() if free.any() else fallback[k] for k in range(len(counts))])
    found = ((painted + (whole - painted.sum()) * seen) / whole).clamp(min=SMALLEST)
    return found / found.sum()


def class_weights(prior: Tensor, counts: Tensor) -> Tensor:
    """Weigh the classes by how often they occur over how often they are painted.

    Parameters
    ----------
    prior
        Of `shares`.
    counts
        Annotated pixels of every class.

    Returns
    -------
    Tensor
        A weight per class; their mean over the annotated pixels is 1.

    Examples
    --------
    >>> class_weights(torch.tensor([0.9, 0.1]), torch.tensor([5, 5]))
    tensor([1.8000, 0.2000])
    """
    painted = counts / counts.sum()
    weights = torch.where(counts > 0, prior / painted.clamp(min=SMALLEST), torch.ones_like(prior))
    return weights / (weights * painted).sum()
