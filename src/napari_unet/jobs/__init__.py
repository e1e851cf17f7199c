"""Everything that takes long, as generators of events: the only door to learning and predicting."""

from __future__ import annotations

import napari_unet.learn  # noqa: F401  before torch: it tells OpenMP how to wait
from napari_unet.jobs.model import OUTPUT_DTYPE, Model, as_image, load
from napari_unet.jobs.prediction import prediction
from napari_unet.jobs.training import Training, as_labels, net_spec, train

__all__ = [
    "OUTPUT_DTYPE",
    "Model",
    "Training",
    "as_image",
    "as_labels",
    "load",
    "net_spec",
    "prediction",
    "train",
]
