"""A U-Net whose way down is the first ten convolutions of VGG16.

VGG16: configuration D of Simonyan and Zisserman 2014 (arXiv:1409.1556), table 1, up to the fourth pooling. With
64 channels at the top its ImageNet weights fit: see `napari_unet.nets.imagenet`.
"""

from __future__ import annotations

from torch import Tensor, nn

from napari_unet.arrays.colours import check_channels
from napari_unet.nets.blocks import Joined, convolutions, initialise_he, resize_convolution
from napari_unet.nets.geometry import Axis, Geometry, Level, conv
from napari_unet.nets.imagenet import imagenet_input
from napari_unet.spec import VGG16UNetSpec

CONVOLUTIONS = (2, 2, 3, 3)
"""Per level from the top, on the way down (VGG16's) as on the way up."""
BOTTOM = 2
"""Convolutions below the fourth pooling."""
LAST = 1
"""Further 3x3 convolutions before the 1x1 at the end."""


def geometry(spec: VGG16UNetSpec) -> Geometry:
    """Geometry of the network; its 2x2 convolutions look one pixel to the right and below."""
    levels = [Level(conv(3, n), conv(3, n), 2, up=(0, 1)) for n in CONVOLUTIONS]
    levels[0] = Level(conv(3, CONVOLUTIONS[0]), conv(3, CONVOLUTIONS[0] + LAST), 2, up=(0, 1))
    return Geometry((Axis((*levels, Level(conv(3, BOTTOM)))),) * spec.ndim)


class VGG16UNet(nn.Module):
    """Input (N, 1 or 3, Y, X), lengths multiples of 16; output (N, outputs, Y, X).

    The input is normalised intensities, see `imagenet_input`. ``encoder`` is the ten convolutions of VGG16 alone.
    """

    def __init__(self, spec: VGG16UNetSpec) -> None:
        super().__init__()
        check_channels(spec.kind, spec.in_channels)
        widths = [spec.base * 2**level for level in range(len(CONVOLUTIONS))]
        ways_down = zip([3, *widths[:-1]], widths, CONVOLUTIONS, strict=True)
        self.encoder = nn.ModuleList(convolutions((above, *(w,) * n)) for above, w, n in ways_down)
        self.pool = nn.MaxPool2d(2)
        deepest = 2 * widths[-1]
        self.bottom = nn.Sequential(
            convolutions((widths[-1], *(deepest,) * BOTTOM)),
            nn.Dropout(spec.dropout),
        )
        ways_up = [(2 * w, w, n) for w, n in zip(reversed(widths), reversed(CONVOLUTIONS), strict=True)]
        self.up = nn.ModuleList(resize_convolution(below, w) for below, w, _ in ways_up)
        self.join = nn.ModuleList(Joined(w, convolutions((2 * w, *(w,) * n))) for _, w, n in ways_up)
        self.head = nn.Sequential(
            convolutions((spec.base,) * (LAST + 1)),
            nn.Conv2d(spec.base, spec.outputs, 1),
        )
        initialise_he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last layer, before its activation."""
        x = imagenet_input(x)
        skips: list[Tensor] = []
        for block in self.encoder:
            skips.append(block(x))
            x = self.pool(skips[-1])
        x = self.bottom(x)
        for up, block in zip(self.up, self.join, strict=True):
            x = block(skips.pop(), up(x))
        outputs: Tensor = self.head(x)
        return outputs
