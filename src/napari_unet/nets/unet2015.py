"""U-Net as published: Ronneberger, Fischer and Brox 2015 (arXiv:1505.04597), figure 1 and section 2."""

from __future__ import annotations

from torch import Tensor, nn

from napari_unet.nets.blocks import Joined, convolutions, initialise_he
from napari_unet.nets.geometry import Geometry, u_shape
from napari_unet.spec import UNet2015Spec


def geometry(spec: UNet2015Spec) -> Geometry:
    """Geometry of the network: valid, 92 pixels less on each side with four poolings."""
    return Geometry((u_shape(spec.depth, valid=True),) * spec.ndim)


class UNet2015(nn.Module):
    """Input (N, C, Y, X), for instance 572 x 572; output (N, outputs, Y', X'), then 388 x 388.

    Dropout follows the two deepest levels of the contracting path, as in the authors' published network.
    """

    def __init__(self, spec: UNet2015Spec) -> None:
        super().__init__()
        widths = [spec.base * 2**level for level in range(spec.depth + 1)]
        inputs = [spec.in_channels, *widths[:-1]]
        self.down = nn.ModuleList(
            convolutions((i, w, w), padding=0, batchnorm=spec.batchnorm)
            for i, w in zip(inputs, widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(spec.dropout)
        ways_up = [(w, w // 2) for w in reversed(widths[1:])]
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, w, 2, stride=2) for below, w in ways_up)
        self.join = nn.ModuleList(Joined(w, convolutions((below, w, w), padding=0)) for below, w in ways_up)
        self.head = nn.Conv2d(spec.base, spec.outputs, 1)
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
