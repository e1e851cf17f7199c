"""What to do: frozen models, one per concept, that survive a round trip through JSON.

Lengths are in pixels (voxels) unless a field says otherwise. Sizes per axis are in the order Z, Y, X.
"""

from __future__ import annotations

from napari_unet.spec.base import (
    Spec,
)
from napari_unet.spec.batch import (
    BatchFormat,
    BatchSpec,
    batch_arguments,
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
    Mirrors,
    Output,
    Precision,
    TilingSpec,
)
from napari_unet.spec.recipes import (
    RECIPES,
    Recipe,
)
from napari_unet.spec.record import (
    Exporting,
    ImageFacts,
    Linking,
    MakingCells,
    Measuring,
    ModelFacts,
    Predicting,
    Record,
    Settings,
    Span,
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
    "BatchFormat",
    "BatchSpec",
    "CellMethod",
    "CellSpec",
    "ClassSpec",
    "Device",
    "Exporting",
    "ImageFacts",
    "Linking",
    "Loss",
    "MakingCells",
    "Measuring",
    "Mirrors",
    "ModelFacts",
    "NetSpec",
    "NormalisationSpec",
    "OnnxSpec",
    "Output",
    "Precision",
    "Predicting",
    "PretrainedUNetSpec",
    "Recipe",
    "Record",
    "Role",
    "Settings",
    "Skips",
    "Span",
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
    "batch_arguments",
    "check_loss",
    "default_loss",
]
