"""The start network: it is kept to where nothing is painted, as far as it is right where something is."""

import numpy as np
import pytest
import torch
from torch import nn

import napari_unet as nu
from napari_unet.arrays.targets import IGNORE
from napari_unet.events import Note
from napari_unet.jobs.beginning import begin
from napari_unet.learn.anchor import class_weights, shares
from napari_unet.learn.start import fits, rows_of, shipped
from napari_unet.nets.adopt import adopt
from napari_unet.spec import BACKGROUND, BOUNDARY, CELL, ClassSpec, TargetSpec, TrainingSpec, UNetSpec
from synthetic import classes, tissue

IMAGE, CELLS = tissue((192, 192), 3)
TRUE = classes(CELLS)
STROKES = np.where(np.random.default_rng(0).random(TRUE.shape) < 0.02, TRUE, 0)


def accuracy(model):
    found = model.predict(IMAGE).argmax(axis=0) + 1
    return np.mean([(found == k)[k == TRUE].mean() for k in (1, 2)])


def notes_of(**options):
    events = []
    model = nu.train(IMAGE, STROKES, style="classes", on_event=events.append, **options)
    return model, [e.text for e in events if isinstance(e, Note)]


def test_the_network_that_is_shipped_knows_cells_before_it_learns():
    before, _ = notes_of(steps=1, learning_rate=1e-12)
    scratch, _ = notes_of(steps=1, learning_rate=1e-12, start="random")
    assert accuracy(before) > 0.8 > 0.6 > accuracy(scratch)


def test_a_few_steps_on_strokes_make_it_better_and_forget_nothing():
    before, _ = notes_of(steps=1, learning_rate=1e-12)
    after, notes = notes_of(steps=15)
    assert accuracy(after) > accuracy(before) - 0.01
    assert any("it is kept to where nothing is annotated" in n for n in notes)


def test_a_start_that_is_wrong_is_not_kept_to():
    events = []
    inverted = np.where(STROKES > 0, 3 - STROKES, 0)
    nu.train(IMAGE, inverted, style="classes", steps=1, on_event=events.append)
    assert any("it is not kept to" in e.text for e in events if isinstance(e, Note))


def test_only_the_networks_shape_and_grey_values_decide_whether_it_is_used():
    assert fits(TrainingSpec(net=UNetSpec(in_channels=3, classes=5)))
    assert not fits(TrainingSpec(net=UNetSpec(depth=2)))
    assert not fits(TrainingSpec.model_validate({"normalisation": {"method": "none"}}))


@pytest.mark.parametrize("channels", [1, 3])
def test_other_channels_and_classes_begin_as_the_ones_that_are_alike(channels):
    vesicle = ClassSpec(name="vesicle", role="other")
    spec = TrainingSpec(
        net=UNetSpec(in_channels=channels, classes=3), target=TargetSpec(classes=(BOUNDARY, vesicle, CELL))
    )
    begun = begin(spec, None, None, goes_on=False)
    grey = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        ours, theirs = begun.network.eval()(grey.expand(1, channels, 64, 64)), shipped().network(grey)
    np.testing.assert_allclose(ours[:, [2, 0]], theirs[:, :2], atol=1e-4)
    assert not begun.knows


def test_the_classes_may_be_more_than_those_of_the_model_it_starts_from(tmp_path):
    first = nu.train(IMAGE, STROKES, style="classes", steps=2)
    labels = STROKES.copy()
    labels[:4, :4] = 3
    second = nu.train(IMAGE, labels, style="classes", steps=1, learning_rate=1e-12, anchor=0, start=first)
    assert [c.name for c in second.classes] == ["cell", "boundary", "background"]
    weights = [m.trained.network.state_dict()["head.weight"] for m in (first, second)]
    np.testing.assert_allclose(weights[0], weights[1][:2], atol=1e-6)


def test_rows_are_never_given_twice():
    two = (CELL, BOUNDARY, ClassSpec(name="second boundary", role="boundary"))
    assert rows_of((CELL, BOUNDARY, BACKGROUND), two) == (0, 1, None)


def test_networks_that_differ_inside_are_refused():
    with pytest.raises(ValueError, match=r"weight has the shape \(2, 1, 5, 5\), here it is \(2, 1, 3, 3\)"):
        adopt(nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 5).state_dict(), [0, 1])


def test_weights_are_those_of_the_whole_image():
    """Painted half and half, of an image of which a tenth is boundary."""
    truth = (torch.rand(1, 100, 100, generator=torch.Generator().manual_seed(0)) < 0.1).long()
    chances = nn.functional.one_hot(truth, 2).permute(0, 3, 1, 2).float()
    target = torch.full_like(truth, IGNORE)
    for k in (0, 1):
        places = (truth == k).nonzero()[:200]
        target[tuple(places.T)] = k
    counts = torch.tensor([200, 200])
    found = class_weights(shares(chances, target, counts, truth.numel()), counts)
    np.testing.assert_allclose(found / found.sum(), [0.9, 0.1], atol=0.01)
    assert float((found * 0.5).sum()) == pytest.approx(1)


def test_all_painted_means_that_nothing_is_corrected():
    target = torch.tensor([[0, 0, 0, 1]])
    counts = torch.tensor([3, 1])
    found = class_weights(shares(torch.rand(1, 2, 4), target, counts, 4), counts)
    np.testing.assert_allclose(found, [1, 1], rtol=1e-6)


def test_a_training_that_goes_on_keeps_to_the_same_start(tmp_path):
    options = {"style": "classes", "seed": 4, "val_fraction": 0, "batch": 2, "patch": (96, 96)}
    whole = nu.train(IMAGE, STROKES, steps=6, schedule="constant", warmup=0, **options)
    path = tmp_path / "a.safetensors"
    nu.train(IMAGE, STROKES, steps=3, schedule="constant", warmup=0, output=path, **options)
    resumed = nu.train(IMAGE, STROKES, steps=6, schedule="constant", warmup=0, resume=path, **options)
    np.testing.assert_allclose(resumed.predict(IMAGE), whole.predict(IMAGE), atol=1e-4)


def test_the_file_that_is_shipped_says_what_it_is():
    start = shipped()
    assert [c.name for c in start.classes] == ["cell", "boundary", "background"]
    assert start.info["steps"] > 1000
