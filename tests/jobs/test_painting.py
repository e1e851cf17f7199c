"""Strokes that come while a training runs are learnt from, undone ones no more, and scores stay honest."""

import numpy as np
import pytest
import torch

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.events import LEARNT_AGAIN, CheckDone, Finished, StepDone
from napari_unet.jobs import Training, make_spec, marks
from napari_unet.learn import loop, modelfile
from napari_unet.learn.data import Unit
from synthetic import classes, tissue

IMAGE, CELLS = tissue((3, 96, 96), 30)
TRUE = classes(CELLS)


def strokes(box):
    labels = np.zeros_like(TRUE)
    labels[box] = TRUE[box]
    return labels


def begin(labels=None, net="unet", image=IMAGE, output=None, resume=False, shape=None, **options):
    labels = strokes((0, slice(0, 40))) if labels is None else labels
    train = {"steps": 30, "patch": (48, 48), "batch": 2, "val_fraction": 0, "seed": 1, **options}
    shape = {"base": 6, "depth": 2} if shape is None else shape
    spec = make_spec(None, net, shape=shape, target={"style": "classes"}, train=train)
    return Training([(Image(image, "ZYX"), Image(labels, "ZYX"))], spec, output=output, resume=resume)


def fractions(training):
    return {place[1:]: sum(found.values()) for place, found in training._found.by_plane.items()}


def test_what_is_painted_is_learnt_as_if_it_had_been_there_from_the_start():
    early, late = begin(strokes((slice(0, 2), slice(0, 40)))), begin()
    late.paint(0, 1, 0, 0, TRUE[1, :40])
    assert late.take_up() == []
    assert late.take_up() == []
    for a, b in zip(early._loop.sampler.targets, late._loop.sampler.targets, strict=True):
        np.testing.assert_array_equal(a, b)
    batches = [t._loop.sampler.draw(3) for t in (early, late)]
    np.testing.assert_array_equal(batches[0].target, batches[1].target)


def test_an_undo_takes_annotation_away_again():
    training = begin()
    training.paint(0, 2, 10, 20, TRUE[2, 10:50, 20:60])
    training.take_up()
    assert fractions(training) == {(0, 0): 40 * 96, (0, 2): 1600}
    training.paint(0, 2, 10, 20, np.zeros((40, 40), TRUE.dtype))
    training.take_up()
    assert fractions(training) == {(0, 0): 40 * 96}
    assert len(training._units) == 1


def test_the_users_array_is_left_alone():
    labels = strokes((0, slice(0, 40)))
    training = begin(labels)
    training.paint(0, 0, 0, 0, np.zeros((40, 96), TRUE.dtype))
    np.testing.assert_array_equal(labels, strokes((0, slice(0, 40))))
    (note,) = training.take_up()
    assert note.warning
    assert "what was painted last is not learnt" in note.text
    training.paint(0, 0, 0, 0, labels[0])
    assert [n.text for n in training.take_up()] == [LEARNT_AGAIN]
    training.paint(0, 1, 0, 0, TRUE[1])
    assert LEARNT_AGAIN not in [n.text for n in training.take_up()]


def test_strokes_in_the_middle_change_what_is_predicted():
    """Cells and boundaries change places in the second half of the training."""
    training, swapped = begin(steps=80, learning_rate=1e-2), np.where(TRUE > 0, 3 - TRUE, 0).astype(TRUE.dtype)
    for event in training:
        if isinstance(event, StepDone) and event.step == 40:
            right = (training.preview(Image(IMAGE, "ZYX"), 0, 0).argmax(axis=0) + 1 == TRUE[0])[TRUE[0] > 0].mean()
            training.paint(0, 0, 0, 0, swapped[0])
            training.take_up()
    end = (training.preview(Image(IMAGE, "ZYX"), 0, 0).argmax(axis=0) + 1 == TRUE[0])[TRUE[0] > 0].mean()
    assert right > 0.7
    assert end < 0.5


@pytest.mark.parametrize("start", ["shipped", "random"])
def test_a_new_class_is_learnt_by_the_network_that_goes_on(start):
    image = IMAGE.copy()
    image[1, :30, :30] = 0
    labels = strokes((0, slice(0, 40)))
    spec = make_spec(
        None, None, shape={}, target={"style": "classes"}, train={"steps": 12, "patch": (64, 64), "start": start}
    )
    training = Training([(Image(image, "ZYX"), Image(labels, "ZYX"))], spec)
    steps = []
    for event in training:
        if isinstance(event, StepDone):
            steps.append(event.step)
            if event.step == 6:
                before = training._loop.network.state_dict()["head.weight"].clone()
                training.paint(0, 1, 0, 0, np.full((30, 30), 3, TRUE.dtype))
                notes = [n.text for n in training.take_up()]
                after = training._loop.network.state_dict()["head.weight"]
                np.testing.assert_array_equal(after[:2], before)
    assert steps == list(range(1, 13))
    assert notes[0] == "new in the annotation: background; the network learns it from now on"
    model = training.model()
    assert [c.name for c in model.classes] == ["cell", "boundary", "background"]
    assert model.predict(image).shape == (3, *IMAGE.shape)


@pytest.mark.parametrize("start", ["shipped", "random"])
def test_a_class_that_is_undone_is_left_out_and_comes_again_with_redo(start):
    train = {"steps": 12, "patch": (64, 64), "val_fraction": 0.2, "start": start}
    spec = make_spec(None, None, shape={}, target={"style": "classes"}, train=train)
    training = Training([(Image(IMAGE, "ZYX"), Image(strokes((0, slice(0, 40))), "ZYX"))], spec)
    spot, nothing = np.full((30, 30), 3, TRUE.dtype), strokes((0, slice(0, 40)))[1, :30, :30]
    steps, said = [], []
    for event in training:
        if isinstance(event, StepDone):
            steps.append(event.step)
            if event.step in (3, 6, 9):
                before = training._loop.network.state_dict()["head.weight"].clone()
                training.paint(0, 1, 0, 0, nothing if event.step == 6 else spot)
                said.append(training.take_up()[0].text)
                after = training._loop.network.state_dict()["head.weight"]
                np.testing.assert_array_equal(after[:2], before[:2])
                assert len(training.classes) == len(training._loop.sampler.counts) == (2 if event.step == 6 else 3)
    new = "new in the annotation: background; the network learns it from now on"
    assert said == [new, "no longer in the annotation: background; the network leaves it out from now on", new]
    assert steps == list(range(1, 13))
    assert set(training._loop.history[-1]["scores"]) == {"cell", "boundary", "background"}


def test_a_class_that_the_start_knows_stays_when_its_strokes_are_undone():
    labels = strokes((0, slice(0, 40)))
    labels[1, :30, :30] = 3
    with_three = begin(labels, steps=2)
    list(with_three)
    spec = with_three.spec
    spec = spec.model_copy(update={"target": spec.target.model_copy(update={"classes": ()})})
    training = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], spec, start=with_three.model())
    training.paint(0, 1, 0, 0, np.zeros((30, 30), TRUE.dtype))
    assert not any("no longer" in n.text for n in training.take_up())
    assert [c.name for c in training.classes] == ["cell", "boundary", "background"]


def test_scores_say_that_the_strokes_have_changed_since():
    """Where nothing of what is held out has, they can be compared all the same."""
    training = begin(strokes((slice(0, 3), slice(0, 90))), val_fraction=0.2, steps=16, checks=8)
    found = []
    for event in training:
        if isinstance(event, CheckDone):
            found.append((event.anew, event.other))
            (_, t, z), box = training._held_out[0]
            if len(found) == 2:  # a spot far from all that is held out
                training.paint(0, 2, 94, 2, np.ones((1, 1), TRUE.dtype))
            if len(found) == 5:
                training.paint(t, z, box[0].start, box[1].start, 3 - TRUE[z][box].clip(1, 2))
            training.take_up()
    same, new, other = (False, False), (True, False), (True, True)
    assert found == [same, same, new, same, same, other, same, same]
    history = training.model().describe()["history"]
    assert [(h["anew"], h["other"]) for h in history] == found


def test_that_strokes_have_changed_is_remembered_over_a_crash(tmp_path):
    training = begin(
        strokes((slice(0, 3), slice(0, 90))),
        output=tmp_path / "a.safetensors",
        val_fraction=0.2,
        steps=12,
        checks=3,
    )
    for event in training:
        if isinstance(event, StepDone) and event.step == 5:
            training.paint(0, 2, 94, 2, np.ones((1, 1), TRUE.dtype))
            training.take_up()
            training.save()  # the last thing before the crash
            saved = {p: p.read_bytes() for p in tmp_path.iterdir()}
            break
    for path, content in saved.items():
        path.write_bytes(content)
    labels = strokes((slice(0, 3), slice(0, 90)))
    labels[2, 94, 2] = 1
    again = begin(labels, output=tmp_path / "a.safetensors", resume=True, val_fraction=0.2, steps=12, checks=3)
    first = next(e for e in again if isinstance(e, CheckDone))
    assert (first.anew, first.other) == (True, False)
    tensors, facts = modelfile.read_tensors(again.resume_path)
    modelfile.write_tensors(
        again.resume_path, tensors, {k: v for k, v in facts.items() if k not in ("since", "given")}
    )
    older = begin(labels, output=tmp_path / "a.safetensors", resume=True, val_fraction=0.2, steps=14, checks=3)
    assert older._given == older.classes
    assert not any(older._loop.since.values())


def test_held_out_places_that_are_painted_on_are_learnt_from():
    training = begin(strokes((slice(0, 3), slice(0, 90))), val_fraction=0.2)
    held = list(training._held_out)
    assert len(held) > 1
    (_, t, z), box = held[0]
    values = TRUE[z][box].copy()
    values[:5, :5] = 3 - values[:5, :5].clip(1, 2)
    training.paint(t, z, box[0].start, box[1].start, values)
    (note,) = training.take_up()
    assert note.text == "1 held-out place has changed: what is painted there is learnt from now"
    assert training._held_out == held[1:]
    events = list(training)
    assert isinstance(events[-1], Finished)
    assert all(np.isfinite(e.loss) for e in events if isinstance(e, CheckDone))


def test_a_volume_grows_when_a_slice_beyond_it_is_painted():
    image, cells = tissue((20, 48, 48), 30)
    true = classes(cells)
    labels = np.zeros_like(true)
    labels[10] = true[10]
    training = begin(labels, "unet3d", image, patch=(4, 32, 32))
    (first,) = training._units
    training.paint(0, 2, 0, 0, true[2])
    training.take_up()
    (second,) = training._units
    assert second.place[2] < first.place[2]
    shift = first.place[2] - second.place[2]
    np.testing.assert_array_equal(second.target[shift : shift + len(first.target)], first.target)
    assert (second.target[2 - second.place[2]] >= 0).all()
    list(training)


def test_a_training_that_was_painted_on_goes_on_from_its_file(tmp_path):
    path = tmp_path / "a.safetensors"
    options = {"patch": (48, 48), "batch": 2, "val_fraction": 0, "base": 6, "depth": 2, "style": "classes"}
    labels = strokes((0, slice(0, 40)))
    nu.train(IMAGE, labels, steps=3, output=path, **options)
    labels[1, :40] = TRUE[1, :40]
    assert nu.train(IMAGE, labels, steps=5, resume=path, **options).describe()["steps"] == 5


def test_what_could_not_be_learnt_is_looked_at_again():
    training = begin()
    training.paint(0, 0, 0, 0, np.zeros((40, 96), TRUE.dtype))
    assert training.take_up()[0].warning  # nothing is left
    training.paint(0, 2, 0, 0, TRUE[2, :30])
    assert [n.text for n in training.take_up()] == [LEARNT_AGAIN]
    assert fractions(training) == {(0, 2): 30 * 96}


def test_a_volume_shrinks_when_an_outer_slice_is_erased():
    image, cells = tissue((30, 48, 48), 30)
    true, labels = classes(cells), np.zeros((30, 48, 48), np.uint8)
    labels[[4, 25]] = true[[4, 25]]
    training = begin(labels, "unet3d", image, patch=(4, 32, 32))
    training.paint(0, 4, 0, 0, np.zeros((48, 48), labels.dtype))
    assert training.take_up() == []
    (unit,) = training._units
    assert unit.place[2] > 15
    assert (unit.target[25 - unit.place[2]] >= 0).all()


def test_a_third_class_comes_to_a_network_that_told_two_apart_with_one_output():
    labels = strokes((0, slice(0, 40)))
    spec = make_spec(
        None,
        "unet-dice",
        shape={"base": 4, "depth": 2},
        target={"style": "classes"},
        train={"steps": 4, "patch": (48, 48), "val_fraction": 0},
    )
    training = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], spec)
    for event in training:
        if isinstance(event, StepDone) and event.step == 2:
            training.paint(0, 1, 0, 0, np.full((30, 30), 3, TRUE.dtype))
            training.take_up()
    assert training.model().predict(IMAGE).shape == (3, *IMAGE.shape)


def test_a_stroke_beside_a_held_out_place_is_learnt_as_well():
    labels = np.zeros_like(TRUE)
    labels[0] = TRUE[0]
    training = begin(labels, val_fraction=0.2)
    (_, t, z), box = training._held_out[0]
    count = len(training._held_out)
    training.paint(t, z + 1, box[0].start, box[1].start, TRUE[z + 1][box])
    training.take_up()
    assert len(training._held_out) == count - 1
    (target,) = [
        x for u, x in zip(training._units, training._loop.sampler.targets, strict=False) if u.place[2] == z + 1
    ]
    assert (target >= 0).any()


def test_what_is_painted_later_is_held_out_as_well_where_too_little_was_at_first():
    first = np.zeros_like(TRUE)
    y, x = np.argwhere(TRUE[0, 40:60, 30:60] == 2)[0] + (40, 30)
    near = slice(y - 4, y + 4), slice(x - 4, x + 4)
    first[0][near] = TRUE[0][near]
    training = begin(first, val_fraction=0.2)
    assert training._held_out == []
    assert any("too little is painted to hold a part out" in n.text for n in training.notes)
    training.paint(0, 0, 0, 0, TRUE[0, :36])
    training.paint(0, 2, 0, 0, TRUE[2])
    notes = [n.text for n in training.take_up()]
    assert any("held out for scores" in n for n in notes)
    held = training._held_out
    assert {place[2] for place, _ in held} <= {0, 2}
    assert all((first[place[2]][box] == 0).all() for place, box in held), "what was learnt is never held out"
    share = sum((TRUE[place[2]][box] > 0).sum() for place, box in held) / sum(fractions(training).values())
    assert 0.05 < share < 0.5
    for unit, target in zip(training._loop.sampler.units, training._loop.sampler.targets, strict=True):
        for place, box in held:
            assert place != unit.place or (target[box] < 0).all()
    assert next(e for e in training if isinstance(e, CheckDone)).loss is not None


def test_a_training_ends_when_it_no_longer_improves_but_not_while_there_is_something_new(monkeypatch):
    monkeypatch.setattr(loop, "LEAST_STEPS", 8)
    still = {"steps": 60, "checks": 30, "learning_rate": 1e-12, "val_fraction": 0.3, "patience": 4}
    training = begin(strokes((0, slice(0, 90))), **still)
    events = list(training)
    assert isinstance(events[-1], Finished)
    assert events[-1].early
    assert "4 scores in a row" in events[-1].reason
    assert len([e for e in events if isinstance(e, CheckDone)]) == 5, "one that is the best so far, four no better"

    painted = begin(strokes((0, slice(0, 90))), **still)
    checks = 0
    for event in painted:
        checks += isinstance(event, CheckDone)
        if isinstance(event, CheckDone) and checks == 4:
            painted.paint(0, 2, 0, 0, TRUE[2, :30])
            painted.take_up()
    assert checks == 9

    patient = begin(strokes((0, slice(0, 90))), **still | {"patience": 0, "steps": 20, "checks": 10})
    assert not list(patient)[-1].early
    monkeypatch.setattr(loop, "LEAST_STEPS", 20)
    slow = list(begin(strokes((0, slice(0, 90))), **still))
    assert slow[-1].early
    assert slow[-1].steps == 22


def go_on(tmp_path, labels, **options):
    """A training that has been saved, and goes on with what `labels` makes of its annotation."""
    first = strokes((slice(0, 3), slice(0, 90)))
    begun = begin(first, output=tmp_path / "a.safetensors", steps=6, checks=2, **options)
    list(begun)
    again = begin(
        labels(first.copy()), output=tmp_path / "a.safetensors", resume=True, steps=12, checks=2, **options
    )
    return begun, again


def test_what_was_held_out_and_painted_on_between_two_trainings_is_learnt(tmp_path):
    def paint_on(labels):
        (_, _, z), box = begun_held[0]
        labels[z][box] = 0
        return labels

    begun_held = begin(strokes((slice(0, 3), slice(0, 90))), val_fraction=0.2)._held_out
    begun, again = go_on(tmp_path, paint_on, val_fraction=0.2)
    assert begun._held_out == begun_held
    assert begun_held[0] not in again._held_out
    assert again._held_out
    assert set(map(str, again._held_out)) < set(map(str, begun_held))
    assert any("held-out place" in n.text for n in again.notes)


def test_going_on_without_a_change_holds_out_the_same(tmp_path):
    begun, again = go_on(tmp_path, lambda labels: labels, val_fraction=0.2)
    assert again._held_out == begun._held_out


def test_what_was_learnt_is_not_held_out_when_it_goes_on(tmp_path):
    begun, _ = go_on(tmp_path, lambda labels: labels, val_fraction=0)
    assert begun._held_out == []
    first = strokes((slice(0, 3), slice(0, 90)))
    asked = begin(first, output=tmp_path / "a.safetensors", resume=True, steps=12, val_fraction=0.2)
    assert asked._held_out == []
    more = first.copy()
    more[2] = TRUE[2]
    more[2, :, :48] = 0
    grown = begin(more, output=tmp_path / "a.safetensors", resume=True, steps=12, val_fraction=0.2)
    assert all(place[2] == 2 and (first[2][box] == 0).all() for place, box in grown._held_out)


def test_a_class_that_is_painted_between_two_trainings_is_learnt(tmp_path):
    def third(labels):
        labels[2, :20, :20] = 3
        return labels

    begun, again = go_on(tmp_path, third, val_fraction=0.2)
    assert [c.name for c in again.classes] == ["cell", "boundary", "background"]
    assert any("new in the annotation: background" in n.text for n in again.notes)
    old, new = begun._loop.average.state_dict(), again._loop.average.state_dict()
    np.testing.assert_array_equal(old["down.0.0.weight"], new["down.0.0.weight"])
    assert isinstance(list(again)[-1], Finished)
    assert nu.load(tmp_path / "a.safetensors").predict(IMAGE[2]).shape[0] == 3


@pytest.mark.parametrize("val_fraction", [0, 0.2])
@pytest.mark.parametrize("meanwhile", [True, False])
def test_a_class_that_comes_on_a_slice_of_its_own_is_drawn_and_held_out(meanwhile, val_fraction, tmp_path):
    options = {"output": tmp_path / "a.safetensors", "val_fraction": val_fraction, "class_balance": True}
    labels = strokes((0, slice(0, 40)))
    training = begin(labels, steps=4, **options)
    list(training)
    if meanwhile:
        training.paint(0, 2, 0, 0, np.full((96, 96), 3, TRUE.dtype))
        notes = training.take_up()
    else:
        labels[2] = 3
        training = begin(labels, steps=8, resume=True, **options)
        notes = training.notes
    assert any("new in the annotation: background" in n.text for n in notes)
    assert any(place[2] == 2 for place, _ in training._held_out) == (val_fraction > 0)
    sampler = training._loop.sampler
    assert len(sampler.counts) == len(training._loop.class_weights) == 3
    assert (sampler.draw(16).target == 2).any()
    assert isinstance(list(training)[-1], Finished)


@pytest.mark.parametrize("meanwhile", [True, False])
def test_a_class_of_which_no_stroke_is_left_is_left_out(meanwhile, tmp_path):
    options = {"output": tmp_path / "a.safetensors", "val_fraction": 0.2, "class_balance": True}
    labels = strokes((0, slice(0, 40)))
    labels[2] = 3
    training = begin(labels, steps=4, **options)
    list(training)
    if meanwhile:
        training.paint(0, 2, 0, 0, np.zeros((96, 96), TRUE.dtype))
        notes = training.take_up()
    else:
        labels[2] = 0
        training = begin(labels, steps=8, resume=True, **options)
        notes = training.notes
    assert any("no longer in the annotation: background" in n.text for n in notes)
    assert not any(n.warning for n in notes if "start" not in n.text)
    assert [c.name for c in training.classes] == ["cell", "boundary"]
    counts = training._loop.sampler.counts
    assert counts[0] > 0 < counts[1]
    assert len(counts) == 2
    assert isinstance(list(training)[-1], Finished)
    assert nu.load(options["output"]).predict(IMAGE[2]).shape[0] == 2


def test_names_that_were_told_stay_when_strokes_come_and_the_names_are_told_no_more(tmp_path):
    labels, output = strokes((0, slice(0, 40))), tmp_path / "a.safetensors"
    names = ({"name": "nucleus", "role": "cell"}, {"name": "edge", "role": "boundary"})
    train = {"steps": 2, "patch": (48, 48), "batch": 2, "val_fraction": 0}
    shape = {"base": 6, "depth": 2}
    told = make_spec(None, "unet", shape=shape, target={"style": "classes", "classes": names}, train=train)
    pair = Image(IMAGE, "ZYX"), Image(labels, "ZYX")
    list(Training([pair], told, output=output))
    spec = make_spec(None, "unet", shape=shape, target={"style": "classes"}, train={**train, "steps": 4})
    training = Training([pair], spec, output=output, resume=True)
    training.paint(0, 1, 0, 0, TRUE[1, :40])
    assert training.take_up() == []
    training.paint(0, 2, 0, 0, np.full((9, 9), 3, TRUE.dtype))
    assert "new in the annotation: background" in training.take_up()[0].text
    list(training)
    assert [c.name for c in training.classes] == ["nucleus", "edge", "background"]


@pytest.mark.parametrize(("first", "then"), [(0, "boundary"), (1, "boundary")])
def test_a_class_that_comes_to_others_has_a_name_of_its_own(tmp_path, first, then):
    """Of a start that knows cells and background, in either order; value 3 is the background by itself."""
    order = ({"name": "cell", "role": "cell"}, {"name": "background", "role": "background"})
    names = order[first], order[1 - first]
    labels = strokes((0, slice(0, 40)))
    train, shape = {"steps": 4, "patch": (48, 48), "batch": 2, "val_fraction": 0}, {"base": 6, "depth": 2}
    told = make_spec(None, "unet", shape=shape, target={"style": "classes", "classes": names}, train=train)
    start = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], told)
    list(start)
    spec = make_spec(None, "unet", shape=shape, target={"style": "classes"}, train=train)
    expected = [n["name"] for n in names] + [then]
    output = tmp_path / "a.safetensors"
    training = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], spec, start=start.model(), output=output)
    for event in training:
        if isinstance(event, StepDone) and event.step == 2:
            training.paint(0, 1, 0, 0, np.full((20, 20), 3, TRUE.dtype))
            (note, *_) = training.take_up()
            assert note.text.startswith("new in the annotation: boundary")
    assert [c.name for c in nu.load(output).classes] == expected
    labels[1, :20, :20] = 3
    training = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], spec, start=start.model())
    assert [c.name for c in training.classes] == expected


def test_a_start_keeps_its_names_when_one_more_class_is_painted(tmp_path):
    labels, names = (
        strokes((0, slice(0, 40))),
        ({"name": "nucleus", "role": "cell"}, {"name": "edge", "role": "boundary"}),
    )
    train, shape = {"steps": 2, "patch": (48, 48), "batch": 2, "val_fraction": 0}, {"base": 6, "depth": 2}
    told = make_spec(None, "unet", shape=shape, target={"style": "classes", "classes": names}, train=train)
    first = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], told)
    list(first)
    spec = make_spec(None, "unet", shape=shape, target={"style": "classes"}, train=train)
    go_on, output = labels.copy(), tmp_path / "a.safetensors"
    go_on[1, :30, :30] = 3
    training = Training([(Image(IMAGE, "ZYX"), Image(go_on, "ZYX"))], spec, start=first.model(), output=output)
    assert [c.name for c in training.classes] == ["nucleus", "edge", "background"]
    list(training)
    labels[2] = 0
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"steps": 4})})
    training = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], spec, resume=True, output=output)
    assert [c.name for c in training.classes] == ["nucleus", "edge"]  # of the start


def test_a_class_of_the_start_stays_when_its_training_goes_on(tmp_path):
    labels = strokes((0, slice(0, 40)))
    labels[2] = 3
    first = begin(labels, steps=2)
    list(first)
    labels[2] = 0
    options = {"patch": (48, 48), "batch": 2, "val_fraction": 0, "checks": 2}
    spec = make_spec(None, "unet", shape={"base": 6, "depth": 2}, target={"style": "classes"}, train=options)
    pair, output = (Image(IMAGE, "ZYX"), Image(labels, "ZYX")), tmp_path / "a.safetensors"
    for resume, steps in ((False, 2), (True, 4)):
        spec = spec.model_copy(update={"train": spec.train.model_copy(update={"steps": steps, "seconds": None})})
        start = None if resume else first.model()
        training = Training([pair], spec, output=output, resume=resume, start=start)
        list(training)
        assert [c.name for c in training.classes] == ["cell", "boundary", "background"]


def test_marks_tell_what_has_changed_and_where_nothing_was():
    target = np.full((40, 50), -1, np.int8)
    target[:10, :10] = 1
    target[20:30, 30:50] = 0
    before = marks.marks_of_plane(target)
    now = target.copy()
    now[5, 5] = 0
    now[35:, :10] = 1
    unit = Unit(np.zeros((1, 40, 50)), None, now, (0, 0, 3))
    (was,) = marks.units_before([unit], {(0, 0, 3): before})
    assert (was.target[:16, :16] == marks.OTHER).all()
    assert (was.target[32:, :16] == -1).all()
    np.testing.assert_array_equal(was.target[16:32, 16:], now[16:32, 16:])
    (new,) = marks.units_before([unit], {})
    assert (new.target == -1).all()


def test_the_best_model_is_one_that_knows_the_last_strokes(tmp_path):
    training = begin(strokes((0, slice(0, 90))), steps=20, checks=4, val_fraction=0.2)
    for event in training:
        if isinstance(event, CheckDone) and event.step == 5:
            training._loop.best_loss = -1.0  # as if nothing could be better any more
            training.paint(0, 2, 0, 0, TRUE[2, :40])
            training.take_up()
    assert training._loop.best_step > 5
    _, again = go_on(tmp_path, lambda labels: labels, val_fraction=0.2)
    assert np.isfinite(again._loop.best_loss)
    _, changed = go_on(tmp_path, lambda labels: np.where(np.arange(96) < 4, 0, labels), val_fraction=0.2)
    assert np.isinf(changed._loop.best_loss)


def test_a_class_that_is_painted_stroke_by_stroke_is_held_out():
    """Of each stroke by itself no half can be held out; of all of them it can."""
    labels = np.zeros_like(TRUE)
    labels[0] = TRUE[0]
    training = begin(labels, val_fraction=0.2)
    assert training._held_out
    spots = [(2, y, x) for y in (5, 45, 80) for x in (5, 45, 80)]
    for n, (z, y, x) in enumerate(spots):
        training.paint(0, z, y, x, np.full((4, 8), 3, TRUE.dtype))
        training.take_up()
        held = sum(
            int((u.target[box] == 2).sum())
            for p, box in training._held_out
            for u in training._units
            if u.place == p
        )
        learnt = training._loop.sampler.counts[2]
        assert held <= learnt
        if n >= 2:
            assert held > 0
    assert training._loop._comparable


@pytest.mark.parametrize("net", ["unet", "unet3d"])
def test_what_was_held_out_is_again_after_an_undo(net):
    labels = strokes((slice(0, 3), slice(0, 90)))
    training = begin(labels, net, val_fraction=0.2, **({"patch": (8, 48, 48)} if net == "unet3d" else {}))
    held, accident = training._held_out, np.full((96, 96), 1, TRUE.dtype)
    accident[:3] = 2
    assert held
    for z in range(3):
        training.paint(0, z, 0, 0, accident)
    said = " ".join(n.text for n in training.take_up())
    assert f"{len(held)} held-out" in said
    assert not set(map(str, held)) & set(map(str, training._held_out))
    for z in range(3):
        training.paint(0, z, 0, 0, labels[z])
    (note,) = [n.text for n in training.take_up() if "they are again" in n.text]
    assert note.startswith(str(len(held)))
    assert sorted(map(str, training._held_out)) == sorted(map(str, held))
    check = next(e for e in training if isinstance(e, CheckDone))
    assert None not in check.scores.values()
    for z in range(3):  # and once more
        training.paint(0, z, 0, 0, accident)
    training.take_up()
    for z in range(3):
        training.paint(0, z, 0, 0, labels[z])
    training.take_up()
    assert sorted(map(str, training._held_out)) == sorted(map(str, held))


@pytest.mark.parametrize("net", ["unet", "unet3d"])
def test_predictions_that_were_taken_over_are_learnt_but_never_held_out(net):
    """The network that made them would be right about them whatever they are."""

    def held_out_of(taken, own):
        labels = strokes((0, slice(0, 12), slice(0, 12)))
        training = begin(labels, net, val_fraction=0.3, **({"patch": (8, 48, 48)} if net == "unet3d" else {}))
        assert not training._held_out
        training.paint(0, 2, 0, 0, TRUE[2, :, :48], taken=taken)
        if own:
            training.paint(0, 2, 0, 60, TRUE[2, :, 60:])
        training.take_up()
        assert fractions(training)[0, 2] >= 96 * 47
        return [box for _, box in training._held_out]

    assert held_out_of(taken=False, own=False)
    assert not held_out_of(taken=True, own=False)
    boxes = held_out_of(taken=True, own=True)
    assert boxes
    assert all(box[-1].start >= 48 for box in boxes)


@pytest.mark.parametrize("style", ["classes", "cells"])
def test_what_was_taken_between_two_trainings_is_not_held_out_either(tmp_path, style):
    number = CELLS if style == "cells" else TRUE
    labels = np.zeros(number.shape, np.uint16)
    labels[0, :12] = number[0, :12]
    train = {"steps": 4, "patch": (48, 48), "batch": 2, "val_fraction": 0.3, "seed": 1}
    spec = make_spec(None, "unet", shape={"base": 6, "depth": 2}, target={"style": style}, train=train)
    output = tmp_path / "a.safetensors"
    first = Training([(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], spec, output=output)
    list(first)
    labels[2, :, :80] = number[2, :, :80]
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"steps": 6})})
    for taken, held in (((), True), ([(0, 2, 0, 0, labels[2])], False)):
        again = Training(
            [(Image(IMAGE, "ZYX"), Image(labels, "ZYX"))], spec, output=output, resume=True, taken=taken
        )
        assert any(place[2] == 2 for place, _ in again._held_out) == held
        assert any(u.place[2] == 2 for u in again._loop.sampler.units)  # it is learnt


@pytest.mark.parametrize("net", ["unet", "unet3d"])
def test_predictions_taken_in_held_out_places_change_nothing_there(net, tmp_path):
    """The strokes in them still tell how good the network is, also in a training that goes on."""
    labels = strokes((slice(0, 3), slice(0, 90, 4)))  # every fourth row is painted
    options = {"val_fraction": 0.2, "output": tmp_path / "a.safetensors", "steps": 4, "checks": 2}
    options |= {"patch": (8, 48, 48)} if net == "unet3d" else {}
    training = begin(labels, net, **options)
    held = training._held_out
    batch, learnt = training._loop.held_out.target.clone(), sum(training._loop.sampler.counts)
    taken = np.where(labels == 0, TRUE, 0).astype(TRUE.dtype)
    for event in training:
        if isinstance(event, StepDone) and event.step == 1:
            for z in range(3):
                training.paint(0, z, 0, 0, np.where(labels[z] > 0, labels[z], taken[z]), taken=True)
            assert training.take_up() == []
            assert training._held_out == held
            assert training._loop.held_out.target.equal(batch)
            assert sum(training._loop.sampler.counts) > 2 * learnt  # the others are
            now = [np.where(labels[z] > 0, labels[z], taken[z]) for z in range(3)]
            slip = [np.where(now[z] > 0, 3 - now[z], 0).astype(TRUE.dtype) for z in range(3)]
            for z in range(3):
                training.paint(0, z, 0, 0, slip[z])
            training.take_up()
            assert training._held_out != held
            for z in range(3):  # an undo, as the window sends it
                training.paint(0, z, 0, 0, np.where(labels[z] > 0, now[z], slip[z]))
                training.paint(0, z, 0, 0, now[z], taken=True)
            training.take_up()
            assert sorted(map(str, training._held_out)) == sorted(map(str, held))
            held = training._held_out
    whole = np.where(labels > 0, labels, taken)
    again = begin(whole, net, **options | {"steps": 6}, resume=True)
    assert again._held_out == held
    assert int((again._loop.held_out.target >= 0).sum()) == int((batch >= 0).sum())
    place, box = held[0]
    z, (y, x) = place[2] + (box[0].start if len(box) == 3 else 0), (s.start for s in box[-2:])
    row, column = np.argwhere((labels[z] == 0)[y:, x:])[0] + (y, x)
    again.paint(0, z, int(row), int(column), np.full((1, 1), 3 - whole[z, row, column], TRUE.dtype))
    again.take_up()
    assert held[0] not in again._held_out  # what is painted by hand is learnt


@pytest.mark.parametrize("shape", [{"base": 6, "depth": 2}, {}])
def test_a_training_that_ended_as_it_got_worse_goes_on_from_its_best(monkeypatch, tmp_path, shape):
    """The second is kept to the network that is shipped, and corrects how often the classes occur."""
    monkeypatch.setattr(loop, "LEAST_STEPS", 0)
    labels = strokes((0, slice(0, 90), slice(None, None, 3)))
    fixed = {"patch": (48, 48), "batch": 2, "seed": 1, "val_fraction": 0.3, "patience": 2, "schedule": "constant"}

    def go(*, resume, **more):
        spec = make_spec(None, "unet", shape=shape, target={"style": "classes"}, train=fixed | more)
        pair = Image(IMAGE, "ZYX"), Image(labels, "ZYX")
        training = Training([pair], spec, output=tmp_path / "a.safetensors", resume=resume)
        return training, [e for e in training if isinstance(e, CheckDone)]

    rates = iter([3e-3] * 8 + [0.3] * 92)
    monkeypatch.setattr(loop, "learning_rate", lambda *_: next(rates))
    _, checks = go(resume=False, steps=100, checks=50)
    best = min(c.loss for c in checks)
    assert checks[-1].loss > 1.2 * best
    monkeypatch.setattr(loop, "learning_rate", lambda *_: 1e-12)
    steps = checks[-1].step + 2
    again, (check, *_) = go(resume=True, steps=steps, checks=steps)
    assert (again._loop.prior is None) == bool(shape)
    assert check.loss == pytest.approx(best, rel=0.05)


def test_going_back_to_the_best_undoes_its_correction():
    """Of how often the classes occur: it is made anew for what users get."""
    training = begin(net="unet", steps=2, shape={})
    inner = training._loop
    assert inner.prior is not None
    inner.prior.seen = torch.tensor([0.7, 0.3])
    inner.check()
    offered = {k: v.clone() for k, v in inner.offered().state_dict().items()}
    assert max(map(abs, inner.best_shift)) > 0.1
    with torch.no_grad():
        for weights in (*inner.network.parameters(), *inner.average.parameters()):
            weights.add_(1)
    inner.go_back()
    for name, value in inner.offered().state_dict().items():
        torch.testing.assert_close(value, offered[name])
    for ours, average in zip(inner.network.parameters(), inner.average.parameters(), strict=True):
        assert ours.equal(average)


def test_a_class_of_which_nothing_is_held_out_is_when_more_of_it_is_painted(monkeypatch):
    """Until then no model is called the best by the other class alone, and the training does not end by it."""
    monkeypatch.setattr(loop, "LEAST_STEPS", 0)
    labels = np.zeros_like(TRUE)
    labels[0][TRUE[0] == 1] = 1
    y, x = np.argwhere(TRUE[0] == 2)[0]
    labels[0, y : y + 6, x : x + 6] = TRUE[0, y : y + 6, x : x + 6]  # too little boundary to hold some out
    training = begin(labels, val_fraction=0.2, steps=12, checks=6, patience=1, learning_rate=1e-9)
    found, painted = [], False
    for event in training:
        if isinstance(event, CheckDone):
            found.append(event)
        if len(found) == 3 and not painted:
            painted = True
            training.paint(0, 2, 0, 0, TRUE[2])
            training.take_up()
    alone, both = found[:3], found[3:]
    assert [e.scores["boundary"] for e in alone] == [None] * 3
    assert all(e.best and e.scores["cell"] is not None for e in alone)
    assert both
    assert all(None not in e.scores.values() for e in both)
    history = training.model().describe()["history"]
    assert [h["comparable"] for h in history] == [False] * 3 + [True] * len(both)
    assert "for 1 scores in a row" in event.reason
