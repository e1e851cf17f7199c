"""What to do: frozen models, one per concept, that survive a round trip through JSON.

Lengths are in pixels (voxels) unless a field says otherwise. Sizes per axis are in the order Z, Y, X.
"""

from __future__ import annotations

from napari_unet.spec.base import (
    Spec,
)
from napari_unet.spec.networks import (
    Activation,
    NetSpec,
    OnnxSpec,
    PretrainedUNetSpec,
    Skips,
    UNet3DSpec,
    UNet2015Spec,
    UNetDiceSpec,
    UNetKerasSpec,
    UNetSpec,
    Up,
    VGG16UNetSpec,
    VNetSpec,
)
from napari_unet.spec.prediction import (
    CellMethod,
    CellSpec,
    Device,
    Output,
    TilingSpec,
)
from napari_unet.spec.recipes import (
    RECIPES,
    Recipe,
)
from napari_unet.spec.targets import (
    BACKGROUND,
    BOUNDARY,
    CELL,
    DEFAULT_CLASSES,
    ClassSpec,
    Role,
    Style,
    TargetSpec,
)
from napari_unet.spec.training import (
    NEEDS,
    OF_ENCODER,
    WITH_ENCODER,
    AugmentSpec,
    Loss,
    NormalisationSpec,
    TrainingSpec,
    TrainSpec,
    check_loss,
    default_loss,
)

__all__ = [
    "BACKGROUND",
    "BOUNDARY",
    "CELL",
    "DEFAULT_CLASSES",
    "NEEDS",
    "OF_ENCODER",
    "RECIPES",
    "WITH_ENCODER",
    "Activation",
    "AugmentSpec",
    "CellMethod",
    "CellSpec",
    "ClassSpec",
    "Device",
    "Loss",
    "NetSpec",
    "NormalisationSpec",
    "OnnxSpec",
    "Output",
    "PretrainedUNetSpec",
    "Recipe",
    "Role",
    "Skips",
    "Spec",
    "Style",
    "TargetSpec",
    "TilingSpec",
    "TrainSpec",
    "TrainingSpec",
    "UNet3DSpec",
    "UNet2015Spec",
    "UNetDiceSpec",
    "UNetKerasSpec",
    "UNetSpec",
    "Up",
    "VGG16UNetSpec",
    "VNetSpec",
    "check_loss",
    "default_loss",
]
