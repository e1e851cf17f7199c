"""A padded U-Net of half the width with transposed convolutions, made for the soft Dice loss."""

from __future__ import annotations

from torch import Tensor, nn

from napari_unet.nets.blocks import convolutions, initialise_he, join
from napari_unet.nets.geometry import Geometry, u_shape
from napari_unet.spec import UNetDiceSpec


def geometry(spec: UNetDiceSpec) -> Geometry:
    """Geometry of the network."""
    return Geometry((u_shape(spec.depth),) * spec.ndim)


class UNetDice(nn.Module):
    """Input (N, C, Y, X), lengths multiples of 2^depth; output (N, outputs, Y, X)."""

    def __init__(self, spec: UNetDiceSpec) -> None:
        super().__init__()
        widths = [spec.base * 2**level for level in range(spec.depth + 1)]
        inputs = [spec.in_channels, *widths[:-1]]
        norm = spec.batchnorm
        self.down = nn.ModuleList(
            convolutions((i, w, w), batchnorm=norm) for i, w in zip(inputs, widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(spec.dropout)
        ways_up = [(w, w // 2) for w in reversed(widths[1:])]
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, w, 2, stride=2) for below, w in ways_up)
        self.join = nn.ModuleList(convolutions((below, w, w), batchnorm=norm) for below, w in ways_up)
        self.head = nn.Conv2d(spec.base, spec.outputs, 1)
        initialise_he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last layer, before its activation."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.dropout(self.pool(x)) if level else x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.join, strict=True):
            x = block(self.dropout(join(skips.pop(), up(x))))
        outputs: Tensor = self.head(x)
        return outputs
