"""A U-Net whose way down is EfficientNet-Lite0, to start from what it learnt on ImageNet.

The encoder ends at stride 16, where it looks at 339 x 339 pixels and the halo that makes tiles exact is 208. Its
blocks of stride 32 would look at 851 and need a halo of 512: more than most tiles, and little use for patches of a
few hundred pixels.
"""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn

from napari_unet.arrays.colours import check_channels
from napari_unet.nets.blocks import Joined
from napari_unet.nets.efficientnet import LITE_MEAN, LITE_STD, STAGES, Features, looks
from napari_unet.nets.geometry import Axis, Geometry, Level, conv
from napari_unet.nets.imagenet import imagenet_input
from napari_unet.spec import PretrainedUNetSpec

ENCODER_STAGES = 5
"""Of EfficientNet-Lite0: those up to stride 16."""
TWICE = conv(3, 2)


def geometry(spec: PretrainedUNetSpec) -> Geometry:
    """Geometry of the network; its convolutions with a stride look farther to the right and below."""
    # The block on the input looks less far than all that comes from below, so its reach does not matter.
    encoder, levels = (0, 0), []
    convolutions = chain.from_iterable(
        [(s.kernel, s.stride)] + [(s.kernel, 1)] * (s.repeats - 1) for s in STAGES[:ENCODER_STAGES]
    )
    for kernel, stride in [(3, 2), *convolutions]:
        first, last = looks(kernel, stride)
        if stride > 1:
            levels.append(Level(encoder, TWICE, stride, down=(first, last)))
            encoder = (0, 0)
        else:
            encoder = (encoder[0] + first, encoder[1] + last)
    return Geometry((Axis((*levels, Level(encoder))),) * spec.ndim)


def _twice(channels_in: int, channels: int) -> nn.Sequential:
    """(3x3 convolution, BatchNorm, ReLU) twice."""
    layers: list[nn.Module] = []
    for c in (channels_in, channels):
        layers += [
            nn.Conv2d(c, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class PretrainedUNet(nn.Module):
    """Input (N, 1 or 3, Y, X), lengths multiples of 16; output (N, outputs, Y, X).

    The input is normalised intensities, see `imagenet_input`. ``encoder`` is the ImageNet network alone. It has no
    features of the image's own resolution; those come from two convolutions on the input.
    """

    def __init__(self, spec: PretrainedUNetSpec) -> None:
        super().__init__()
        check_channels(spec.kind, spec.in_channels)
        self.encoder = Features(ENCODER_STAGES)
        widths = [spec.base * 2**level for level in range(len(self.encoder.channels))]
        *skips, deepest = [spec.base, *self.encoder.channels]
        self.first = _twice(spec.in_channels, spec.base)
        below = [*widths[1:], deepest]
        ways_up = list(zip(below, skips, widths, strict=True))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, w, 2, stride=2) for b, _, w in ways_up)
        self.join = nn.ModuleList(Joined(skip, _twice(skip + w, w)) for _, skip, w in ways_up)
        self.head = nn.Conv2d(spec.base, spec.outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last layer, before its activation."""
        colours = imagenet_input(x, LITE_MEAN, LITE_STD)
        skips: list[Tensor] = [self.first(x), *self.encoder(colours)]
        y = skips.pop()
        for up, block in zip(self.up, self.join, strict=True):
            y = block(skips.pop(), up(y))
        outputs: Tensor = self.head(y)
        return outputs
