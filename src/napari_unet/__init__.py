"""Paint a few strokes, watch a U-Net learn, get boundaries and cells.

The public functions are loaded when they are first used, so that importing the package
(which napari does at start-up) loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.errors import UserError

if TYPE_CHECKING:
    from napari_unet.arrays.tuning import tune_cells
    from napari_unet.jobs import Model, cells_of, link, load, measure, suggest, train

__version__ = "0.1.0"
__all__ = [
    "Model",
    "UserError",
    "__version__",
    "cells_of",
    "link",
    "load",
    "measure",
    "suggest",
    "train",
    "tune_cells",
]


def __getattr__(name: str) -> Any:
    if name in {"Model", "cells_of", "link", "load", "measure", "suggest", "train"}:
        from napari_unet import jobs

        return getattr(jobs, name)
    if name == "tune_cells":
        from napari_unet.arrays.tuning import tune_cells

        return tune_cells
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
