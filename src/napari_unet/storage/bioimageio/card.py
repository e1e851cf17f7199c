"""What people are told of a model that is given away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """Name, purpose, authors and licence of a model."""

    name: str = "U-Net"
    description: str = "A U-Net for the segmentation of cells, trained in napari with napari-unet-live."
    authors: tuple[str, ...] = ("unknown",)
    licence: str | None = None
    """SPDX name of the licence of the weights; None: not told."""
