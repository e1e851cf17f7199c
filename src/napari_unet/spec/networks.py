"""The networks: one spec per family. Sizes per axis are in the order Z, Y, X.

Every spec has ``kind`` (its name), ``ndim``, ``in_channels``, ``classes`` and ``activation``; ``purpose`` says in
a line what it is for, and `outputs` how many channels the network's last layer has.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from napari_unet.spec.base import Spec

Activation = Literal["softmax", "sigmoid"]
Up = Literal["transposed", "resize"]
Skips = Literal["concat", "sum"]
Sizes3 = tuple[
    Annotated[int, Field(ge=1, le=8)], Annotated[int, Field(ge=1, le=8)], Annotated[int, Field(ge=1, le=8)]
]


class _Network(Spec):
    """Fields that every network has."""

    purpose: ClassVar[str]
    """What it is for, in a line."""
    trainable: ClassVar[bool] = True
    on_gpu: ClassVar[bool] = True
    """It computes on a GPU where there is one."""
    in_channels: int = Field(default=1, ge=1)
    classes: int = Field(default=2, ge=2)
    """Filled in from the labels when a training starts."""
    activation: Activation = "softmax"
    """What makes probabilities of the last layer. ``sigmoid``: every class by itself; see `outputs`."""

    @property
    def outputs(self) -> int:
        """Channels of the last layer: one per class, but a sigmoid tells two classes apart with one."""
        return 1 if self.activation == "sigmoid" and self.classes == 2 else self.classes


class UNetSpec(_Network):
    """Padded U-Net: (convolution, BatchNorm, ReLU) twice per level."""

    purpose: ClassVar[str] = "padded U-Net with BatchNorm; every slice by itself: start here"
    kind: Literal["unet"] = "unet"
    ndim: Literal[2, 3] = 2
    base: int = Field(default=16, ge=1)
    """Channels of the first level; doubled at every level below."""
    depth: int = Field(default=3, ge=1, le=6)
    """Number of poolings."""
    up: Up = "transposed"
    """Upwards by a 2x2 transposed convolution, or by nearest neighbour and a 1x1 convolution."""
    skips: Skips = "concat"
    """How a level's features join what comes from below: side by side, or added (as in FCN)."""


class UNet3DSpec(_Network):
    """The same network with three-dimensional kernels, which sees Z; levels follow the voxel spacing."""

    purpose: ClassVar[str] = "the same in 3D, its levels follow the voxel spacing: for stacks"
    kind: Literal["unet3d"] = "unet3d"
    ndim: Literal[3] = 3
    base: int = Field(default=12, ge=1)
    depth: int = Field(default=2, ge=1, le=6)
    up: Up = "transposed"
    skips: Skips = "concat"
    strides: tuple[Sizes3, ...] | None = None
    """Pooling after every level but the last. None: filled in from the voxel spacing when a training starts;
    2 along every axis if the spacing is unknown."""
    kernels: tuple[Sizes3, ...] | None = None
    """Convolution kernels of every level, odd. None: filled in like ``strides``; 3 along every axis."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.strides is not None and len(self.strides) != self.depth:
            raise ValueError(f"'strides' needs one entry per pooling ({self.depth}), got {len(self.strides)}")
        if self.kernels is not None and len(self.kernels) != self.depth + 1:
            raise ValueError(f"'kernels' needs one entry per level ({self.depth + 1}), got {len(self.kernels)}")
        if any(k % 2 == 0 for level in self.kernels or () for k in level):
            raise ValueError(f"'kernels' must be odd, got {self.kernels}")
        return self


class UNet2015Spec(_Network):
    """U-Net as published: valid convolutions, so the output is smaller than the input (572 -> 388)."""

    purpose: ClassVar[str] = "as published in 2015: valid convolutions, overlap-tile; large, wants a GPU"
    kind: Literal["unet2015"] = "unet2015"
    ndim: Literal[2] = 2
    base: int = Field(default=64, ge=1)
    depth: int = Field(default=4, ge=1, le=6)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """At the end of the contracting path."""
    batchnorm: bool = False
    """BatchNorm after each convolution of the contracting path (not in the paper)."""


class UNetKerasSpec(_Network):
    """The widely copied padded variant with resize-convolutions and a sigmoid."""

    purpose: ClassVar[str] = "the padded variant of most Keras tutorials; large, wants a GPU"
    kind: Literal["unet-keras"] = "unet-keras"
    ndim: Literal[2] = 2
    activation: Activation = "sigmoid"
    base: int = Field(default=64, ge=1)
    depth: int = Field(default=4, ge=2, le=6)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """On the two deepest levels."""


class UNetDiceSpec(_Network):
    """Padded, half as wide, transposed convolutions, a sigmoid; made for the soft Dice loss."""

    purpose: ClassVar[str] = "half as wide, for the Dice loss: rare foreground"
    kind: Literal["unet-dice"] = "unet-dice"
    ndim: Literal[2] = 2
    activation: Activation = "sigmoid"
    base: int = Field(default=32, ge=1)
    depth: int = Field(default=4, ge=1, le=6)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """After every pooling and every join."""
    batchnorm: bool = False
    """BatchNorm after each convolution."""


class VGG16UNetSpec(_Network):
    """The first ten convolutions of VGG16 as encoder, with a U-Net's decoder."""

    purpose: ClassVar[str] = "VGG16's convolutions as encoder, from ImageNet on request: for few strokes; large"
    kind: Literal["vgg16-unet"] = "vgg16-unet"
    ndim: Literal[2] = 2
    activation: Activation = "sigmoid"
    base: int = Field(default=64, ge=1)
    """Channels of the first level; ImageNet's weights fit 64 alone."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """At the bottom."""

    @property
    def outputs(self) -> int:
        """Channels of the last layer: one per class."""
        return self.classes


class VNetSpec(_Network):
    """V-Net: residual stages of 5x5x5 convolutions, strided convolutions instead of pooling, PReLU."""

    purpose: ClassVar[str] = "V-Net as published: residual stages of 5x5x5, for stacks; wants a GPU"
    kind: Literal["vnet"] = "vnet"
    ndim: Literal[3] = 3
    base: int = Field(default=16, ge=1)
    depth: int = Field(default=4, ge=1, le=4)


class PretrainedUNetSpec(_Network):
    """A light ImageNet encoder (EfficientNet-Lite0) with a U-Net's decoder."""

    purpose: ClassVar[str] = "light, its encoder can start from what it learnt on ImageNet: for few strokes"
    kind: Literal["pretrained-unet"] = "pretrained-unet"
    ndim: Literal[2] = 2
    encoder: Literal["efficientnet-lite0"] = "efficientnet-lite0"
    base: int = Field(default=16, ge=1)
    """Channels of the decoder's first level; doubled at every level below."""


class OnnxSpec(_Network):
    """A network of others, as an ONNX graph that came with a package of BioImage.IO: it predicts, it cannot learn.

    What it gives for an image is turned into probabilities that sum to 1. Where its channels do not exclude one
    another, the class that follows them is "none of these".
    """

    purpose: ClassVar[str] = "imported from BioImage.IO: it predicts, it cannot be trained"
    trainable: ClassVar[bool] = False
    on_gpu: ClassVar[bool] = False
    kind: Literal["onnx"] = "onnx"
    ndim: Literal[2, 3] = 2
    activation: Literal["softmax"] = "softmax"
    bytes: int = Field(ge=1)
    """Length of the graph."""
    stride: tuple[Annotated[int, Field(ge=1)], ...]
    """Lengths of an input are multiples of it, per axis."""
    halo: tuple[Annotated[int, Field(ge=0)], ...]
    """What is wrong along the rims of an output, as the package says or more, as it was measured; per axis."""
    halo_is_enough: bool = True
    """False: it may be more, since the network looks farther than could be measured."""
    gives: Literal["logits", "probabilities"] = "logits"
    exclusive: bool = True
    """Its channels are classes of which every pixel has one."""
    gain: tuple[float, ...] = (1.0,)
    shift: tuple[float, ...] = (0.0,)
    """It sees normalised intensities times ``gain`` plus ``shift``; one number, or one per channel."""


NetSpec = Annotated[
    UNetSpec
    | UNet3DSpec
    | UNet2015Spec
    | UNetKerasSpec
    | UNetDiceSpec
    | VGG16UNetSpec
    | VNetSpec
    | PretrainedUNetSpec
    | OnnxSpec,
    Field(discriminator="kind"),
]
