"""Models for other programs, and models of other programs."""

from __future__ import annotations

from napari_unet.jobs.exchange.exporting import FORMATS, export_model
from napari_unet.jobs.exchange.importing import import_package
from napari_unet.jobs.exchange.weights import import_weights

__all__ = ["FORMATS", "export_model", "import_package", "import_weights"]
