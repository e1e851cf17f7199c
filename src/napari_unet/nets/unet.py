"""The default networks: a padded U-Net with BatchNorm, in 2D and 3D.

After Ronneberger et al. 2015 (arXiv:1505.04597) and Çiçek et al. 2016 (arXiv:1606.06650), with padded
convolutions, so that input and output have the same size.
"""

from __future__ import annotations

from torch import Tensor, nn

from napari_unet.nets.blocks import CONV, NORM, POOL, TRANSPOSED, Joined
from napari_unet.nets.geometry import Axis, Geometry, Level, conv
from napari_unet.spec import UNet3DSpec, UNetSpec

Sizes = tuple[int, ...]


def strides(spec: UNetSpec | UNet3DSpec) -> tuple[Sizes, ...]:
    """Pooling per level and axis."""
    given: tuple[Sizes, ...] | None = getattr(spec, "strides", None)  # of the 3D network alone
    return given or ((2,) * spec.ndim,) * spec.depth


def kernels(spec: UNetSpec | UNet3DSpec) -> tuple[Sizes, ...]:
    """Convolution kernels per level and axis."""
    given: tuple[Sizes, ...] | None = getattr(spec, "kernels", None)
    return given or ((3,) * spec.ndim,) * (spec.depth + 1)


def geometry(spec: UNetSpec | UNet3DSpec) -> Geometry:
    """Geometry of the network."""
    axes = []
    for axis in range(spec.ndim):
        looks = [conv(kernel[axis], 2) for kernel in kernels(spec)]
        levels = [Level(k, k, s[axis]) for k, s in zip(looks, strides(spec), strict=False)]
        axes.append(Axis((*levels, Level(looks[-1]))))
    return Geometry(tuple(axes))


def _twice(ndim: int, channels_in: int, channels: int, kernel: Sizes) -> nn.Sequential:
    """(convolution, BatchNorm, ReLU) twice; BatchNorm brings the bias."""
    layers: list[nn.Module] = []
    padding = tuple(k // 2 for k in kernel)
    for c in (channels_in, channels):
        layers += [
            CONV[ndim](c, channels, kernel, padding=padding, bias=False),
            NORM[ndim](channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _up(ndim: int, channels_in: int, channels: int, stride: Sizes, how: str) -> nn.Module:
    if how == "transposed":
        return TRANSPOSED[ndim](channels_in, channels, stride, stride=stride)
    return nn.Sequential(nn.Upsample(scale_factor=stride, mode="nearest"), CONV[ndim](channels_in, channels, 1))


def _join(ndim: int, channels: int, kernel: Sizes, *, add: bool) -> nn.Sequential:
    if add:
        return _twice(ndim, channels, channels, kernel)
    return Joined(channels, _twice(ndim, 2 * channels, channels, kernel))


class UNet(nn.Module):
    """Input (N, C, [Z,] Y, X), lengths multiples of the strides; output (N, outputs, [Z,] Y, X)."""

    def __init__(self, spec: UNetSpec | UNet3DSpec) -> None:
        super().__init__()
        ndim, sizes, steps = spec.ndim, kernels(spec), strides(spec)
        widths = [spec.base * 2**level for level in range(spec.depth + 1)]
        inputs = [spec.in_channels, *widths[:-1]]
        self.down = nn.ModuleList(_twice(ndim, i, w, k) for i, w, k in zip(inputs, widths, sizes, strict=True))
        self.pool = nn.ModuleList(POOL[ndim](s) for s in steps)
        levels = range(spec.depth - 1, -1, -1)
        self.up = nn.ModuleList(_up(ndim, widths[n + 1], widths[n], steps[n], spec.up) for n in levels)
        self.add = spec.skips == "sum"
        self.join = nn.ModuleList(_join(ndim, widths[n], sizes[n], add=self.add) for n in levels)
        self.head = CONV[ndim](spec.base, spec.outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last layer, before its activation."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool[level - 1](x) if level else x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.join, strict=True):
            skip, x = skips.pop(), up(x)
            x = block(skip + x) if self.add else block(skip, x)
        outputs: Tensor = self.head(x)
        return outputs
