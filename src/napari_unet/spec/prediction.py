"""Prediction: devices, outputs, tiles, and how boundaries become cells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_unet.spec.base import Spec

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "full", "half"]
Mirrors = Literal[1, 2, 4]
Output = Literal["probabilities", "classes", "boundaries", "cells"]


class TilingSpec(Spec):
    """How a prediction is cut into tiles."""

    tile: int | None = Field(default=None, ge=1)
    """Largest length of an input tile, halo included; None: chosen for the device."""
    halo: Annotated[int, Field(ge=0)] | Literal["exact", "auto"] = "exact"
    """Context computed around each tile and thrown away. ``exact``: tiled equals whole. ``auto``: the smallest
    with which probabilities deviate by less than 1/255, measured on some places of the image with the model; it
    pays in 3D, where an exact halo can cost many times what is kept. A number: pixels, at most the exact ones."""
    device: Device = "auto"
    precision: Precision = "auto"
    """``full``: float32. ``half``: float16 on a GPU, bfloat16 on a CPU that computes with it, which is nearly
    twice as fast and changes some pixels in ten thousand; tiles stay exact. ``auto``: half on a GPU (CUDA)."""
    mirrors: Mirrors = 1
    """Mirror images that are predicted as well and averaged, the image itself counted: better where the network is
    in doubt, for as many times the time. 2: turned by half; 4: along Y and X, too."""
    threads: int | None = Field(default=None, ge=1)


CellMethod = Literal["auto", "watershed", "mutex", "gasp", "multicut", "distance", "components"]


class CellSpec(Spec):
    """How boundaries become separate cells."""

    method: CellMethod = "auto"
    """``auto``: GASP where python-elf is installed, else ``watershed`` (mean linkage of our own)."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Boundary probability above which a pixel is boundary."""
    beta: float = Field(default=0.5, gt=0, lt=1)
    """Below 0.5 fewer, above 0.5 more cells."""
    min_size: int = Field(default=25, ge=0)
    """Cells with fewer pixels (voxels) are removed."""
    grow: int = Field(default=8, ge=0)
    """Farthest that a cell grows into boundary pixels."""
