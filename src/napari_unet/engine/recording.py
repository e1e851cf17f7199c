"""How the results of the window are made: their record, made where the model is."""

from __future__ import annotations

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.engine import messages as m
from napari_unet.engine.contracts import ModelLike
from napari_unet.engine.remote import ReadError
from napari_unet.spec import Predicting, Record, TilingSpec
from napari_unet.storage.held import facts_in_file
from napari_unet.storage.records import new_record


def record_of(model: ModelLike, image: Image, order: m.Predict, tiling: TilingSpec) -> Record | None:
    """Tell how the first output of an order is made; a sample of the image is read.

    None if it cannot be read: the prediction says so when it comes to the place.
    """
    try:
        source, channel = facts_in_file(image)
    except ReadError:
        return None
    region = order.region or Region.of(image)
    t, z, y, x = (None if r == (0, image.size(a)) else r for a, r in zip("TZYX", region.ranges, strict=True))
    settings = Predicting(
        output=order.outputs[0],
        tiling=tiling,
        cells=order.cells,
        part=(t, z, y, x),
        axes=source.axes,
        channel=channel,
    )
    return new_record(settings, source, model.facts)
