"""The padded U-Net that most Keras tutorials copy: resize-convolutions, a 3x3 and a 1x1 layer at the end."""

from __future__ import annotations

from torch import Tensor, nn

from napari_unet.nets.blocks import Joined, convolutions, initialise_he, resize_convolution
from napari_unet.nets.geometry import Geometry, conv, u_shape
from napari_unet.spec import UNetKerasSpec


def geometry(spec: UNetKerasSpec) -> Geometry:
    """Geometry of the network; its 2x2 convolutions look one pixel to the right and below."""
    return Geometry((u_shape(spec.depth, up=(0, 1), head=conv(3)),) * spec.ndim)


class UNetKeras(nn.Module):
    """Input (N, C, Y, X), lengths multiples of 2^depth; output (N, outputs, Y, X)."""

    def __init__(self, spec: UNetKerasSpec) -> None:
        super().__init__()
        widths = [spec.base * 2**level for level in range(spec.depth + 1)]
        inputs = [spec.in_channels, *widths[:-1]]
        self.down = nn.ModuleList(convolutions((i, w, w)) for i, w in zip(inputs, widths, strict=True))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(spec.dropout)
        ways_up = [(w, w // 2) for w in reversed(widths[1:])]
        self.up = nn.ModuleList(resize_convolution(below, w) for below, w in ways_up)
        self.join = nn.ModuleList(Joined(w, convolutions((below, w, w))) for below, w in ways_up)
        narrow = 2 * spec.outputs
        self.head = nn.Sequential(convolutions((spec.base, narrow)), nn.Conv2d(narrow, spec.outputs, 1))
        initialise_he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last layer, before its activation."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            if level >= len(self.down) - 2:
                x = self.dropout(x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.join, strict=True):
            x = block(skips.pop(), up(x))
        outputs: Tensor = self.head(x)
        return outputs
