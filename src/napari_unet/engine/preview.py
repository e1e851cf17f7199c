"""One plane of an image as probabilities that fit a byte."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.engine.contracts import Jobs, ModelLike
from napari_unet.engine.remote import PlaneOutput
from napari_unet.spec import CellSpec, TilingSpec


def to_uint8(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Scale 0 to 1 onto 0 to 255.

    Examples
    --------
    >>> to_uint8(np.array([0.0, 0.5, 1.0], np.float32)).tolist()
    [0, 128, 255]
    """
    return np.rint(np.clip(probabilities, 0, 1) * 255).astype(np.uint8)


def preview_model(
    jobs: Jobs, model: ModelLike, image: Image, t: int, z: int, tiling: TilingSpec
) -> npt.NDArray[np.uint8]:
    """Predict one plane with a trained model.

    A 3D network predicts the whole volume of that time, of which one plane is kept.

    Returns
    -------
    ndarray
        uint8 (K, Y, X), 255 is certain.
    """
    place = tuple({"T": t, "Z": z}[a] for a in image.result_axes if a in "TZ")
    output = PlaneOutput((len(model.classes), *image.result_shape), place)
    for _ in jobs.prediction(model, image, {"probabilities": output}, tiling, CellSpec(), [(t, z)]):
        pass
    return output.plane
