"""The voxel size of a file that napari's reader has not passed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers._source import layer_source

from napari_unet.arrays.where import Where
from napari_unet.plugin.layers import image_of, where_of
from napari_unet.plugin.voxel_size import filed_voxel_size, give_size
from napari_unet.storage.export import export_tiff
from napari_unet.storage.read import open_image
from napari_unet.storage.samples import load_sample
from napari_unet.storage.write import create_output

STACK = load_sample("nuclei-3d").image


@pytest.fixture(params=["a.ome.tif", "a.ome.zarr"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    with create_output(path, STACK.shape, STACK.dtype, "ZYX", (0.5, 0.2, 0.2), unit="micrometer") as out:
        out[:] = STACK
    return path


def opened(path: Path, data: np.ndarray, **properties: object) -> ImageLayer:
    """A layer as a reader gives it that passes on nothing but pixels."""
    with layer_source(path=str(path)):
        return ImageLayer(data, **properties)


def test_what_the_file_tells_is_taken_over_by_all_that_lies_on_it(path: Path) -> None:
    viewer = ViewerModel()
    layer = opened(path, STACK)
    viewer.add_layer(layer)
    strokes, other = viewer.add_labels(np.zeros(STACK.shape, int)), viewer.add_image(STACK[:, :40])
    size = filed_voxel_size(layer, "ZYX")
    assert size is not None
    assert str(size) == "0.5 x 0.2 x 0.2 µm"
    assert give_size(viewer, layer, size) == [layer, strokes]
    for sized in (layer, strokes):
        assert tuple(sized.scale) == (0.5, 0.2, 0.2)
        assert {str(u) for u in sized.units} == {"micrometer"}
    assert tuple(other.scale) == (1, 1, 1)
    assert image_of(layer).spacing == open_image(path).spacing
    assert filed_voxel_size(layer, "ZYX") is None  # nothing is left to be taken over


def test_the_time_between_frames_is_taken_over_too(tmp_path: Path) -> None:
    where = Where((0.0, 10.0, 10.0), 0.0, 2.5, "minute")
    path, spacing = tmp_path / "movie.ome.tif", (1.0, 0.2, 0.2)
    export_tiff(STACK, path, "TYX", spacing, unit="micrometer", where=where)
    layer = opened(path, STACK)
    size = filed_voxel_size(layer, "TYX")
    assert size is not None
    assert str(size) == "0.2 x 0.2 µm"
    viewer = ViewerModel()
    viewer.add_layer(layer)
    give_size(viewer, layer, size)
    assert where_of(layer, "TYX") == Where(step=2.5, time_unit="minute")


def test_nothing_is_offered_where_the_file_tells_of_something_else(path: Path, tmp_path: Path) -> None:
    assert filed_voxel_size(opened(path, STACK[:5]), "ZYX") is None  # a part
    assert filed_voxel_size(opened(path, STACK), "TYX") is None
    assert filed_voxel_size(opened(path, STACK, scale=(2, 1, 1)), "ZYX") is None  # the user has told
    assert filed_voxel_size(opened(tmp_path / "gone.tif", STACK), "ZYX") is None
    assert filed_voxel_size(ImageLayer(STACK), "ZYX") is None
    assert filed_voxel_size(None, "") is None
