"""Results that lie among images: told by what their files say, so that they are not segmented as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from napari_unet.errors import UserError
from napari_unet.storage.creator import RECORD, read_creator
from napari_unet.storage.formats import kind_of
from napari_unet.storage.positions import is_label_image

Kind = Literal["labels", "probabilities"]

NO_IMAGE = "holds labels, as it says itself, and is no image to segment; name the image that they were made of"
ONLY_RESULTS = "holds no images, only results, which are left out"
NAMED = 3
"""Files that are named where several are left out."""


def result_in(path: Path) -> Kind | None:
    """Tell which result a file says that it is, by our record or as image-label metadata of OME-Zarr; None: none.

    The values of labels are names, in which a network finds nothing; probabilities can be segmented as any image.
    """
    record: Any = read_creator(path).get(RECORD)
    if record is not None:
        settings = record.get("settings", {}) if isinstance(record, dict) else {}
        output = settings.get("output") if isinstance(settings, dict) else None
        return "probabilities" if output == "probabilities" else "labels"
    return "labels" if kind_of(path) == "zarr" and is_label_image(path) else None


def refuse_labels(path: Path) -> None:
    """Raise `UserError` if a file that was named as an image says that it holds labels."""
    if result_in(path) == "labels":
        raise UserError(f"{path}: {NO_IMAGE}")


def left_out(paths: Sequence[Path]) -> str:
    """Say which results were left out.

    Examples
    --------
    >>> left_out([Path("in/a-cells.tif")])
    'left out, as it is a result and no image: a-cells.tif'
    >>> left_out([Path(f"in/{name}.tif") for name in "abcde"])
    'left out, as they are results and no images, 5 files: a.tif, b.tif, c.tif and 2 more'
    """
    names = ", ".join(path.name for path in paths[:NAMED])
    more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    if len(paths) == 1:
        return f"left out, as it is a result and no image: {names}"
    return f"left out, as they are results and no images, {len(paths):,} files: {names}{more}"
