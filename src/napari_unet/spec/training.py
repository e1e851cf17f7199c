"""One training: augmentation, loss, optimiser, budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from napari_unet.spec.base import Spec
from napari_unet.spec.networks import Activation, NetSpec, UNetSpec
from napari_unet.spec.prediction import Device, Precision
from napari_unet.spec.targets import TargetSpec


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


Loss = Literal["cross-entropy", "binary-cross-entropy", "dice", "dice+cross-entropy"]


class TrainSpec(Spec):
    """One training: budget, patches, loss, optimiser. Give ``seconds`` or ``steps``; neither means 60 seconds."""

    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Time for training steps alone; start-up and writing do not count."""
    steps: int | None = Field(default=None, gt=0)
    patch: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Size of the network's input per axis; None: chosen for the network and the image."""
    batch: int = Field(default=4, ge=1)
    loss: Loss | None = None
    """Over annotated pixels only. None: the network's own, see `default_loss`. ``dice+cross-entropy`` adds the
    cross-entropy that belongs to the activation, the binary one for a sigmoid."""
    dice_squared: bool = False
    """Squares in the denominator of Dice, as in V-Net."""
    class_balance: bool = False
    """Weight pixels by how rare their class is: w_c of equation 2 in the 2015 paper."""
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(default=3e-3, gt=0)
    """The highest; a third of it where a training is kept to its start, see ``anchor``."""
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """Of ``sgd``."""
    weight_decay: float = Field(default=1e-4, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    """Of the learning rate after the warm-up: falling to a hundredth at the end of the budget, or constant."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Part of the budget in which the learning rate rises."""
    averaging: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the running average of the weights, which is what is kept; 0: the weights themselves."""
    start: Literal["shipped", "random"] = "shipped"
    """Where the weights start, if no model is given: ``shipped``, as the network that the package brings, if this
    one has its shape (``unet`` as it is), or at random."""
    anchor: float = Field(default=1.0, ge=0)
    """How much a training keeps to what its start predicts where nothing is painted; 0: not at all."""
    encoder_weights: Literal["random", "imagenet"] = "random"
    """Where the encoder of ``vgg16-unet`` and ``pretrained-unet`` starts."""
    encoder_file: Path | None = None
    """File of the ImageNet weights, if they are not where downloads are kept."""
    freeze_encoder: bool = False
    """Leave the encoder as it is, BatchNorm statistics included."""
    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Part of the annotation held out, as whole regions; 0: none."""
    checks: int = Field(default=5, ge=1)
    """How often the held-out part is scored."""
    patience: int = Field(default=0, ge=0)
    """Checks in a row without a better score after which a training ends, after 60 steps at least; 0: it uses its
    whole budget."""
    augment: AugmentSpec = AugmentSpec()
    seed: int = Field(default=0, ge=0)
    device: Device = "auto"
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; None: all cores (the window leaves one free)."""
    precision: Precision = "auto"
    """``half``: float16 on a GPU, bfloat16 on a CPU that computes with it, for half as many steps again in the
    same time. ``full``: float32. ``auto``: half where it is to be had, on a CPU for the default network only."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.seconds is not None and self.steps is not None:
            raise ValueError(f"give seconds ({self.seconds}) or steps ({self.steps}), not both")
        return self


class NormalisationSpec(Spec):
    """Intensities become ``(x - offset) / scale``, per channel; fitted once per image.

    ``percentile``: the middle and a quarter of the width of the range from percentile ``low`` to ``high``.
    ``meanstd``: mean and standard deviation. ``none``: 0 and 1.
    """

    method: Literal["percentile", "meanstd", "none"] = "meanstd"
    low: float = Field(default=0.5, ge=0, lt=100)
    high: float = Field(default=99.5, gt=0, le=100)
    """Others than these come with imported models only."""


class TrainingSpec(Spec):
    """Everything that a training was told; stored in the model file."""

    target: TargetSpec = TargetSpec()
    net: NetSpec = UNetSpec()
    train: TrainSpec = TrainSpec(seconds=60)
    normalisation: NormalisationSpec = NormalisationSpec()

    @model_validator(mode="after")
    def _loss_fits_activation(self) -> Self:
        check_loss(self.train.loss, self.net)
        if self.net.kind not in WITH_ENCODER:
            for name in OF_ENCODER:
                if getattr(self.train, name) != TrainSpec.model_fields[name].default:
                    raise ValueError(f"'{name}' belongs to {' and '.join(WITH_ENCODER)}, not to '{self.net.kind}'")
        if self.train.encoder_file is not None and self.train.encoder_weights == "random":
            raise ValueError(
                "'encoder_file' is given, but the encoder starts at random: 'encoder_weights' has to be imagenet"
            )
        return self


WITH_ENCODER = ("vgg16-unet", "pretrained-unet")
"""Networks whose encoder can start from ImageNet's weights."""
OF_ENCODER = ("encoder_weights", "freeze_encoder", "encoder_file")
"""Fields of `TrainSpec` that belong to those networks."""
NEEDS: dict[str, Activation] = {"binary-cross-entropy": "sigmoid", "cross-entropy": "softmax"}
"""Losses that need a certain activation."""


def default_loss(net: NetSpec) -> Loss:
    """Loss of a network if none is told.

    Examples
    --------
    >>> from napari_unet.spec import UNetDiceSpec, UNetKerasSpec
    >>> [default_loss(net) for net in (UNetSpec(), UNetKerasSpec(), UNetDiceSpec())]
    ['cross-entropy', 'binary-cross-entropy', 'dice']
    """
    if net.kind in ("unet-dice", "vnet"):
        return "dice"
    return "cross-entropy" if net.activation == "softmax" else "binary-cross-entropy"


def check_loss(loss: Loss | None, net: NetSpec) -> None:
    """Raise `ValueError` if a loss does not fit what the network's last layer gives."""
    needed = NEEDS.get(loss or "", net.activation)
    if needed != net.activation:
        raise ValueError(f"the loss '{loss}' needs the activation '{needed}', not '{net.activation}'")
