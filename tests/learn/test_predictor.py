"""Tiled equals whole, shown with trained networks."""

import numpy as np
import pytest
import torch
import zarr

import synthetic
from napari_unet.arrays import intensity, tiles
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.learn.inference import prepare
from napari_unet.learn.plan import make_plan
from napari_unet.learn.predictor import Predictor, read, read_tile
from napari_unet.nets import geometry_of
from napari_unet.spec import TilingSpec

CPU = torch.device("cpu")


def run(model, image, plan, network=None, norm=None):
    norm = norm or intensity.fit(image)
    network = network or prepare(model.trained.network, plan.ndim, CPU)
    net = model.spec.net
    _, _, z, y, x = image.shape
    out = np.zeros((2, z, y, x), np.float32)
    written = np.zeros((z, y, x), int)
    for batch in read(image, norm, plan, range(len(plan))):
        results = Predictor(network, net, plan, CPU).compute(batch.tiles, batch.pixels).arrays()
        for tile, found in zip(batch.tiles, results, strict=True):
            box = tuple(slice(s.start, s.stop) for s in tile)
            out[(slice(None), *box)] = found["float"]
            written[box] += 1
    part = plan.region.slices[1:]
    assert (written[part] == 1).all()
    assert written.sum() == written[part].size
    return out


@pytest.mark.parametrize("shape", [(131, 203), (64, 257), (97, 41)])
def test_tiled_equals_whole_2d(trained_2d, shape):
    image = Image(synthetic.tissue(shape, 50, seed=3)[0], "YX")
    net = trained_2d.spec.net
    whole = run(trained_2d, image, make_plan(image, net, TilingSpec()))
    plan = make_plan(image, net, TilingSpec(tile=2 * geometry_of(net).halo[0] + 12))
    assert plan.total > 4
    np.testing.assert_allclose(run(trained_2d, image, plan), whole, atol=1e-5)


def test_tiled_equals_whole_3d(trained_3d):
    image = Image(synthetic.tissue((19, 45, 37), 25, seed=3)[0], "ZYX")
    net = trained_3d.spec.net
    whole = run(trained_3d, image, make_plan(image, net, TilingSpec()))
    plan = make_plan(image, net, TilingSpec(tile=2 * geometry_of(net).halo[0] + 6))
    assert plan.total > 8
    np.testing.assert_allclose(run(trained_3d, image, plan), whole, atol=1e-5)


def shifted(size, tile, halo, stride, by):
    """Tiles as they should be, but one pixel off the grid."""
    spans = tiles.cut_axis(size, tile, tiles.Fit(stride, halo))
    return [
        tiles.Span(s.outer_start + by, s.outer_stop + by, s.start + by, s.stop + by)
        for s in spans
        if s.outer_start > 0
    ]


def test_a_shifted_grid_fails(trained_2d):
    """The test above can fail: tiles off the grid, or with too small a halo, give another result."""
    image = Image(synthetic.tissue((160, 203), 50, seed=3)[0], "YX")
    net = trained_2d.spec.net
    stride, halo = geometry_of(net).stride[0], geometry_of(net).halo[0]
    whole = run(trained_2d, image, make_plan(image, net, TilingSpec()))
    network = prepare(trained_2d.trained.network, 2, CPU)
    plan = make_plan(image, net, TilingSpec())
    computer, norm = Predictor(network, net, plan, CPU), intensity.fit(image)
    (rows,) = tiles.cut_axis(160, 160, tiles.Fit(stride, halo))
    worst = 0.0
    for columns in shifted(203, 2 * halo + 16, halo, stride, by=-1)[:3]:
        tile = (tiles.Span(0, 1, 0, 1), rows, columns)
        pixels = norm.apply(read_tile(image, 0, tile))
        (found,) = computer.compute((tile,), pixels[None]).arrays()
        worst = max(
            worst, float(np.abs(found["float"][:, 0] - whole[:, 0, :, columns.start : columns.stop]).max())
        )
    assert worst > 0.01
    seams = run(trained_2d, image, make_plan(image, net, TilingSpec(tile=24, halo=0)))
    assert np.abs(seams - whole).max() > 0.01


def test_folding_batchnorm_changes_nothing(trained_2d):
    image = Image(synthetic.tissue((64, 72), 20)[0], "YX")
    plan = make_plan(image, trained_2d.spec.net, TilingSpec())
    plain = run(trained_2d, image, plan, trained_2d.trained.network)
    np.testing.assert_allclose(run(trained_2d, image, plan), plain, atol=1e-5)
    folded = prepare(trained_2d.trained.network, 2, CPU)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())


@pytest.mark.parametrize("shape", [(3, 5), (1, 64), (7, 90)])
def test_images_smaller_than_a_tile(trained_2d, shape):
    image = Image(np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8), "YX")
    result = run(trained_2d, image, make_plan(image, trained_2d.spec.net, TilingSpec()))
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-5)


class Watched:
    """An image that keeps the largest part that was read of it."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.most = data, data.shape, data.dtype, 0

    def __getitem__(self, key):
        part = self.data[key]
        self.most = max(self.most, part.size)
        return part


@pytest.mark.parametrize(("tile", "count"), [(None, 1), (40, 2), (36, 4)])
@pytest.mark.parametrize("z", [0, 13, 30])
def test_a_slice_of_a_3d_network_needs_only_its_neighbours(trained_3d, z, tile, count):
    image = Image(Watched(synthetic.tissue((31, 45, 37), 40, seed=3)[0]), "ZYX")
    net = trained_3d.spec.net
    whole = run(trained_3d, image, make_plan(image, net, TilingSpec()))
    norm = intensity.fit(image)
    image.data.most = 0
    plan = make_plan(image, net, TilingSpec(tile=tile), Region.of(image, (None, (z, z + 1), None, None)))
    assert plan.total == count
    found = run(trained_3d, image, plan, norm=norm)
    assert image.data.most <= (2 * geometry_of(net).halo[0] + geometry_of(net).stride[0]) * 45 * 37
    np.testing.assert_allclose(found[:, z], whole[:, z], atol=1e-5)


def test_result_goes_into_zarr(trained_2d):
    image = synthetic.tissue((3, 70, 90), 60)[0]
    stored = zarr.create_array({}, shape=(2, *image.shape), chunks=(2, 1, 32, 32), dtype=np.float32)
    assert trained_2d.predict(image, "ZYX", out=stored) is stored
    np.testing.assert_array_equal(stored[:], trained_2d.predict(image, "ZYX"))


def test_slices_and_times_are_independent_for_a_2d_network(trained_2d):
    image = synthetic.tissue((2, 3, 40, 48), 60)[0]
    whole = trained_2d.predict(Image(image, "TZYX", name="movie"))
    assert whole.shape == (2, 2, 3, 40, 48)
    alone = Image(image, "TZYX")
    one = make_plan(alone, trained_2d.spec.net, TilingSpec(), Region.of(alone, ((1, 2), (2, 3), None, None)))
    np.testing.assert_allclose(run(trained_2d, alone, one)[:, 2], whole[:, 1, 2], atol=1e-5)


def test_wrong_number_of_channels(trained_2d):
    with pytest.raises(UserError, match="needs 1 channel, pair has 2"):
        make_plan(Image(np.zeros((2, 8, 8)), "CYX", name="pair"), trained_2d.spec.net, TilingSpec())


@pytest.mark.parametrize(("start", "stop"), [(-5, 9), (20, 40), (3, 37), (-9, 44), (28, 60)])
def test_beyond_its_ends_the_image_is_mirrored_whatever_part_of_it_is_read(start, stop):
    values = np.arange(32 * 3).reshape(32, 3).astype(np.float32)
    image = Image(values, "YX")
    whole = np.pad(values, ((40, 40), (0, 0)), mode="reflect")
    tile = (tiles.Span(0, 1, 0, 1), tiles.Span(start, stop, 0, 1), tiles.Span(0, 3, 0, 3))
    np.testing.assert_array_equal(read_tile(image, 0, tile)[0, 0], whole[40 + start : 40 + stop])
