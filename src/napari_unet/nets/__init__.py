"""The networks: one file per family; `build` and `geometry_of` are the doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from napari_unet.nets import onnx_graph, pretrained_unet, unet, unet2015, unet_dice, unet_keras, vgg16_unet, vnet
from napari_unet.nets.geometry import Geometry
from napari_unet.spec import (
    NetSpec,
    OnnxSpec,
    PretrainedUNetSpec,
    UNet3DSpec,
    UNet2015Spec,
    UNetDiceSpec,
    UNetKerasSpec,
    UNetSpec,
    VGG16UNetSpec,
    VNetSpec,
)


@dataclass(frozen=True)
class Family:
    """A kind of network: its spec, how it is built, and its geometry."""

    spec: type[Any]
    build: Callable[[Any], nn.Module]
    geometry: Callable[[Any], Geometry]

    @property
    def purpose(self) -> str:
        """What it is for, in a line."""
        purpose: str = self.spec.purpose
        return purpose


NETS: dict[str, Family] = {
    "unet": Family(UNetSpec, unet.UNet, unet.geometry),
    "unet3d": Family(UNet3DSpec, unet.UNet, unet.geometry),
    "unet2015": Family(UNet2015Spec, unet2015.UNet2015, unet2015.geometry),
    "unet-keras": Family(UNetKerasSpec, unet_keras.UNetKeras, unet_keras.geometry),
    "unet-dice": Family(UNetDiceSpec, unet_dice.UNetDice, unet_dice.geometry),
    "vgg16-unet": Family(VGG16UNetSpec, vgg16_unet.VGG16UNet, vgg16_unet.geometry),
    "vnet": Family(VNetSpec, vnet.VNet, vnet.geometry),
    "pretrained-unet": Family(PretrainedUNetSpec, pretrained_unet.PretrainedUNet, pretrained_unet.geometry),
}
"""Every network that can be trained, by name."""
IMPORTED = {"onnx": Family(OnnxSpec, onnx_graph.OnnxGraph, onnx_graph.geometry)}
"""Those that come from elsewhere, and only predict."""


def build(spec: NetSpec) -> nn.Module:
    """Build the network that a spec describes, with fresh weights.

    Examples
    --------
    >>> count_parameters(build(UNetSpec(base=16, depth=3)))
    482466
    """
    return _family(spec).build(spec)


def geometry_of(spec: NetSpec) -> Geometry:
    """Tell the geometry of a network: alignment, halo, receptive field, margin.

    Examples
    --------
    >>> geometry_of(UNetSpec(depth=3)).halo, geometry_of(UNet2015Spec()).margin
    ((48, 48), (92, 92))
    """
    return _family(spec).geometry(spec)


def _family(spec: NetSpec) -> Family:
    return IMPORTED[spec.kind] if spec.kind in IMPORTED else NETS[spec.kind]


def count_parameters(network: nn.Module) -> int:
    """Count the trainable numbers of a network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
