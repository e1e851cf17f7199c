"""Cells of probabilities: of arrays, files and predictions, in one piece or block by block."""

import numpy as np
import pytest
import tifffile
import zarr
from scipy import ndimage

import napari_unet as nu
from napari_unet.arrays import agglomeration, boxes
from napari_unet.arrays.axes import Image
from napari_unet.arrays.cells import cells_from_probabilities
from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.events import BlockDone, CellsDone, Finished, Preparing
from napari_unet.jobs import Request, predict_file, prediction
from napari_unet.jobs.cells import cells_of, make_cells
from napari_unet.spec import BOUNDARY, CELL, CellSpec
from synthetic import classes, tissue

TISSUE = (CELL, BOUNDARY)
IMAGE, TRUTH = tissue((2, 90, 100), 40)


def maps_of(truth):
    """Blurred probabilities (cell, boundary) of a tissue, as bytes."""
    rim = ndimage.morphological_gradient(truth, [1] * (truth.ndim - 2) + [3, 3]) > 0
    boundary = ndimage.gaussian_filter(rim.astype(np.float32), [0] * (truth.ndim - 2) + [0.8, 0.8])
    return np.rint(255 * np.stack([1 - boundary, boundary])).astype(np.uint8)


@pytest.fixture
def small_blocks(monkeypatch):
    """Whatever has more than 4000 pixels is large."""
    monkeypatch.setattr(boxes, "IN_ONE_PIECE", 4000)
    monkeypatch.setattr(boxes, "IN_A_BLOCK", 1500)


@pytest.fixture(scope="module")
def model():
    return nu.train(IMAGE, classes(TRUTH), steps=30, base=8, depth=2, patch=(48, 48), val_fraction=0)


def test_slices_and_times_one_by_one_and_axes_in_any_order():
    maps = maps_of(TRUTH)
    expected = np.stack([cells_from_probabilities(maps[:, z], TISSUE, CellSpec()) for z in range(2)])
    np.testing.assert_array_equal(cells_of(maps), expected)
    movie = np.ascontiguousarray(maps.transpose(1, 0, 2, 3))
    np.testing.assert_array_equal(cells_of(movie, TISSUE, "TCYX"), expected)
    np.testing.assert_array_equal(cells_of(movie / np.float32(255), ("cell", "boundary"), "ZCYX"), expected)


def test_a_volume_knows_its_spacing():
    maps = maps_of(np.repeat(TRUTH[:1], 6, axis=0))
    image = Image(maps, "CZYX", (4.0, 1.0, 1.0))
    out = np.zeros(image.result_shape, np.int32)
    events = list(make_cells(image, TISSUE, out, CellSpec(), volume=True))
    np.testing.assert_array_equal(out, cells_from_probabilities(maps, TISSUE, CellSpec(), spacing=(4.0, 1.0, 1.0)))
    assert [e.cells for e in events if isinstance(e, CellsDone)] == [out.max()]
    assert isinstance(events[-1], Finished)
    np.testing.assert_array_equal(cells_of(maps, volume=True, spacing=(4, 1, 1)), out)
    for wrong in ((1.0,), (0.0, 1.0, 1.0), (1.0, float("nan"))):
        with pytest.raises(UserError, match="no size of a voxel"):
            cells_of(maps, volume=True, spacing=wrong)


@pytest.mark.parametrize("volume", [False, True])
def test_large_ones_come_in_blocks_from_zarr_to_zarr(small_blocks, tmp_path, volume):
    maps = maps_of(TRUTH)
    source = zarr.create_array(tmp_path / "p.zarr", data=maps, chunks=(1, 1, 32, 32))
    target = zarr.create_array(tmp_path / "c.zarr", shape=maps.shape[1:], dtype="int32", chunks=(1, 50, 50))
    spec = CellSpec(method="components")
    events = list(make_cells(Image(source, "CZYX"), TISSUE, target, spec, volume=volume, scratch=tmp_path))
    pieces = [maps] if volume else [maps[:, 0], maps[:, 1]]
    expected = [cells_from_probabilities(p, TISSUE, spec) for p in pieces]
    np.testing.assert_array_equal(target[...], expected[0] if volume else np.stack(expected))
    steps = [(e.done, e.total) for e in events if isinstance(e, Preparing)]
    assert max(steps)[0] == max(steps)[1] > 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.zarr", "p.zarr"]  # nothing is left behind


def test_mistakes_are_told_before_any_work(monkeypatch):
    maps = maps_of(TRUTH)
    with pytest.raises(nu.UserError, match="3 classes but probabilities of 2"):
        cells_of(maps, ("cell", "boundary", "background"))
    monkeypatch.setattr(agglomeration, "has_elf", lambda: False)
    with pytest.raises(nu.UserError, match="needs python-elf"):
        cells_of(maps, cells=CellSpec(method="gasp"))


def test_a_prediction_of_something_large_makes_its_cells_in_blocks(model, small_blocks):
    """The same cells as from its probabilities, in the place where they belong."""
    image, spec = Image(IMAGE, "ZYX"), CellSpec(method="components")
    out = {"cells": np.zeros(image.result_shape, np.int32), "boundaries": np.zeros(image.result_shape, np.uint8)}
    region = Region.of(image, (None, (1, 2), (10, 80), (0, 90)))
    events = list(prediction(model, image, out, cells=spec, region=region))
    maps = np.rint(model.predict(IMAGE)[:, 1, 10:80, :90] * 255).astype(np.uint8)
    np.testing.assert_array_equal(out["cells"][1, 10:80, :90], cells_from_probabilities(maps, model.classes, spec))
    assert out["cells"].max() > 5
    assert not out["cells"][0].any()
    assert not out["cells"][1, 80:].any()
    assert out["boundaries"][1, 10:80, :90].any()
    assert [e.ranges for e in events if isinstance(e, BlockDone)] == [region.ranges]
    assert sum(isinstance(e, Finished) for e in events) == 1
    assert isinstance(events[-1], Finished)


def test_cells_made_in_blocks_begin_with_the_slice_in_view(model, small_blocks):
    image, spec = Image(IMAGE, "ZYX"), CellSpec(method="components")
    plain, turned = (np.zeros(image.result_shape, np.int32) for _ in range(2))
    list(prediction(model, image, {"cells": plain}, cells=spec))
    events = list(prediction(model, image, {"cells": turned}, cells=spec, view=(0, 1)))
    assert [e.ranges[1] for e in events if isinstance(e, BlockDone)] == [(1, 2), (0, 1)]
    np.testing.assert_array_equal(turned, plain)


@pytest.mark.parametrize("name", ["cells.ome.zarr", "cells.tif"])
def test_a_large_file_goes_on_from_its_probabilities(model, small_blocks, tmp_path, name):
    stack, target = tmp_path / "stack.tif", tmp_path / name
    tifffile.imwrite(stack, IMAGE, photometric="minisblack", metadata={"axes": "ZYX"})
    request = Request(stack, target, "cells", cells=CellSpec(method="components"))
    for event in predict_file(model, request):
        if isinstance(event, Preparing) and event.what == "making cells" and event.done == 4:
            break  # as if it were killed while cells are made
    assert not target.exists()
    events = list(predict_file(model, request))
    assert any("blocks were finished before" in getattr(e, "text", "") for e in events)
    maps = np.rint(model.predict(IMAGE) * 255).astype(np.uint8)
    expected = [cells_from_probabilities(maps[:, z], model.classes, request.cells) for z in range(2)]
    found = np.asarray(nu.jobs.as_image(target).data[...])
    np.testing.assert_array_equal(found, np.stack(expected))
    assert not list(tmp_path.glob(".*"))
