"""What is done about a lack of memory: smaller tiles, then the CPU, and the same result."""

import numpy as np
import pytest
import torch

import synthetic
from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.learn.halo import TOLERANCE, find_halo
from napari_unet.learn.inference import prepare
from napari_unet.learn.memory import activation_bytes, tile_budget
from napari_unet.learn.plan import make_plan
from napari_unet.learn.predictor import Predictor, read
from napari_unet.learn.turns import mirror_images
from napari_unet.nets import build, geometry_of
from napari_unet.spec import TilingSpec, UNet2015Spec, UNetSpec

CPU = torch.device("cpu")


class Small(torch.nn.Module):
    """A network on a device with little memory."""

    def __init__(self, network, most, error=MemoryError):
        super().__init__()
        self.network, self.most, self.error, self.largest = network, most, error, 0

    def forward(self, x):
        if x[:, 0].numel() > self.most:
            raise self.error("CUDA out of memory" if self.error is RuntimeError else "too large")
        self.largest = max(self.largest, x[:, 0].numel())
        return self.network(x)


def predict(model, image, network, tiling=None, batch=1, mirrors=1):
    net = model.spec.net
    plan = make_plan(image, net, tiling or TilingSpec(), batch=batch)
    said = []
    computer = Predictor(network, net, plan, CPU, turns=mirror_images(mirrors), say=said.append)
    out = np.zeros((net.classes, *image.shape[2:]), np.float32)
    for found in read(image, intensity.fit(image), plan, range(len(plan))):
        for tile, values in zip(found.tiles, computer.compute(found.tiles, found.pixels).arrays(), strict=True):
            out[(slice(None), *(slice(s.start, s.stop) for s in tile))] = values["float"]
    return out, said


@pytest.mark.parametrize(
    ("most", "error"),
    [
        (10_000, MemoryError),
        (5_000, MemoryError),
        (5_000, torch.OutOfMemoryError),
        (5_000, RuntimeError),
        (52 * 52, MemoryError),
    ],
)
def test_smaller_tiles_give_the_same(trained_2d, most, error):
    image = Image(synthetic.tissue((91, 133), 50, seed=3)[0], "YX")
    network = prepare(trained_2d.trained.network, 2, CPU)
    whole, silent = predict(trained_2d, image, network)
    small = Small(network, most, error)
    found, said = predict(trained_2d, image, small)
    np.testing.assert_allclose(found, whole, atol=1e-5)
    assert not silent
    assert 0 < small.largest <= most
    assert 1 <= len(said) <= 5
    assert all("going on with smaller tiles" in w for w in said)


def test_smaller_tiles_give_the_same_mean_of_mirror_images(trained_2d):
    image = Image(synthetic.tissue((91, 133), 50, seed=3)[0], "YX")
    network = prepare(trained_2d.trained.network, 2, CPU)
    whole, _ = predict(trained_2d, image, network, mirrors=4)
    found, said = predict(trained_2d, image, Small(network, 5_000), mirrors=4)
    assert said
    np.testing.assert_allclose(found, whole, atol=1e-5)
    assert np.abs(predict(trained_2d, image, network)[0] - whole).max() > 0.02


def test_smaller_tiles_give_the_same_in_3d(trained_3d):
    image = Image(synthetic.tissue((19, 45, 37), 25, seed=3)[0], "ZYX")
    network = prepare(trained_3d.trained.network, 3, CPU)
    small = Small(network, 12_000)
    np.testing.assert_allclose(
        predict(trained_3d, image, small)[0], predict(trained_3d, image, network)[0], atol=1e-5
    )


def test_slices_that_are_computed_together_can_be_computed_alone(trained_2d):
    image = Image(synthetic.tissue((5, 40, 48), 60)[0], "ZYX")
    network = prepare(trained_2d.trained.network, 2, CPU)
    together, _ = predict(trained_2d, image, network, batch=5)
    small = Small(network, 2 * 40 * 48)
    alone, said = predict(trained_2d, image, small, batch=5)
    assert said
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(together, predict(trained_2d, image, network)[0], atol=1e-5)


def test_where_the_smallest_tile_is_too_large_the_cure_is_named(trained_2d):
    image = Image(synthetic.tissue((131, 203), 50, seed=3)[0], "YX")
    network = prepare(trained_2d.trained.network, 2, CPU)
    with pytest.raises(UserError, match=r"not enough memory for a tile of .* close other programs"):
        predict(trained_2d, image, Small(network, 100))


def test_other_errors_are_never_taken_for_a_lack_of_memory(trained_2d):
    image = Image(synthetic.tissue((131, 203), 50, seed=3)[0], "YX")

    class Broken(torch.nn.Module):
        def forward(self, x):
            raise RuntimeError("Given groups=1, expected input to have 3 channels")

    with pytest.raises(RuntimeError, match="expected input"):
        predict(trained_2d, image, Broken())


def test_a_model_that_predicts_nothing_finite_is_refused(trained_2d):
    image = Image(synthetic.tissue((40, 48), 10)[0], "YX")

    class Broken(torch.nn.Module):
        def forward(self, x):
            return torch.full((len(x), 2, *x.shape[2:]), torch.nan)

    with pytest.raises(UserError, match="the model predicts NaN or infinite values"):
        predict(trained_2d, image, Broken())


def test_bytes_per_pixel_are_those_of_the_tensors_alive():
    network = prepare(build(UNetSpec()), 2, CPU)
    per_pixel = [activation_bytes(network, torch.zeros(1, 1, n, n)) for n in (64, 128)]
    assert per_pixel[0] == pytest.approx(per_pixel[1])
    # the last level: a skip, what comes from below, both joined, and a convolution of them, 16 channels each
    assert 4 * 16 * 4 <= per_pixel[0] <= 4 * 16 * 8


def test_tiles_shrink_with_the_memory(monkeypatch):
    from napari_unet.learn import memory

    network = prepare(build(UNetSpec()), 2, CPU)
    assert tile_budget(network, UNetSpec(), CPU) == 1024 * 1024
    monkeypatch.setattr(memory, "free_bytes", lambda device: 100_000_000)
    assert 80_000 < tile_budget(network, UNetSpec(), CPU) < 200_000


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_halo_that_is_found_cannot_be_seen(trained_2d, trained_3d, ndim):
    model = trained_2d if ndim == 2 else trained_3d
    shape = (160, 200) if ndim == 2 else (24, 48, 56)
    image = Image(synthetic.tissue(shape, 60, seed=5)[0], "ZYX"[-ndim:])
    net, norm = model.spec.net, intensity.fit(image)
    network = prepare(model.trained.network, ndim, CPU)
    plan = make_plan(image, net, TilingSpec())
    found = find_halo(Predictor(network, net, plan, CPU), image, norm, plan)
    assert found.exact[-ndim:] == geometry_of(net).halo
    assert found.deviation < TOLERANCE
    assert all(0 < n <= e for n, e in zip(found.lengths[-ndim:], found.exact[-ndim:], strict=True))
    whole, _ = predict(model, image, network)
    tiling = TilingSpec(tile=max(2 * max(found.lengths) + 16, 32), halo=max(found.lengths))
    tiled, _ = predict(model, image, network, tiling)
    # bounded where it was measured; elsewhere it may be a little more
    assert np.abs(tiled - whole).max() < 3 * TOLERANCE
    assert np.abs(predict(model, image, network, TilingSpec(tile=24, halo=0))[0] - whole).max() > 3 * TOLERANCE


def test_a_network_with_valid_convolutions_can_be_cut_into_smaller_tiles():
    spec = UNet2015Spec(base=4, depth=2)
    network = build(spec).eval()
    image = Image(synthetic.tissue((90, 120), 30)[0], "YX")

    class Model:
        class spec:
            net = spec

    whole, _ = predict(Model, image, network)
    found, said = predict(Model, image, Small(network, 8_000))
    assert said
    np.testing.assert_allclose(found, whole, atol=1e-5)
