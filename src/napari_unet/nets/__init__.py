"""The networks: one file per family, one `build`."""

from __future__ import annotations

from torch import nn

from napari_unet.nets.unet import UNet
from napari_unet.spec import NetSpec, UNet3DSpec, UNetSpec

NETS: dict[str, tuple[type[UNetSpec] | type[UNet3DSpec], str]] = {
    "unet": (UNetSpec, "padded U-Net with BatchNorm; every slice by itself (2D)"),
    "unet3d": (UNet3DSpec, "the same with 3D kernels; sees Z, for stacks with nearly cubic voxels"),
}
"""Every network by name: its spec and what it is for."""


def build(spec: NetSpec) -> nn.Module:
    """Build the network that a spec describes, with fresh weights.

    Examples
    --------
    >>> count_parameters(build(UNetSpec(base=16, depth=3)))
    482466
    """
    return UNet(spec)


def count_parameters(network: nn.Module) -> int:
    """Count the trainable numbers of a network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
