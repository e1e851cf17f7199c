"""Numbers that half precision does not have: computed in full, and never NaN in a result."""

import functools

import numpy as np
import pytest
import torch

import synthetic
from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.events import Finished, Note
from napari_unet.jobs import Training, as_pairs
from napari_unet.learn import loop
from napari_unet.learn.inference import Halved, fold, prepare
from napari_unet.learn.plan import make_plan
from napari_unet.learn.predictor import Predictor, read
from napari_unet.learn.turns import mirror_images
from napari_unet.spec import TargetSpec, TilingSpec, TrainingSpec, TrainSpec

CPU = torch.device("cpu")


def tiles_of(model, network, image, said, mirrors=1):
    """Predict tile by tile; float16 numbers come from the fixture's image alone."""
    net = model.spec.net
    plan = make_plan(image, net, TilingSpec(tile=64))
    computer = Predictor(network, net, plan, CPU, turns=mirror_images(mirrors), say=said.append)
    for batch in read(image, intensity.fit(image), plan, range(len(plan))):
        yield computer.compute(batch.tiles, batch.pixels).arrays()[0]["float"]


@pytest.fixture
def image():
    """One pixel, not in the first tile, is far brighter than float16 has numbers for."""
    pixels = synthetic.tissue((40, 280), 30, seed=3)[0].astype(np.float32)
    pixels[20, 240] = 1e8
    return Image(pixels, "YX")


@pytest.fixture
def halved(trained_2d):
    """As on a GPU, but on this processor: with float16 numbers."""
    network = trained_2d.trained.network
    return Halved(fold(network).to(torch.float16), torch.float16, functools.partial(prepare, network, 2))


def test_what_half_precision_has_no_numbers_for_is_computed_in_full(trained_2d, image, halved):
    said = []
    found = list(tiles_of(trained_2d, halved, image, said))
    full = list(tiles_of(trained_2d, prepare(trained_2d.trained.network, 2, CPU), image, []))
    same = [np.array_equal(a, b) for a, b in zip(found, full, strict=True)]
    assert len(found) >= 3
    assert any(same)
    assert not same[0]  # half precision where it has the numbers
    assert said == ["some places are too bright or too dark for half precision: they are computed in full"]
    for a, b in zip(found, full, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-3)


def test_what_is_computed_in_full_is_averaged_over_mirror_images_too(trained_2d, image, halved):
    full = prepare(trained_2d.trained.network, 2, CPU)
    expected = list(tiles_of(trained_2d, full, image, [], mirrors=4))
    for a, b in zip(tiles_of(trained_2d, halved, image, [], mirrors=4), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-3)
    once = list(tiles_of(trained_2d, full, image, []))
    assert min(np.abs(a - b).max() for a, b in zip(once, expected, strict=True)) > 0.02


def test_a_tile_that_is_not_the_first_is_looked_at_too(trained_2d, image):
    """A network that breaks at bright pixels: what is there must not be taken for a class."""

    class Breaking(torch.nn.Module):
        def forward(self, x):
            return x.expand(-1, 2, -1, -1) / (x.abs().max() < 100)

    done = []
    with pytest.raises(UserError, match="the model predicts NaN or infinite values"):
        done.extend(tiles_of(trained_2d, Breaking(), image, []))
    assert done
    assert all(np.isfinite(tile).all() for tile in done)


def job_of(**options):
    image, cells = synthetic.tissue((96, 96), 12)
    spec = TrainingSpec(target=TargetSpec(style="cells"), train=TrainSpec(steps=4, patch=(32, 32), **options))
    return Training(as_pairs(image, cells, None), spec)


def test_a_training_goes_on_in_full_where_half_precision_has_no_numbers(monkeypatch):
    monkeypatch.setattr(loop, "number_type", lambda device, half: torch.float16)
    real, seen = loop.Loop._loss, []

    def loss(self, batch):
        seen.append(self.half)
        return real(self, batch) * (torch.inf if self.half and len(seen) == 2 else 1)

    monkeypatch.setattr(loop.Loop, "_loss", loss)
    job = job_of(val_fraction=0)
    job._loop.half = True
    events = list(job)
    assert seen == [True, True, False, False, False]
    words = "the numbers are too large for half precision: going on in full precision"
    assert [e.text for e in events if isinstance(e, Note) and e.warning] == [words]
    assert [e.steps for e in events if isinstance(e, Finished)] == [4]


def test_memory_that_ends_while_the_optimiser_makes_its_state_is_survived(monkeypatch):
    job = job_of(val_fraction=0)
    real, calls = job._loop.optimizer.step, []

    def step(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            first, second, *_ = job._loop.optimizer.param_groups[0]["params"]
            zeros = torch.zeros_like
            job._loop.optimizer.state[first] = {
                "step": torch.tensor(1.0),
                "exp_avg": zeros(first),
                "exp_avg_sq": zeros(first),
            }
            job._loop.optimizer.state[second] = {"step": torch.tensor(0.0)}
            raise RuntimeError("CUDA error: out of memory")
        return real(*args, **kwargs)

    monkeypatch.setattr(job._loop.optimizer, "step", step)
    notes = [e.text for e in job if isinstance(e, Note) and e.warning]
    assert notes == ["the memory is full: going on with 2 patches per step"]
    assert len(calls) == 5


@pytest.mark.parametrize("held_out", [False, True])
def test_one_bright_pixel_does_not_end_a_training(held_out, monkeypatch):
    """It spoils the statistics of BatchNorm, too; or only the scores, where it is among what is held out."""
    monkeypatch.setattr(loop, "number_type", lambda device, half: torch.float16)
    monkeypatch.setattr(loop, "autocast", lambda device, half: torch.autocast("cpu", torch.float16, enabled=half))
    job = job_of(val_fraction=0.2, start="random", checks=2)
    of_step, of_check = job._loop.sampler, job._loop.held_out
    assert of_check is not None
    if held_out:
        of_check.images[0, 0, 5, 5] = 1e5
    else:
        draw = of_step.draw

        def bright(count):
            batch = draw(count)
            batch.images[0, 0, 5, 5] = 1e5
            return batch

        monkeypatch.setattr(of_step, "draw", bright)
    job._loop.half = True
    words = [e.text for e in job if isinstance(e, Note) and e.warning]
    assert words == ["the numbers are too large for half precision: going on in full precision"]
    assert not job._loop.half
    assert all(t.isfinite().all() for t in job._loop.average.state_dict().values())
    assert [h["step"] for h in job._loop.history] == [2, 4]
