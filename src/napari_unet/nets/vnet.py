"""V-Net: Milletari, Navab and Ahmadi 2016 (arXiv:1606.04797), figure 2 and table 1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from napari_unet.nets.blocks import initialise_he, join
from napari_unet.nets.geometry import Axis, Geometry, Level, conv
from napari_unet.spec import VNetSpec

KERNEL = 5
DOWN = (1, 2, 3, 3, 3)
"""Convolutions of the left stages from the top; the last one is the bottom."""
UP = (1, 2, 3, 3)
"""Convolutions of the right stages from the top."""


def geometry(spec: VNetSpec) -> Geometry:
    """Geometry of the network; a network of less depth leaves out the deepest stages."""
    ways = zip(DOWN[: spec.depth], UP[: spec.depth], strict=True)
    levels = [Level(conv(KERNEL, down), conv(KERNEL, up), 2) for down, up in ways]
    axis = Axis((*levels, Level(conv(KERNEL, DOWN[spec.depth]))))
    return Geometry((axis,) * spec.ndim)


class Stage(nn.Module):
    """``times`` convolutions 5x5x5, each with PReLU; the input is added before the last PReLU."""

    def __init__(self, channels_in: int, channels: int, times: int) -> None:
        super().__init__()
        widths = [channels_in] + [channels] * times
        self.convolutions = nn.ModuleList(
            nn.Conv3d(i, o, KERNEL, padding=KERNEL // 2) for i, o in pairwise(widths)
        )
        self.activations = nn.ModuleList(nn.PReLU(channels) for _ in range(times))

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Take (N, ``channels_in``, Z, Y, X) to (N, ``channels``, Z, Y, X); add ``shortcut`` instead of ``x``."""
        shortcut = x if shortcut is None else shortcut
        last = len(self.convolutions) - 1
        for i, (convolution, activation) in enumerate(zip(self.convolutions, self.activations, strict=True)):
            x = convolution(x)
            x = activation(x + shortcut if i == last else x)
        return x


def _rescale(convolution: type[nn.Module], channels_in: int, channels: int) -> nn.Sequential:
    """Half or twice the size by a 2x2x2 convolution of stride 2, then PReLU."""
    return nn.Sequential(convolution(channels_in, channels, 2, stride=2), nn.PReLU(channels))


def widths(spec: VNetSpec) -> tuple[Sequence[int], Sequence[int]]:
    """Channels of the left stages and of the right ones, both from the top.

    A right stage works on a skip and as many channels from below, so it is twice as wide as the left one.

    Examples
    --------
    >>> widths(VNetSpec())
    ([16, 32, 64, 128, 256], [32, 64, 128, 256])
    """
    left = [spec.base * 2**level for level in range(spec.depth + 1)]
    return left, [2 * w for w in left[:-1]]


class VNet(nn.Module):
    """Input (N, C, Z, Y, X), lengths multiples of 2^depth; output (N, outputs, Z, Y, X).

    As in the paper, the one input channel is added to each of the first stage's outputs. The paper has no more
    than one channel; more of them go through a 1x1x1 convolution for this sum. There is no BatchNorm.
    """

    def __init__(self, spec: VNetSpec) -> None:
        super().__init__()
        left, right = widths(spec)
        self.shortcut = nn.Conv3d(spec.in_channels, spec.base, 1) if spec.in_channels > 1 else nn.Identity()
        inputs = [spec.in_channels, *left[1:]]
        self.left = nn.ModuleList(Stage(i, w, n) for i, w, n in zip(inputs, left, DOWN, strict=False))
        self.down = nn.ModuleList(_rescale(nn.Conv3d, i, w) for i, w in pairwise(left))
        below = [*right[1:], left[-1]]
        levels = range(spec.depth - 1, -1, -1)
        self.up = nn.ModuleList(_rescale(nn.ConvTranspose3d, below[n], left[n]) for n in levels)
        self.right = nn.ModuleList(Stage(right[n], right[n], UP[n]) for n in levels)
        self.head = nn.Conv3d(right[0], spec.outputs, 1)
        initialise_he(self)
        # Every stage's sum doubles the variance; the head takes that back, or training would start where the
        # softmax is flat.
        nn.init.normal_(self.head.weight, 0, (right[0] * 2.0 ** (2 * spec.depth + 1)) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last layer, before its activation."""
        skips = [self.left[0](x, self.shortcut(x))]  # one channel is added to all by broadcasting
        for down, stage in zip(self.down, self.left[1:], strict=True):
            skips.append(stage(down(skips[-1])))
        x = skips.pop()
        for up, stage in zip(self.up, self.right, strict=True):
            x = stage(join(skips.pop(), up(x)))
        outputs: Tensor = self.head(x)
        return outputs
