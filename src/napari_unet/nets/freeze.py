"""Parts of a network that a training leaves exactly as they are, and later takes up again.

It takes two things: no gradients (`freeze`), and evaluation mode in every step, for BatchNorm would otherwise go
on counting and dropout go on dropping (`train_mode`, which belongs where else ``network.train()`` would stand).
A frozen part is marked; a copy of the network has the mark as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

_MARK = "_napari_unet_frozen"


def freeze(part: nn.Module) -> None:
    """Leave a part of a network as it is from now on, BatchNorm statistics included.

    An optimiser may know its parameters: without a gradient they are not touched, by weight decay neither.
    """
    setattr(part, _MARK, True)
    part.requires_grad_(False).eval()
    for parameter in part.parameters():
        parameter.grad = None  # of an earlier step; an optimiser would go on with it


def unfreeze(part: nn.Module) -> None:
    """Train a part of a network again, all of it; the optimiser must know its parameters."""
    for module in part.modules():
        setattr(module, _MARK, False)
    part.requires_grad_(True)


def is_frozen(part: nn.Module) -> bool:
    """Tell whether `freeze` was called for exactly this part."""
    return bool(getattr(part, _MARK, False))


def train_mode(network: nn.Module) -> None:
    """Put a network into training mode, but for its frozen parts.

    Examples
    --------
    >>> network = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(1))
    >>> freeze(network[0])
    >>> train_mode(network)
    >>> [layer.training for layer in network]
    [False, True]
    """
    network.train()
    for part in network.modules():
        if is_frozen(part):
            part.eval()


def keep_statistics(network: nn.Module) -> None:
    """Let BatchNorm normalise by what it knows, and leave that as it is; its scale and shift go on learning.

    Until `train_mode` is called again.
    """
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
            part.eval()


def free_modules(network: nn.Module) -> Iterator[nn.Module]:
    """Give the modules of a network that are in no frozen part: only their statistics may be estimated anew.

    Examples
    --------
    >>> network = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(2))
    >>> freeze(network[0])
    >>> [m.num_features for m in free_modules(network) if isinstance(m, nn.BatchNorm2d)]
    [2]
    """
    if is_frozen(network):
        return
    yield network
    for child in network.children():
        yield from free_modules(child)
