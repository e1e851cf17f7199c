"""Trainings on a pretend GPU learn what they learn on the CPU, and nothing of them lies on the wrong device."""

import numpy as np
import pytest
import torch

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.events import CheckDone, Finished, Note, StepDone
from napari_unet.jobs import Training, make_spec
from napari_unet.learn import loop
from napari_unet.spec import TilingSpec
from pretend_cuda import CPU, pretend_cuda
from synthetic import classes, tissue

GPU = torch.device("cuda", 0)
IMAGE, CELLS = tissue((3, 48, 64), 12)
TRUE = classes(CELLS)
STACK = Image(IMAGE, "ZYX")
ON_CPU = TilingSpec(device="cpu", precision="full")
SMALL = {"base": 4, "depth": 2}
FULL = {"precision": "full"}
SHIPPED = {"start": "shipped"}


def painted():
    """Slice 0 and a part of slice 1."""
    labels = np.zeros_like(TRUE)
    labels[0], labels[1, :20] = TRUE[0], TRUE[1, :20]
    return labels


def begin(labels=None, net="unet", output=None, resume=False, **options):
    train = {"steps": 6, "patch": (32, 32), "batch": 2, "val_fraction": 0.2, "seed": 1, "checks": 2, **options}
    shape = {} if options.get("start") == "shipped" else {"base": 4, "depth": 1} if net == "unet3d" else SMALL
    if "start" not in options:
        train["start"] = "random"
    spec = make_spec(None, net, shape=shape, target={"style": "classes"}, train=train)
    pairs = [(STACK, Image(painted() if labels is None else labels, "ZYX"))]
    return Training(pairs, spec, output=output, resume=resume)


def losses(events):
    return [e.loss for e in events if isinstance(e, StepDone | CheckDone)]


def predicted(training, *, best=True):
    """What is predicted on the CPU, in full precision."""
    return training.model(best=best).predict(IMAGE, tiling=ON_CPU)


def places(training):
    """Devices of everything that is learnt, and of what is kept of it."""
    learns = training._loop
    moments = [v for s in learns.optimizer.state.values() for name, v in s.items() if name != "step"]
    networks = [learns.network, learns.average, *([learns.anchor.network] if learns.anchor else ())]
    weights = [t for n in networks for t in n.state_dict().values()]
    kept = [*learns.best.values(), *training.model().trained.network.state_dict().values()]
    return {t.device for t in (*weights, *moments)}, {t.device for t in kept}


def assert_same(one, two, bound=1e-4):
    np.testing.assert_allclose(one, two, rtol=0, atol=bound)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "dice"},
        {"class_balance": True, "optimizer": "sgd"},
        {"net": "unet3d", "patch": (2, 16, 16)},
        SHIPPED,
    ],
    ids=str,
)
def test_in_full_precision_the_same_is_learnt(options, monkeypatch):
    monkeypatch.setattr(loop, "EVERY", 1)  # enough looks at how often the classes occur
    here = begin(**FULL, **options)
    expected = losses(here)
    with pretend_cuda():
        there = begin(**FULL, **options)
        assert "computing on the GPU (CUDA)" in [n.text for n in there.notes]
        found = losses(there)
        assert places(there) == ({GPU}, {CPU})
    assert len(found) == 8
    assert_same(found, expected)
    assert_same(predicted(there), predicted(here))
    if options is SHIPPED:
        assert_same(there._loop.prior.seen, here._loop.prior.seen)
        assert abs(there._loop.prior.seen - there._loop.prior.taught).max() > 1e-3
        assert there._loop.anchor.calibration == here._loop.anchor.calibration


@pytest.mark.parametrize("start", ["random", "shipped"])
def test_in_half_precision_nearly_the_same_is_learnt(start):
    here = begin(start=start, **FULL)
    expected = losses(here)
    with pretend_cuda():
        there = begin(start=start)
        found = losses(there)
        scale = there._loop.scaler.get_scale()
    assert there.model().describe()["precision"] == "float16"
    assert scale >= 1
    assert found != expected
    assert_same(found, expected, 0.01)
    assert_same(predicted(there), predicted(here), 0.1)


def run_and_paint(start):
    """Train; in the middle look, ask where to paint, and paint. The training, a preview, and a suggestion."""
    training = begin(start=start, **FULL)
    for event in training:
        if isinstance(event, StepDone) and event.step == 3:
            preview = training.preview(STACK, 0, 2)
            *_, suggestion = training.suggest((0, 2), seconds=60)
            training.paint(0, 2, 0, 0, TRUE[2])
            training.take_up()
    return training, preview, suggestion


@pytest.mark.parametrize("start", ["random", "shipped"])
def test_what_is_painted_in_the_middle_is_learnt_and_looked_at_alike(start):
    here, preview, suggestion = run_and_paint(start)
    with pretend_cuda():
        there, of_gpu, suggested = run_and_paint(start)
        assert places(there) == ({GPU}, {CPU})
    assert_same(predicted(there, best=False), predicted(here, best=False))
    assert_same(of_gpu, preview, 0.02)  # in half precision
    assert suggested.region == suggestion.region
    assert suggested.unsure == pytest.approx(suggestion.unsure, abs=0.01)


def paint_a_class(start):
    training = begin(start=start, val_fraction=0, **FULL)
    for event in training:
        if isinstance(event, StepDone) and event.step == 3:
            before = training._loop.network.state_dict()["head.weight"].cpu().clone()
            training.paint(0, 2, 0, 0, np.full((20, 20), 3, TRUE.dtype))
            (note, *_) = training.take_up()
            after = training._loop.network.state_dict()["head.weight"].cpu()
            np.testing.assert_array_equal(after[:2], before)
            assert note.text.startswith("new in the annotation: background")
    return training


@pytest.mark.parametrize("start", ["random", "shipped"])
def test_a_new_class_is_learnt_alike(start):
    here = paint_a_class(start)
    with pretend_cuda():
        there = paint_a_class(start)
        assert places(there) == ({GPU}, {CPU})
    assert predicted(there).shape == (3, *IMAGE.shape)
    assert_same(predicted(there), predicted(here))


@pytest.mark.parametrize("options", [{}, SHIPPED], ids=str)
def test_a_training_goes_on_on_another_device(options, tmp_path):
    files = [tmp_path / f"{name}.safetensors" for name in ("here", "there")]
    list(begin(output=files[0], steps=2, **FULL, **options))
    with pretend_cuda():
        list(begin(output=files[1], steps=2, **FULL, **options))
        there = begin(output=files[0], resume=True, steps=4, **FULL, **options)
        found = losses(there)
        assert places(there) == ({GPU}, {CPU})
    here = begin(output=files[1], resume=True, steps=4, **FULL, **options)
    assert_same(losses(here), found)
    assert len(found) > 2
    assert_same(nu.load(files[0]).predict(IMAGE), nu.load(files[1]).predict(IMAGE))


def test_a_class_that_is_painted_between_two_trainings_is_learnt_alike(tmp_path):
    more = painted()
    more[2, :20, :20] = 3
    file = tmp_path / "a.safetensors"
    list(begin(output=file, steps=3, **FULL))
    expected = losses(begin(more, output=file, resume=True, **FULL))
    list(begin(output=file, steps=3, **FULL))
    with pretend_cuda():
        there = begin(more, output=file, resume=True, **FULL)
        assert_same(losses(there), expected)
        assert places(there) == ({GPU}, {CPU})
    assert nu.load(file).predict(IMAGE[2]).shape == (3, *IMAGE.shape[1:])


def diverge():
    """Weights become NaN after the first check; the notes, and the training."""
    training, notes = begin(**FULL), []
    for event in training:
        if isinstance(event, StepDone) and event.step == 4:
            next(training._loop.network.parameters()).data.fill_(float("nan"))
        if isinstance(event, Note) and event.warning:
            notes.append(event.text)
    return training, notes


def test_after_a_divergence_the_last_good_state_is_back():
    here, notes = diverge()
    with pretend_cuda():
        there, told = diverge()
        assert places(there) == ({GPU}, {CPU})
    assert told == notes
    assert "went back to the last good state, of step 3" in told[-1]
    assert_same(predicted(there, best=False), predicted(here, best=False))


def test_where_memory_is_short_fewer_patches_are_learnt_at_once():
    with pretend_cuda(largest=100_000):  # a skip of 4 patches takes 131,072 bytes
        training = begin(batch=4, val_fraction=0, **FULL)
        *events, last = training
        assert training._loop.batch == 2
    assert any("the memory is full: going on with 2 patches per step" in str(e) for e in events)
    assert isinstance(last, Finished)
    assert np.isfinite([e.loss for e in events if isinstance(e, StepDone)]).all()
    assert_same(predicted(training).sum(axis=0), np.ones(IMAGE.shape))
