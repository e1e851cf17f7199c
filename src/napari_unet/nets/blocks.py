"""Layers that several networks are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, cat, nn

CONV: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM: dict[int, type[nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL: dict[int, type[nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


def convolutions(widths: Sequence[int], *, padding: int = 1, batchnorm: bool = False) -> nn.Sequential:
    """(3x3 convolution, [BatchNorm,] ReLU) from each width to the next, in 2D.

    Examples
    --------
    >>> convolutions((1, 8, 8), padding=0)(torch.zeros(1, 1, 10, 10)).shape
    torch.Size([1, 8, 6, 6])
    """
    layers: list[nn.Module] = []
    for channels_in, channels in pairwise(widths):
        layers.append(nn.Conv2d(channels_in, channels, 3, padding=padding))
        if batchnorm:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def resize_convolution(channels_in: int, channels: int) -> nn.Sequential:
    """Twice the size by nearest neighbour, then a 2x2 convolution and ReLU, in 2D.

    An even kernel has no middle; like Keras' padding "same", a pixel looks at itself and its neighbours to the
    right and below.
    """
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(channels_in, channels, 2),
        nn.ReLU(inplace=True),
    )


def crop_to(x: Tensor, like: Tensor) -> Tensor:
    """Cut the middle of ``x`` with the size of ``like``, as valid networks do with their skips."""
    for axis in range(2, x.ndim):
        surplus = x.shape[axis] - like.shape[axis]
        x = x.narrow(axis, surplus // 2, like.shape[axis])
    return x


def join(skip: Tensor, x: Tensor) -> Tensor:
    """Put a skip and what comes from below side by side, the skip first and cropped if it is larger."""
    return cat([crop_to(skip, x), x], dim=1)


class Joined(nn.Sequential):
    """Layers on a skip and what comes from below, side by side; a convolution is the first of them.

    In training this is no more than `join`; for inference nothing need be copied, see
    `napari_unet.learn.inference`.

    Parameters
    ----------
    skip
        Channels of the skip.
    layers
        Become the layers of this one, under the same names.
    """

    def __init__(self, skip: int, layers: nn.Sequential) -> None:
        super().__init__(*layers)
        self.skip = skip

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        """(N, ``skip``, ...) and (N, C, ...) to what the layers make of (N, ``skip`` + C, ...)."""
        y: Tensor = super().forward(join(skip, x))
        return y


@torch.no_grad()
def initialise_he(network: nn.Module) -> None:
    """Draw weights from a normal distribution with deviation sqrt(2 / N); biases become 0.

    N is the number of inputs of one output (He et al. 2015, arXiv:1502.01852; section 3 of the U-Net paper). An
    output of a transposed convolution whose stride is its kernel sees one pixel.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            seen = (
                1 if isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d) else math.prod(layer.kernel_size)
            )
            layer.weight.normal_(0, math.sqrt(2 / (layer.in_channels * seen)))
            if layer.bias is not None:
                layer.bias.zero_()
