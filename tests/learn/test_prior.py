"""How often the classes occur, found out while a training runs, and what is offered for it."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.arrays.targets import IGNORE
from napari_unet.jobs import Training, as_pairs
from napari_unet.learn.anchor import shares
from napari_unet.learn.prior import EVERY, LEAST, Prior
from napari_unet.spec import TargetSpec, TrainingSpec, TrainSpec
from synthetic import classes, tissue

IMAGE, CELLS = tissue((256, 256), 3)
TRUE = classes(CELLS)
STROKES = np.where(np.random.default_rng(0).random(TRUE.shape) < 0.02, TRUE, 0)


def seen_by_an_ideal_network(taught, true, rng):
    """Outputs for pixels whose grey values overlap, right if the classes were as frequent as taught."""
    second = rng.random((1, 128, 128)) < true
    grey = rng.normal(np.where(second, 1.0, -1.0), 1.0)
    outputs = np.stack([np.log(1 - taught) - grey, np.log(taught) + grey], axis=1)
    return torch.from_numpy(outputs.astype(np.float32)), torch.from_numpy(second.astype(int))


@settings(deadline=None, max_examples=25)
@given(taught=st.floats(0.2, 0.5), true=st.floats(0.12, 0.6), seed=st.integers(0, 99))
def test_the_true_frequency_is_found_whatever_was_taught(taught, true, seed):
    rng, prior = np.random.default_rng(seed), Prior(torch.tensor([1 - taught, taught]))
    for _ in range(12):
        outputs, target = seen_by_an_ideal_network(taught, true, rng)
        prior.look(outputs, torch.full_like(target, IGNORE))
    assert float(prior.seen[1]) == pytest.approx(true, abs=0.05)
    assert float(prior.seen.sum()) == pytest.approx(1)


def test_decisions_are_better_with_it():
    rng, prior = np.random.default_rng(0), Prior(torch.tensor([0.5, 0.5]))
    for _ in range(12):
        outputs, target = seen_by_an_ideal_network(0.5, 0.15, rng)
        prior.look(outputs, torch.full_like(target, IGNORE))
    corrected = outputs + torch.tensor(prior.shift)[None, :, None, None]
    wrong = [(o.argmax(dim=1) != target).float().mean() for o in (outputs, corrected)]
    assert wrong[1] < 0.75 * wrong[0]


def test_what_is_painted_counts_as_what_it_is():
    prior = Prior(torch.tensor([0.5, 0.5]))
    for _ in range(LEAST + 1):
        prior.look(torch.zeros(1, 2, 32, 32), torch.ones(1, 32, 32, dtype=torch.long))
    assert prior.seen[1] > 0.999
    assert prior.shift == pytest.approx([-np.log(3), np.log(2)], abs=1e-5)


def test_a_few_looks_change_nothing():
    prior = Prior(torch.tensor([0.7, 0.3]))
    for _ in range(LEAST):
        prior.look(torch.randn(1, 2, 32, 32), torch.full((1, 32, 32), IGNORE))
    assert prior.shift == [0, 0]


def test_a_class_that_was_away_for_long_is_seen_again():
    rng, prior = np.random.default_rng(0), Prior(torch.tensor([0.7, 0.3]))
    for true in (0.0,) * 20 + (0.3,) * 12:
        outputs, target = seen_by_an_ideal_network(0.3, true, rng)
        prior.look(outputs, torch.full_like(target, IGNORE))
    assert float(prior.seen[1]) == pytest.approx(0.3, abs=0.05)


def test_looks_spread_over_all_slices_and_all_of_a_slice():
    stack, labels = np.stack([IMAGE] * 30), np.stack([STROKES] * 30)
    spec = TrainingSpec(target=TargetSpec(style="classes"), train=TrainSpec(steps=1, patch=(64, 64)))
    sampler = Training(as_pairs(stack, labels, "ZYX"), spec)._loop.sampler
    for n, unit in enumerate(sampler.units):
        unit.image[:] = n
        unit.target[:] = n
    sampler.targets = [np.full(t.shape, n) for n, t in enumerate(sampler.targets)]
    last = [int(sampler.look(n)[1].unique()) for n in range(20, 32)]
    assert len(set(last)) == 12
    assert max(last) - min(last) > 20


def test_a_class_that_nobody_paints_is_taken_for_as_frequent_as_the_start_sees_it():
    chances = torch.tensor([0.7, 0.25, 0.05])[None, :, None, None].expand(1, 3, 64, 64)
    target = torch.full((1, 64, 64), IGNORE)
    found = shares(chances, target, torch.tensor([50, 50, 0]), 10**7)
    torch.testing.assert_close(found, torch.tensor([0.7, 0.25, 0.05]), atol=1e-3, rtol=0)
    prior = Prior(found)
    for _ in range(12):
        prior.look(chances.log(), target)
    assert prior.shift == pytest.approx([0, 0, 0], abs=0.01)


def test_a_training_that_diverged_leaves_what_was_seen():
    prior = Prior(torch.tensor([0.7, 0.3]))
    for _ in range(LEAST + 1):
        prior.look(torch.randn(1, 2, 32, 32), torch.full((1, 32, 32), IGNORE))
    before = prior.shift
    prior.look(torch.full((1, 2, 32, 32), float("nan")), torch.full((1, 32, 32), IGNORE))
    assert prior.shift == before


def training(tmp_path=None, *, steps=EVERY * 8, labels=STROKES, resume=False, **options):
    spec = TrainingSpec(target=TargetSpec(style="classes"), train=TrainSpec(steps=steps, checks=2, **options))
    output = None if tmp_path is None else tmp_path / "model.safetensors"
    return Training(as_pairs(IMAGE, labels, "YX"), spec, output=output, resume=resume)


def test_what_is_offered_is_the_average_with_the_classes_shifted():
    made = training()
    list(made)
    loop = made._loop
    shift = torch.tensor(loop.prior.shift)
    assert abs(float(shift[1])) > 0.01
    x = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        expected = copy.deepcopy(loop.average)(x) + shift[None, :, None, None]
        found = loop.offered()(x)
        model = made.model(best=False).trained.network(x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model, expected, atol=1e-5, rtol=1e-5)


def test_a_training_that_goes_on_knows_what_it_saw(tmp_path):
    first = training(tmp_path)
    list(first)
    again = training(tmp_path, steps=EVERY * 12, resume=True)
    torch.testing.assert_close(again._loop.prior.seen, first._loop.prior.seen)


@pytest.mark.parametrize(
    ("labels", "options"),
    [(np.where(CELLS % 3 == 1, 3 * (STROKES > 0), STROKES), {}), (STROKES, {"start": "random"})],
    ids=["background", "random"],
)
def test_where_there_is_background_or_no_start_nothing_is_shifted(labels, options):
    made = training(labels=labels, steps=1, **options)
    assert made._loop.prior is None
