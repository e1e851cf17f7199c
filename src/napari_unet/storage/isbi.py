"""The ISBI 2012 membranes: from a data folder, from the cache, or downloaded on request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError
from napari_unet.storage.picture import open_picture
from napari_unet.storage.read import open_image, read_whole

TERMS = (
    "Serial-section electron microscopy of a fly larva's nerve cord with membranes drawn by hand. Not free: "
    "use it only to generate or test non-commercial image segmentation software, and cite Cardona et al. 2010 "
    "(doi:10.1371/journal.pbio.1000502) and Arganda-Carreras et al. 2015 (doi:10.3389/fnana.2015.00142)."
)
"""Shown before the download."""

SPACING = (0.05, 0.004, 0.004)
"""Micrometres along Z, Y, X."""

URL = (
    "https://raw.githubusercontent.com/zhixuhao/unet/b45af4d458437d8281cc218a07fd4380818ece4a/data/membrane/train/"
)

VARIABLE = "NAPARI_UNET_DATA"
"""Environment variable with a folder that holds isbi2012/train-volume.tif and train-labels.tif."""

_REGISTRY = Path(__file__).parent / "data" / "isbi2012.registry"


def registry() -> dict[str, str]:
    """Return the SHA-256 of every file of the data set, by its name on the server."""
    lines = _REGISTRY.read_text(encoding="utf-8").split("\n")
    return dict(line.split() for line in lines if line)


def load(*, download: bool) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Load image and labels, both ZYX.

    Parameters
    ----------
    download
        Fetch what is in neither the data folder nor the cache.

    Returns
    -------
    image, labels
        uint8 grey values; uint8 classes, 1 = cell, 2 = membrane.

    Raises
    ------
    UserError
        If the data are not there and may not or cannot be fetched.
    """
    image, inside = _from_folder() or _from_cache(download=download)
    return image, np.where(inside > 127, 1, 2).astype(np.uint8)


def _from_folder() -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    paths = [Path(folder) / "isbi2012" / f"train-{part}.tif" for part in ("volume", "labels")]
    if not all(p.is_file() for p in paths):
        return None
    image, inside = (read_whole(open_image(p, "ZYX")) for p in paths)
    return image, inside


def _from_cache(*, download: bool) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    import pooch

    known = registry()
    cache = Path(pooch.os_cache("napari-unet-live")) / "isbi2012"
    if not download and not all((cache / name).is_file() for name in known):
        raise UserError(
            f"ISBI 2012 is not on this machine: allow the download, or set {VARIABLE} to a folder with "
            "isbi2012/train-volume.tif and isbi2012/train-labels.tif"
        )
    store = pooch.create(cache, URL, registry=known, retry_if_failed=1)
    paths = {name: _fetch(store, name, download) for name in known}
    slices = len(known) // 2
    image, inside = (
        np.stack([np.asarray(open_picture(paths[f"{part}/{n}.png"]).data) for n in range(slices)])
        for part in ("image", "label")
    )
    return image, inside


def _fetch(store: Any, name: str, download: bool) -> Path:
    """Return a file of the cache whose hash is right, downloading it if that is allowed."""
    import pooch

    path = Path(store.abspath) / name
    if not download and pooch.file_hash(str(path)) != store.registry[name]:
        raise UserError(f"{path} is damaged (its SHA-256 is wrong); delete it and allow the download")
    pooch.get_logger().setLevel("ERROR")
    try:
        return Path(store.fetch(name))
    except (OSError, ValueError) as error:  # no connection; wrong hash
        words = str(error).split("\n")[0]
        raise UserError(
            f"ISBI 2012 could not be downloaded ({words}); check the connection, or set {VARIABLE} to a folder "
            "with isbi2012/train-volume.tif and isbi2012/train-labels.tif"
        ) from error
