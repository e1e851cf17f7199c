"""What to do: frozen models, one per concept, that survive a round trip through JSON.

Lengths are in pixels (voxels) unless a field says otherwise. Sizes per axis are in the order Z, Y, X.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Role = Literal["cell", "boundary", "background", "other"]
Style = Literal["classes", "cells"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Output = Literal["probabilities", "classes", "boundaries", "cells"]


class Spec(BaseModel):
    """Base of all specs: frozen, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassSpec(Spec):
    """A class that the network tells apart. Class ``i`` of a model is label value ``i + 1``."""

    name: str
    role: Role = "other"


CELL = ClassSpec(name="cell", role="cell")
BOUNDARY = ClassSpec(name="boundary", role="boundary")
BACKGROUND = ClassSpec(name="background", role="background")
DEFAULT_CLASSES = (CELL, BOUNDARY, BACKGROUND)


class TargetSpec(Spec):
    """How painted labels become a target for every pixel."""

    style: Style = "classes"
    """``classes``: a value is a class. ``cells``: a value is one cell, painted whole. 0 is not annotated."""
    classes: tuple[ClassSpec, ...] = ()
    """Empty: derived from the labels (cell, boundary and, where it is annotated, background)."""
    dense: bool = False
    """Style ``cells``: whatever is not painted is background."""
    unpainted: Literal["auto", "background", "boundary"] = "auto"
    """Dense labels: what is not painted. ``auto``: the background, or the boundary if it is thin everywhere."""
    background_value: int | None = Field(default=None, ge=1)
    """Style ``cells``: the label value that means background strokes."""
    rim: int = Field(default=1, ge=1, le=10)
    """Style ``cells``: pixels of a cell that count as its boundary, from its rim inwards."""
    weight_map: bool = False
    """Weight the loss by the border map of the 2015 paper (equation 2)."""
    border_weight: float = Field(default=10.0, ge=0)
    """The paper's w0."""
    border_sigma: float = Field(default=5.0, gt=0)
    """The paper's sigma, in pixels."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.style == "classes" and (self.dense or self.background_value is not None):
            raise ValueError("'dense' and 'background_value' belong to the annotation style 'cells'")
        if self.unpainted != "auto" and not self.dense:
            raise ValueError("'unpainted' belongs to dense labels: say 'dense' as well")
        names = [c.name for c in self.classes]
        if len(set(names)) != len(names):
            raise ValueError(f"class names must differ, got {names}")
        return self


class UNetSpec(Spec):
    """Padded U-Net: (convolution, BatchNorm, ReLU) twice per level, skips by concatenation."""

    kind: Literal["unet"] = "unet"
    ndim: Literal[2, 3] = 2
    in_channels: int = Field(default=1, ge=1)
    classes: int = Field(default=2, ge=2)
    base: int = Field(default=16, ge=1)
    """Channels of the first level; doubled at every level below."""
    depth: int = Field(default=3, ge=1, le=6)
    """Number of poolings."""
    up: Literal["transposed", "resize"] = "transposed"
    """Upwards by a 2x2 transposed convolution, or by nearest neighbour and a 1x1 convolution."""


class UNet3DSpec(Spec):
    """The same network with three-dimensional kernels, which sees Z."""

    kind: Literal["unet3d"] = "unet3d"
    ndim: Literal[3] = 3
    in_channels: int = Field(default=1, ge=1)
    classes: int = Field(default=2, ge=2)
    base: int = Field(default=12, ge=1)
    depth: int = Field(default=2, ge=1, le=6)
    up: Literal["transposed", "resize"] = "transposed"


NetSpec = Annotated[UNetSpec | UNet3DSpec, Field(discriminator="kind")]


class AugmentSpec(Spec):
    """Random changes of a patch; image and target are changed together."""

    flip: bool = True
    rotate90: bool = True
    """Quarter turns in the plane."""
    rotation: float = Field(default=15.0, ge=0, le=180)
    """Largest further rotation in the plane, degrees."""
    scale: float = Field(default=0.15, ge=0, lt=1)
    """Sizes change by a factor between 1 - scale and 1 + scale."""
    elastic: float = Field(default=3.0, ge=0)
    """Standard deviation of the random displacements, pixels."""
    elastic_grid: int = Field(default=4, ge=2)
    """Points per axis of the coarse grid that carries the displacements."""
    contrast: float = Field(default=0.25, ge=0, lt=1)
    brightness: float = Field(default=0.25, ge=0)
    """Shift, in standard deviations of the image."""
    noise: float = Field(default=0.1, ge=0)
    """Standard deviation of Gaussian noise, in standard deviations of the image."""
    probability: float = Field(default=0.4, ge=0, le=1)
    """Chance that a patch is deformed (flips and quarter turns are always drawn)."""


class TrainSpec(Spec):
    """One training: budget, patches, optimiser. Give ``seconds`` or ``steps``; neither means 60 seconds."""

    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Time for training steps alone; start-up and writing do not count."""
    steps: int | None = Field(default=None, gt=0)
    patch: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Patch size per axis of the network; None: chosen for the network and the image."""
    batch: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Part of the budget in which the learning rate rises."""
    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Part of the annotation held out, as whole regions; 0: none."""
    checks: int = Field(default=5, ge=1)
    """How often the held-out part is scored."""
    augment: AugmentSpec = AugmentSpec()
    seed: int = Field(default=0, ge=0)
    device: Device = "auto"
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; None: all cores (the window leaves one free)."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.seconds is not None and self.steps is not None:
            raise ValueError(f"give seconds ({self.seconds}) or steps ({self.steps}), not both")
        return self


class NormalisationSpec(Spec):
    """Intensities become ``(x - offset) / scale``, per channel; fitted once per image.

    ``percentile``: the middle and a quarter of the width of the range from percentile 0.5 to 99.5.
    ``meanstd``: mean and standard deviation. ``none``: 0 and 1.
    """

    method: Literal["percentile", "meanstd", "none"] = "meanstd"


class TilingSpec(Spec):
    """How a prediction is cut into tiles."""

    tile: int | None = Field(default=None, ge=1)
    """Largest length of an input tile, halo included; None: chosen for the device."""
    halo: Annotated[int, Field(ge=0)] | Literal["exact", "auto"] = "exact"
    """Context computed around each tile and thrown away. ``exact``: tiled equals whole. ``auto``: half of that,
    which is faster and may deviate a little where tiles meet."""
    device: Device = "auto"
    threads: int | None = Field(default=None, ge=1)


CellMethod = Literal["auto", "watershed", "gasp", "multicut", "components"]


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


class TrainingSpec(Spec):
    """Everything that a training was told; stored in the model file."""

    target: TargetSpec = TargetSpec()
    net: NetSpec = UNetSpec()
    train: TrainSpec = TrainSpec(seconds=60)
    normalisation: NormalisationSpec = NormalisationSpec()
