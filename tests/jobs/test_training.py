import math
import time

import numpy as np
import pytest
import torch

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.arrays.metrics import instance_score
from napari_unet.events import CheckDone, Finished, Note, StepDone
from napari_unet.jobs import Training, make_spec, net_spec
from napari_unet.learn import loop, modelfile
from napari_unet.spec import TargetSpec, TrainingSpec, TrainSpec
from napari_unet.storage.samples import load_sample
from synthetic import classes, strokes, tissue

IMAGE, CELLS = tissue((120, 140), 40)
SMALL = {"base": 8, "depth": 2, "patch": (64, 64)}


def pair(image, labels):
    return Image(image, "YX"), Image(labels, "YX")


def job_of(labels=None, output=None, resume=False, **train):
    spec = TrainingSpec(
        net=net_spec("unet", base=8, depth=2), train=TrainSpec(**{"steps": 12, "patch": (64, 64), **train})
    )
    annotated = pair(IMAGE, classes(CELLS) if labels is None else labels)
    return Training([annotated], spec, output=output, resume=resume)


@pytest.mark.parametrize("how", ["dense", "strokes", "cells"])
def test_learns_real_boundaries(how):
    """The held-out score rises far above chance in every annotation style."""
    labels = {"dense": classes(CELLS), "strokes": strokes(CELLS, 0.1), "cells": CELLS}[how]
    style = "cells" if how == "cells" else "classes"
    model = nu.train(IMAGE, labels, style, steps=60, val_fraction=0.15, **SMALL)
    truth = classes(CELLS) == 2
    found = model.predict(IMAGE)[1] > 0.5
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.75
    assert model.trained.history[-1]["scores"]["boundary"] > 0.6


def test_events_tell_the_story():
    events = list(job_of(steps=10))
    assert isinstance(events[0], Note)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert [e.step for e in steps] == list(range(1, 11))
    assert steps[-1].progress == 1
    assert sum(isinstance(e, CheckDone) for e in events) == 5
    assert isinstance(events[-1], Finished)
    assert all(e.loss is not None and math.isfinite(e.loss) for e in events if isinstance(e, CheckDone))


@pytest.mark.parametrize("val_fraction", [0.0, 0.2])
def test_the_model_tells_of_which_step_it_is(tmp_path, val_fraction):
    path = tmp_path / "m.safetensors"
    rate = 0.1  # such steps do not always improve it
    job = job_of(output=path, steps=12, val_fraction=val_fraction, learning_rate=rate)
    best = [e.step for e in job if isinstance(e, CheckDone) and e.best][-1]
    assert job.model().describe()["used_step"] == best
    assert job.model(best=False).describe()["used_step"] == 12
    assert nu.load(path).describe()["used_step"] == best
    resumed = job_of(output=path, resume=True, steps=12, val_fraction=val_fraction, learning_rate=rate)
    assert resumed.model().describe()["used_step"] == best


def test_same_seed_same_result():
    first, again, other = (job_of(seed=s) for s in (3, 3, 4))
    for job in (first, again, other):
        list(job)
    a, b, c = (j.model().predict(IMAGE) for j in (first, again, other))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_stopped_and_resumed_equals_uninterrupted(tmp_path):
    path = tmp_path / "model.safetensors"
    straight = job_of(steps=20)
    list(straight)
    job = job_of(steps=20, output=path)
    for event in job:
        if isinstance(event, StepDone) and event.step == 9:
            break
    job.save()
    assert nu.load(path).describe()["steps"] == 9
    resumed = job_of(steps=20, output=path, resume=True)
    assert [e.step for e in resumed if isinstance(e, StepDone)] == list(range(10, 21))
    np.testing.assert_allclose(resumed.model().predict(IMAGE), straight.model().predict(IMAGE), atol=1e-5)


def test_leaving_the_iteration_saves(tmp_path):
    path = tmp_path / "model.safetensors"
    events = iter(job_of(output=path))
    while not isinstance(next(events), StepDone):
        assert not path.exists()
    events.close()
    assert nu.load(path).describe()["steps"] == 1


def test_resume_needs_a_file_and_learns_classes_that_are_new(tmp_path):
    with pytest.raises(nu.UserError, match="nothing to go on from"):
        job_of(output=tmp_path / "m.safetensors", resume=True)
    list(job_of(steps=2, output=tmp_path / "m.safetensors"))
    labels = classes(CELLS)
    labels[:20] = 3
    job = job_of(labels, output=tmp_path / "m.safetensors", resume=True)
    assert [c.name for c in job.classes] == ["cell", "boundary", "background"]
    assert any("new in the annotation: background" in n.text for n in job.notes)


def break_loss(monkeypatch, after, value):
    """From some call on the loss is no number."""
    real, count = loop.make_loss, []

    def broken(*specs):
        loss = real(*specs)

        def breaking(*args):
            count.append(1)
            return loss(*args) * (value if len(count) > after else 1)

        return breaking

    monkeypatch.setattr(loop, "make_loss", broken)


def test_a_diverging_loss_stops_and_keeps_the_last_good_state(monkeypatch):
    """FAULTS 7."""
    break_loss(monkeypatch, after=12, value=float("nan"))
    job = job_of(steps=50, val_fraction=0.0)
    events = list(job)
    assert isinstance(events[-1], Finished)
    assert "loss became nan at step 13: went back to the last good state, of step 10" in events[-1].reason
    assert job.model().describe()["steps"] == 10
    for values in job.model().trained.network.state_dict().values():
        assert torch.isfinite(values).all()


@pytest.mark.parametrize("after", [0, 8])
def test_a_training_that_diverges_before_anything_was_kept_gives_no_model(after, monkeypatch, tmp_path):
    path = tmp_path / "m.safetensors"
    list(job_of(steps=3, output=path))
    old = path.read_bytes()
    break_loss(monkeypatch, after=after, value=float("nan"))
    job = job_of(steps=50, val_fraction=0.0, output=path)
    words = f"the loss became nan at step {after + 1}, before anything was learnt .* try a lower learning rate"
    with pytest.raises(nu.UserError, match=words):
        list(job)
    assert (path.read_bytes(), job.saved) == (old, False)


@pytest.mark.parametrize("val_fraction", [0, 0.2])
@pytest.mark.parametrize("steps", [1, 5])
def test_nothing_is_saved_that_predicts_nan(val_fraction, steps, tmp_path):
    """The weights are finite after such a step, what they give is not."""
    path = tmp_path / "m.safetensors"
    wild = {"learning_rate": 1e30, "optimizer": "sgd", "checks": 5, "warmup": 0, "averaging": 0}
    with pytest.raises(nu.UserError, match="there is no model: try a lower learning rate"):
        list(job_of(steps=steps, output=path, val_fraction=val_fraction, **wild))
    assert not list(tmp_path.iterdir())


def test_what_diverges_between_two_savings_is_not_saved(monkeypatch, tmp_path):
    path = tmp_path / "m.safetensors"
    job = job_of(steps=20, output=path, checks=1)
    for event in job:
        if isinstance(event, StepDone) and event.step == 5:
            job.save()
            assert job.saved
        if isinstance(event, StepDone) and event.step == 9:
            next(iter(job._loop.network.parameters())).data.fill_(float("nan"))
            break
    tensors, facts = modelfile.read_tensors(path.with_suffix(".resume.safetensors"))
    assert facts["progress"]["step"] == 5
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_a_state_or_a_model_of_nan_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    list(job_of(steps=3, output=path))
    for file in (path, path.with_suffix(".resume.safetensors")):
        tensors, facts = modelfile.read_tensors(file)
        name = next(k for k in tensors if k.endswith("head.weight"))
        tensors[name].fill_(float("nan"))
        modelfile.write_tensors(file, tensors, facts)
    with pytest.raises(nu.UserError, match=r"predicts nothing: its weights 'head\.weight' are NaN or infinite"):
        nu.load(path)
    with pytest.raises(nu.UserError, match="this training cannot go on: its weights"):
        job_of(steps=6, output=path, resume=True)


def test_out_of_memory_halves_the_batch_and_other_errors_do_not(monkeypatch):
    """FAULTS 1 and 3."""
    real = loop.Loop._loss

    def tight(self, batch):
        if len(batch.images) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch)

    monkeypatch.setattr(loop.Loop, "_loss", tight)
    notes = [e.text for e in job_of(steps=3, batch=4) if isinstance(e, Note) and "memory" in e.text]
    assert [n.partition("going on with ")[2] for n in notes] == ["2 patches per step", "1 patches per step"]

    def wrong(self, batch):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(loop.Loop, "_loss", wrong)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        list(job_of(steps=3))


def test_preview_is_the_prediction_of_the_moment():
    image = np.stack([IMAGE, IMAGE[::-1]])
    labels = np.stack([classes(CELLS), np.zeros_like(classes(CELLS))])
    spec = TrainingSpec(net=net_spec("unet", base=8, depth=2), train=TrainSpec(steps=20, patch=(64, 64)))
    stack = Image(image, "ZYX")
    job = Training([(stack, Image(labels, "ZYX"))], spec)
    previews = [job.preview(stack, 0, 1) for e in job if isinstance(e, StepDone) and e.step in (1, 19)]
    assert previews[0].shape == (2, 120, 140)
    assert np.abs(previews[0] - previews[1]).max() > 0.1
    np.testing.assert_allclose(previews[1].sum(axis=0), 1, atol=1e-5)


def test_preview_3d_equals_the_prediction_of_the_volume():
    image, cells = tissue((24, 40, 44), 30)
    spec = TrainingSpec(
        net=net_spec("unet3d", base=4, depth=1), train=TrainSpec(steps=5, patch=(16, 32, 32), batch=1)
    )
    job = Training([(Image(image, "ZYX"), Image(classes(cells), "ZYX"))], spec)
    list(job)
    whole = job.model(best=False).predict(image)
    np.testing.assert_allclose(job.preview(Image(image, "ZYX"), 0, 13), whole[:, 13], atol=1e-5)


@pytest.mark.parametrize(
    ("image", "labels", "options", "message"),
    [
        (IMAGE, np.zeros_like(CELLS), {}, "labels are empty"),
        (IMAGE, np.ones_like(CELLS), {}, "only one class"),
        (IMAGE, classes(CELLS)[:50], {}, "differ in size"),
        (IMAGE, classes(CELLS).astype(float), {}, "must be integers"),
        (np.full_like(IMAGE, 3), classes(CELLS), {}, "constant"),
        (IMAGE, CELLS, {}, "choose the style 'cells'"),
        (IMAGE, classes(CELLS), {"net": "resnet"}, "no network 'resnet'; there are: unet, unet3d"),
        (IMAGE, classes(CELLS), {"patch": (50, 50)}, "one that fits is .56, 56."),
        (IMAGE, classes(CELLS), {"device": "cuda"}, "'cuda' is not available"),
        (IMAGE, classes(CELLS), {"output": "model.pt"}, r"ends in \.safetensors"),
        (IMAGE, classes(CELLS), {"output": "nowhere/model.safetensors"}, "folder nowhere does not exist"),
    ],
)
def test_bad_input_is_refused_before_any_work(image, labels, options, message):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(nu.UserError, match=message):
        nu.train(image, labels, steps=1, on_event=lambda e: pytest.fail("work has begun"), **options)


def test_a_model_can_be_the_start():
    first = nu.train(IMAGE, classes(CELLS), steps=40, **SMALL)
    short = nu.train(IMAGE, classes(CELLS), steps=1, learning_rate=1e-6, start=first, **SMALL)
    assert np.abs(short.predict(IMAGE) - first.predict(IMAGE)).mean() < 0.1
    with pytest.raises(nu.UserError, match="does not fit"):
        nu.train(IMAGE, classes(CELLS), steps=1, start=first, base=4, depth=2, patch=(64, 64))


def test_style_specs_are_checked():
    with pytest.raises(ValueError, match="belong to the annotation style 'cells'"):
        TargetSpec(style="classes", dense=True)
    with pytest.raises(ValueError, match="not both"):
        TrainSpec(seconds=3, steps=4)


@pytest.mark.parametrize(
    ("unpainted", "count", "words"), [("auto", 2, "say so (unpainted: background)"), ("background", 3, "")]
)
def test_thin_gaps_are_what_the_user_says(unpainted, count, words):
    image, cells = tissue((64, 64), 20)
    gaps = np.where(classes(cells) == 2, 0, cells)
    options = {"steps": 1, "base": 4, "depth": 1, "patch": (32, 32), "val_fraction": 0}
    said = []
    model = nu.train(image, gaps, style="cells", dense=True, unpainted=unpainted, on_event=said.append, **options)
    assert len(model.classes) == count
    notes = " ".join(e.text for e in said if isinstance(e, Note))
    assert (words or "the rest is background") in notes


def test_a_pause_does_not_use_up_the_budget():
    job = job_of(steps=None, seconds=1.5)
    seen = []
    for event in job:
        if isinstance(event, StepDone):
            seen.append(event)
            if event.step == 2:
                time.sleep(2)
    assert seen[-1].step > 2
    assert seen[1].seconds < 1.5


def test_going_on_after_the_end_changes_the_model(tmp_path):
    """A finished training with a larger budget is trained further, scored and kept."""
    path = tmp_path / "model.safetensors"
    list(job_of(steps=10, output=path))
    before = nu.load(path).predict(IMAGE)
    events = list(job_of(steps=40, output=path, resume=True))
    assert any(isinstance(e, CheckDone) and e.best for e in events)
    assert np.abs(nu.load(path).predict(IMAGE) - before).max() > 0.05
    (finished,) = [e for e in job_of(steps=40, output=path, resume=True) if isinstance(e, Finished)]
    assert "complete already" in finished.reason


def test_going_on_with_more_strokes_judges_anew_and_keeps_what_was_held_out(tmp_path):
    path = tmp_path / "model.safetensors"
    easy = strokes(CELLS, 0.2)
    first = job_of(easy, steps=10, output=path, val_fraction=0.2)
    list(first)
    first._loop.best_loss = -1.0  # as if the old strokes had been very easy
    first.save()
    harder = np.where(easy == 0, strokes(CELLS, 0.1, seed=1), easy)
    second = job_of(harder, steps=60, output=path, resume=True, val_fraction=0.2)
    assert second._held_out == first._held_out
    assert any(e.best for e in second if isinstance(e, CheckDone))


def test_an_older_model_of_that_name_is_kept(tmp_path):
    path = tmp_path / "model.safetensors"
    list(job_of(steps=3, output=path))
    old = path.read_bytes()
    job = job_of(steps=50, output=path)
    assert path.read_bytes() == old
    for event in job:
        if isinstance(event, StepDone):
            break
    assert (tmp_path / "model.previous.safetensors").read_bytes() == old


def test_a_failure_in_the_first_step_leaves_the_old_model(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    list(job_of(steps=3, output=path))
    old = path.read_bytes()

    def broken(self, batch):
        raise RuntimeError("no memory on device")

    monkeypatch.setattr(loop.Loop, "_loss", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        list(job_of(steps=3, output=path))
    assert path.read_bytes() == old


def test_after_a_diverging_loss_the_saved_state_is_finite(tmp_path, monkeypatch):
    break_loss(monkeypatch, after=30, value=float("inf"))
    list(job_of(steps=60, output=tmp_path / "m.safetensors"))
    tensors, _ = modelfile.read_tensors(tmp_path / "m.resume.safetensors")
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_voxel_sizes_must_agree():
    image, labels = Image(IMAGE, "YX", (1, 0.5, 0.5)), Image(classes(CELLS), "YX", (1, 0.3, 0.3), "strokes")
    with pytest.raises(nu.UserError, match="differ in voxel size"):
        Training([(image, labels)], TrainingSpec(train=TrainSpec(steps=1)))


def test_tiny_strokes_are_not_held_out_to_nothing():
    labels = np.zeros((64, 64), np.uint8)
    labels[10:14, 10:14], labels[40:44, 40:44] = 1, 2
    job = Training(
        [(Image(IMAGE[:64, :64], "YX"), Image(labels, "YX"))],
        TrainingSpec(net=net_spec("unet", base=4, depth=2), train=TrainSpec(steps=2, val_fraction=0.3)),
    )
    assert any("too little is painted" in n.text for n in job.notes)
    list(job)


@pytest.mark.parametrize(
    ("shape", "net", "patch"),
    [
        ((512, 512), "unet", (192, 192)),
        ((256, 300), "unet", (128, 152)),
        ((199, 103), "unet", (104, 64)),
        ((50, 20), "unet", (56, 24)),
        ((512, 512), "unet2015", (380, 380)),
    ],
)
def test_a_chosen_patch_has_room_to_move_in_the_image(shape, net, patch):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    labels = (image > 127).astype(np.uint8) + 1
    assert Training([pair(image, labels)], make_spec(net=net, shape={"base": 2})).spec.train.patch == patch


def test_labels_without_a_gap_have_no_background():
    job = Training([load_sample("epithelium").pair()], make_spec(target={"style": "cells", "dense": True}))
    assert [c.name for c in job.classes] == ["cell", "boundary"]


def test_the_held_out_part_of_a_small_image_is_judged_as_the_rest_of_the_tissue():
    """With patches of the image's size, the network learnt places by heart and failed on what was held out."""
    image, labels = load_sample("epithelium").pair()
    left, right = ((slice(None), slice(0, 103)), (slice(None), slice(103, None)))
    job = Training(
        [pair(np.asarray(image.data)[left], np.asarray(labels.data)[left])],
        make_spec(target={"style": "cells", "dense": True}, train={"steps": 60, "checks": 3}),
    )
    checks = [e for e in job if isinstance(e, CheckDone)]
    assert checks[-1].scores["cell"] > 0.85
    assert checks[-1].loss < 1.1 * min(c.loss for c in checks)
    found = job.model().cells(np.asarray(image.data)[right])
    assert instance_score(found, np.asarray(labels.data)[right]).ap50 > 0.8


def test_a_start_that_does_not_fit_is_named():
    model = job_of(steps=2).model()
    spec = make_spec(shape={"base": 4, "depth": 2}, train={"steps": 1})
    words = "the start model does not fit: its base is 8, here it is 4: say --base 8"
    with pytest.raises(nu.UserError, match=words):
        Training([pair(IMAGE, classes(CELLS))], spec, start=model)
    with pytest.raises(nu.UserError, match="start model is of the network 'unet', not 'unet-dice'"):
        Training([pair(IMAGE, classes(CELLS))], make_spec(net="unet-dice"), start=model)


def test_a_3d_training_of_before_the_plans_by_spacing_goes_on(tmp_path):
    """Its spec has no strides; nor does another number of slices change the levels of a training."""
    image, labels = tissue((12, 40, 40), 20)
    path = tmp_path / "m.safetensors"
    spec = make_spec(net="unet3d", shape={"base": 4, "depth": 1}, target={"style": "cells"}, train={"steps": 3})
    volumes = Image(image, "ZYX", (4, 1, 1)), Image(labels, "ZYX", (4, 1, 1))
    planned = Training([volumes], spec, output=path)
    assert planned.spec.net.strides == ((1, 2, 2),)
    old = spec.net.model_copy(update={"strides": ((2, 2, 2),), "kernels": ((3, 3, 3),) * 2})
    list(Training([volumes], spec.model_copy(update={"net": old}), output=path))
    tensors, facts = modelfile.read_tensors(path.with_suffix(".resume.safetensors"))
    facts["spec"]["net"] |= {"strides": None, "kernels": None}
    modelfile.write_tensors(path.with_suffix(".resume.safetensors"), tensors, facts)
    longer = spec.model_copy(update={"train": spec.train.model_copy(update={"steps": 5})})
    steps = [e.step for e in Training([volumes], longer, output=path, resume=True) if isinstance(e, StepDone)]
    assert steps == [4, 5]


def test_a_patch_much_larger_than_the_image_is_warned_of():
    small = pair(IMAGE[:60, :70], classes(CELLS)[:60, :70])
    notes = Training([small], make_spec("unet2015", shape={"base": 2})).notes
    assert any("patch (572, 572) is much larger than the image (60, 70)" in n.text for n in notes)
    notes = Training([small], make_spec(shape={"base": 2})).notes
    assert not any("larger" in n.text for n in notes)


@pytest.mark.parametrize(("first", "second"), [("sgd", "adam"), ("adam", "sgd"), ("adamw", "sgd"), ("sgd", "sgd")])
def test_going_on_with_another_optimiser(first, second, tmp_path):
    path = tmp_path / "m.safetensors"
    list(job_of(steps=6, output=path, optimizer=first, learning_rate=1e-3))
    job = job_of(steps=12, output=path, optimizer=second, learning_rate=1e-3, resume=True)
    kept = any("momentum_buffer" in s for s in job._loop.optimizer.state_dict()["state"].values())
    assert kept == (first == second)
    steps = [e.step for e in job if isinstance(e, StepDone)]
    assert steps == list(range(7, 13))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shape": {"base": 8}}, "its base is 4, here it is 8: say --base 4"),
        ({"net": "unet-dice"}, "its network is unet, here it is unet-dice: say --net unet"),
        ({"normalisation": "percentile"}, "its normalisation is meanstd, .*: say --normalisation meanstd"),
        ({"target": {"weight_map": False}}, "its weight_map is True, here it is False: say --weight-map"),
        (
            {"shape": {"up": "resize", "skips": "sum"}},
            "its up is .* say --up transposed; its skips .* say --skips concat",
        ),
        (
            {"target": {"classes": ({"name": "a"}, {"name": "b"})}},
            "its classes are cell, boundary, here they are a, b; or train anew",
        ),
    ],
)
def test_a_refused_resume_names_what_differs_and_the_cure(changed, words, tmp_path):
    given = {"shape": {"base": 4}, "target": {"weight_map": True}, "train": {"steps": 1, "patch": (64, 64)}}
    path = tmp_path / "m.safetensors"
    list(Training([pair(IMAGE, classes(CELLS))], make_spec(**given), output=path))
    for part, fields in changed.items():
        given[part] = {**given[part], **fields} if isinstance(fields, dict) else fields
    with pytest.raises(nu.UserError, match=f"this training cannot go on: {words}") as refused:
        Training([pair(IMAGE, classes(CELLS))], make_spec(**given), output=path, resume=True)
    assert str(tmp_path) not in str(refused.value)


def test_a_start_keeps_its_classes_although_not_all_are_painted():
    three = classes(CELLS)
    three[:20] = 3
    model = job_of(three, steps=2).model()
    spec = make_spec(shape={"base": 8, "depth": 2}, train={"steps": 1, "patch": (64, 64)}, normalisation="none")
    job = Training([pair(IMAGE, classes(CELLS))], spec, start=model)
    assert [c.name for c in job.classes] == ["cell", "boundary", "background"]
    said = " ".join(n.text for n in job.notes if n.warning)
    assert "also knows background, of which nothing is painted" in said
    assert "say --normalisation meanstd" in said
    more = Training([pair(IMAGE, three)], spec, start=job_of(steps=2).model())  # its last layer is made anew
    assert [c.name for c in more.classes] == ["cell", "boundary", "background"]


def test_classes_of_the_start_that_nobody_paints_stay_as_frequent_as_they_were():
    """Strokes that it predicts badly would drive them out otherwise; of the package's own start they may."""
    sample = load_sample("nuclei-3d")
    image, cells = sample.image[15], sample.labels[15]
    true = classes(cells)
    true[cells == 0] = 3
    train = TrainSpec(steps=2, patch=(64, 64), batch=2, val_fraction=0)
    spec = TrainingSpec(target=TargetSpec(style="classes"), train=train)
    first = Training([(Image(image, "YX"), Image(true, "YX"))], spec)
    list(first)
    start = first.model()
    before = (start.predict(image).argmax(axis=0) == 2).mean()
    assert before > 0.3
    rows = np.arange(len(true))[:, None] % 6
    few = np.where((true < 3) & (rows == 0), true, 0)
    few[(true == 3) & (rows == 0) & (np.arange(true.shape[1]) % 9 == 0)] = 2  # what it takes for background
    told = spec.model_copy(update={"target": spec.target.model_copy(update={"classes": start.classes})})
    for asked in (spec, told):
        training = Training([(Image(image, "YX"), Image(few, "YX"))], asked, start=start)
        found = training.preview(Image(image, "YX"), 0, 0).argmax(axis=0)
        assert (found == 2).mean() == pytest.approx(before, abs=0.1)
        assert training._loop.anchor.calibration.shift[2] == 0
    two = np.where((true != 2) & (rows == 0), true, 0)
    own = Training([(Image(image, "YX"), Image(two, "YX"))], spec)
    assert own._loop.anchor.calibration.shift[1] < 0


def test_classes_of_the_start_stay_as_they_were_also_when_another_comes():
    sample = load_sample("nuclei-3d")
    image, cells = sample.image[15], sample.labels[15]
    true = classes(cells)
    true[cells == 0] = 3
    few = np.where(np.arange(len(true))[:, None] % 6 == 0, true, 0)
    two = np.where(few < 3, few, 0)
    train = TrainSpec(steps=2, patch=(64, 64), batch=2, val_fraction=0)
    spec = TrainingSpec(target=TargetSpec(style="classes"), train=train)
    start = Training([(Image(image, "YX"), Image(two, "YX"))], spec)
    list(start)
    training = Training([(Image(image, "YX"), Image(two, "YX"))], spec, start=start.model())
    training.paint(0, 0, 0, 0, np.where(few == 2, 0, few))  # no boundary is left, and there is background
    training.take_up()
    assert [c.name for c in training.classes] == ["cell", "boundary", "background"]
    assert training._loop.anchor.calibration.shift[1] == 0
