import numpy as np
import pytest
import zarr

import napari_unet as nu
from napari_unet.arrays import boxes
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.events import BlockDone, CellsDone, Finished, TileDone
from napari_unet.jobs import prediction
from napari_unet.nets import geometry_of
from napari_unet.spec import CellSpec, TilingSpec
from synthetic import classes, tissue

IMAGE, CELLS = tissue((2, 60, 72), 40)


@pytest.fixture(scope="module")
def model():
    return nu.train(IMAGE, classes(CELLS), steps=30, base=8, depth=2, patch=(48, 48), val_fraction=0)


def arrays_for(model, image):
    shape = image.result_shape
    return {
        "probabilities": np.zeros((len(model.classes), *shape), np.uint8),
        "classes": np.zeros(shape, np.uint8),
        "boundaries": np.zeros(shape, np.uint8),
        "cells": np.zeros(shape, np.int32),
    }


def test_one_pass_fills_every_output_consistently(model):
    image = Image(IMAGE, "ZYX")
    out = arrays_for(model, image)
    events = list(prediction(model, image, out, tiling=TilingSpec(tile=60)))
    exact = model.predict(IMAGE)
    np.testing.assert_allclose(out["probabilities"] / 255, exact, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(out["classes"], exact.argmax(axis=0) + 1)
    np.testing.assert_array_equal(out["boundaries"], exact[1] >= 0.5)
    np.testing.assert_array_equal(out["cells"], model.cells(IMAGE))
    tiles = [e for e in events if isinstance(e, TileDone)]
    assert [e.done for e in tiles] == list(range(1, tiles[-1].total + 1))
    found = [e for e in events if isinstance(e, CellsDone)]
    assert [e.cells for e in found] == [int(plane.max()) for plane in out["cells"]]
    assert isinstance(events[-1], Finished)


def test_only_the_wanted_planes_are_written(model):
    image = Image(IMAGE, "ZYX")
    out = arrays_for(model, image)
    list(prediction(model, image, out, region=Region.of(image, (None, (1, 2), None, None))))
    assert not out["classes"][0].any()
    assert out["classes"][1].all()
    assert out["cells"][1].max() > 3


def test_what_was_done_before_is_left_out(model):
    image = Image(IMAGE, "ZYX")
    out, rest = arrays_for(model, image), arrays_for(model, image)
    done = [Region(*e.ranges) for e in prediction(model, image, out) if isinstance(e, BlockDone)]
    assert [b.z for b in done] == [(0, 1), (1, 2)]
    events = list(prediction(model, image, rest, done=done[:1]))
    assert [e.ranges for e in events if isinstance(e, BlockDone)] == [done[1].ranges]
    for name, array in rest.items():
        assert not array[..., 0, :, :].any()
        np.testing.assert_array_equal(array[..., 1, :, :], out[name][..., 1, :, :])


@pytest.mark.parametrize("in_one_piece", [10**9, 1000])
def test_what_is_written_is_told_where_it_is_stopped(model, in_one_piece, monkeypatch):
    """In blocks, cells come last: no slice is done before."""
    monkeypatch.setattr(boxes, "IN_ONE_PIECE", in_one_piece)
    image, kind = Image(IMAGE, "ZYX"), TileDone if in_one_piece > 1000 else CellsDone

    def run_until(last):
        out, seen = arrays_for(model, image), []
        seen.extend(prediction(model, image, out, stopped=lambda: any(isinstance(e, last) for e in seen)))
        assert not any(isinstance(e, Finished) for e in seen)
        filled = [(z, z + 1) for z in range(2) if out["cells"][z].any()]
        assert [Region(*e.ranges).z for e in seen if isinstance(e, BlockDone)] == filled
        return filled

    assert run_until(TileDone) == ([(0, 1)] if kind is TileDone else [])
    assert run_until(kind) == [(0, 1)]


def test_the_plane_in_view_comes_first_and_changes_nothing(model):
    image = Image(IMAGE, "ZYX")
    out, turned = arrays_for(model, image), arrays_for(model, image)
    list(prediction(model, image, out))
    events = list(prediction(model, image, turned, view=(0, 1)))
    assert [e.plane for e in events if isinstance(e, TileDone)] == [(0, 1), (0, 0)]
    for name, array in turned.items():
        np.testing.assert_array_equal(array, out[name])
    rest = list(prediction(model, image, turned, view=(0, 1), done=[Region((0, 1), (1, 2), (0, 60), (0, 72))]))
    assert {e.plane for e in rest if isinstance(e, TileDone)} == {(0, 0)}


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("probabilities", np.uint16, "uint16, which cannot hold them; use float32"),
        ("cells", np.uint8, "uint8, which cannot hold them; use int32"),
        ("classes", np.float32, "use uint8"),
    ],
)
def test_arrays_that_cannot_hold_the_result_are_refused(model, name, dtype, message):
    image = Image(IMAGE, "ZYX")
    out = np.zeros(model.output_shape(image, name), dtype)
    with pytest.raises(nu.UserError, match=message):
        prediction(model, image, {name: out})


def test_wrong_shape_channels_and_cells_are_refused_before_work(model):
    image = Image(IMAGE, "ZYX")
    with pytest.raises(nu.UserError, match="needs shape"):
        prediction(model, image, {"classes": np.zeros((2, 60, 70), np.uint8)})
    with pytest.raises(nu.UserError, match="needs 1 channel"):
        model.predict(np.zeros((3, 40, 40)), "CYX")
    with pytest.raises(nu.UserError, match="no room beside its halo"):
        model.predict(np.random.default_rng(0).random((400, 400)), tiling=TilingSpec(tile=40))


def test_an_array_that_cannot_be_filled_is_refused_before_work(model, tmp_path):
    with pytest.raises(nu.UserError, match=r"has to be an array that can be written to, .* not str"):
        model.predict(IMAGE, out="x.zarr")
    zarr.create_array(tmp_path / "a.zarr", shape=model.predict(IMAGE).shape, dtype="f4")
    with pytest.raises(nu.UserError, match="can only be read"):
        model.predict(IMAGE, out=zarr.open_array(tmp_path / "a.zarr", mode="r"))
    fixed = np.zeros(model.predict(IMAGE).shape, np.float32)
    fixed.flags.writeable = False
    with pytest.raises(nu.UserError, match="can only be read"):
        model.predict(IMAGE, out=fixed)


def test_a_tile_that_is_too_small_for_the_exact_halo_may_do_for_the_one_that_is_found(model_3d, monkeypatch):
    image, exact = tissue((12, 40, 44), 20)[0], max(geometry_of(model_3d.spec.net).halo)
    small = TilingSpec(tile=2 * exact)
    with pytest.raises(nu.UserError, match="no room beside its halo"):
        model_3d.predict(image, tiling=small)
    monkeypatch.setattr("napari_unet.learn.halo.TOLERANCE", 10.0)  # so that the least halo is found
    found = model_3d.predict(image, tiling=small.model_copy(update={"halo": "auto"}))
    least = model_3d.predict(image, tiling=small.model_copy(update={"halo": 2}))
    np.testing.assert_allclose(found, least, atol=1e-5)


def test_a_blank_plane_is_predicted_too(model):
    assert model.cells(np.full((40, 40), 9, np.uint8)).shape == (40, 40)


@pytest.fixture(scope="module")
def model_3d():
    image, cells = tissue((12, 40, 44), 20)
    return nu.train(image, classes(cells), net="unet3d", steps=40, base=6, depth=1, patch=(8, 32, 32))


def test_a_slice_of_a_3d_network_is_all_that_is_written(model_3d):
    image = Image(tissue((60, 40, 44), 90)[0], "ZYX")
    out, whole = arrays_for(model_3d, image), model_3d.predict(image)
    wanted, events = (7, 50), []
    for z in wanted:
        part = Region.of(image, (None, (z, z + 1), None, None))
        events += list(prediction(model_3d, image, out, region=part, cells=CellSpec(min_size=10)))
    others = [z for z in range(60) if z not in wanted]
    for values in out.values():
        assert not np.moveaxis(values, -3, 0)[others].any()
    for z in wanted:
        np.testing.assert_array_equal(out["classes"][z], whole[:, z].argmax(axis=0) + 1)
        np.testing.assert_allclose(out["probabilities"][:, z] / 255, whole[:, z], atol=0.51 / 255)
        assert out["cells"][z].max() > 3
    assert [e.cells for e in events if isinstance(e, CellsDone)] == [out["cells"][z].max() for z in wanted]
    assert [e.plane for e in events if isinstance(e, TileDone)] == [(0, z) for z in wanted]


def test_a_3d_network_numbers_cells_through_the_volume(model_3d):
    image, _ = tissue((12, 40, 44), 20)
    found = model_3d.cells(image, cells=CellSpec(min_size=10))
    assert found.ndim == 3
    through = [i for i in range(1, found.max() + 1) if np.ptp(np.nonzero(found == i)[0]) >= 3]
    assert len(through) > 5


def test_a_part_in_python_is_cut_out_of_the_whole(model):
    whole = model.predict(IMAGE)
    part = model.predict(IMAGE, part=(None, (1, 2), (9, 50), (0, 33)))
    np.testing.assert_allclose(part, whole[:, 1:2, 9:50, :33], atol=1e-5)
    with pytest.raises(nu.UserError, match="range 0:61 along Y does not fit image"):
        model.boundaries(IMAGE, part=(None, None, (0, 61), None))
