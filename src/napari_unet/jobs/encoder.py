"""ImageNet weights for the encoders that can start from them."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from napari_unet.errors import UserError
from napari_unet.events import Note
from napari_unet.spec import NetSpec


def load_imagenet(network: nn.Module, net: NetSpec, file: Path | None) -> Note:
    """Load ImageNet weights into ``network.encoder`` and say where they came from."""
    raise UserError(f"no ImageNet weights for '{net.kind}' yet")
