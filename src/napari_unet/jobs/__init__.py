"""Everything that takes long, as generators of events: the only door to learning and predicting."""

from __future__ import annotations

import napari_unet.learn  # noqa: F401  before torch: it tells OpenMP how to wait
from napari_unet.jobs.batch import batch
from napari_unet.jobs.cells import cells_file, cells_of, make_cells
from napari_unet.jobs.inputs import as_image, as_labels, as_pairs
from napari_unet.jobs.linking import link, link_file, linking
from napari_unet.jobs.measuring import measure
from napari_unet.jobs.model import OUTPUT_DTYPE, Model, load
from napari_unet.jobs.prediction import prediction
from napari_unet.jobs.request import find_recipe, make_spec, net_spec
from napari_unet.jobs.stored import predict_file
from napari_unet.jobs.stored_work import Request
from napari_unet.jobs.suggesting import Search, find, suggest
from napari_unet.jobs.train import train
from napari_unet.jobs.training import Training

__all__ = [
    "OUTPUT_DTYPE",
    "Model",
    "Request",
    "Search",
    "Training",
    "as_image",
    "as_labels",
    "as_pairs",
    "batch",
    "cells_file",
    "cells_of",
    "find",
    "find_recipe",
    "link",
    "link_file",
    "linking",
    "load",
    "make_cells",
    "make_spec",
    "measure",
    "net_spec",
    "predict_file",
    "prediction",
    "suggest",
    "train",
]
