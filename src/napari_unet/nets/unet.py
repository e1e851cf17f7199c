"""The default network: a padded U-Net with BatchNorm, in 2D and 3D.

After Ronneberger et al. 2015 (arXiv:1505.04597) and Çiçek et al. 2016 (arXiv:1606.06650), with padded
convolutions, so that input and output have the same size.
"""

from __future__ import annotations

from torch import Tensor, cat, nn

from napari_unet.spec import UNet3DSpec, UNetSpec

_CONV: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_NORM: dict[int, type[nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL: dict[int, type[nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_TRANSPOSED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def _twice(ndim: int, channels_in: int, channels: int) -> nn.Sequential:
    """(convolution, BatchNorm, ReLU) twice; BatchNorm brings the bias."""
    layers: list[nn.Module] = []
    for c in (channels_in, channels):
        layers += [
            _CONV[ndim](c, channels, 3, padding=1, bias=False),
            _NORM[ndim](channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _up(ndim: int, channels_in: int, channels: int, how: str) -> nn.Module:
    if how == "transposed":
        return _TRANSPOSED[ndim](channels_in, channels, 2, stride=2)
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), _CONV[ndim](channels_in, channels, 1))


class UNet(nn.Module):
    """Input (N, C, [Z,] Y, X), lengths multiples of 2^depth; output (N, classes, [Z,] Y, X) logits."""

    def __init__(self, spec: UNetSpec | UNet3DSpec) -> None:
        super().__init__()
        widths = [spec.base * 2**level for level in range(spec.depth + 1)]
        inputs = [spec.in_channels, *widths[:-1]]
        self.down = nn.ModuleList(_twice(spec.ndim, i, w) for i, w in zip(inputs, widths, strict=True))
        self.pool = _POOL[spec.ndim](2)
        levels = range(spec.depth - 1, -1, -1)
        self.up = nn.ModuleList(_up(spec.ndim, widths[n + 1], widths[n], spec.up) for n in levels)
        self.join = nn.ModuleList(_twice(spec.ndim, 2 * widths[n], widths[n]) for n in levels)
        self.head = _CONV[spec.ndim](spec.base, spec.classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(cat([skips.pop(), up(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits
