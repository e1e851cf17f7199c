"""Where to annotate next: what is looked at, what is found, and that a training goes on undisturbed."""

from itertools import islice

import numpy as np
import pytest

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.events import StepDone
from napari_unet.jobs import Search, Training, suggest, suggesting
from napari_unet.jobs.suggesting import Piece, pieces_to_look_at
from napari_unet.spec import TrainingSpec, TrainSpec, UNet3DSpec, UNetSpec

SMALL = TrainSpec(steps=6, patch=(64, 64), batch=2, val_fraction=0, threads=1)


class Counting:
    """An array that counts what is read from it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, 0

    def __getitem__(self, key):
        part = self.array[key]
        self.read += part.size
        return part


@pytest.fixture(scope="module")
def stack():
    """Six slices: dark noise with bright disks, in slice 4 stripes instead; strokes in slice 0."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128]
    disks = (np.hypot(y % 32 - 16, x % 32 - 16) < 9).astype(np.float32)
    image = np.stack([120 * disks] * 6)
    image[4] = 100 * (x // 3 % 2)
    image = (image + rng.normal(30, 8, image.shape)).clip(0, 255).astype(np.uint8)
    labels = np.zeros(image.shape, np.uint8)
    labels[0] = np.where(disks > 0, 1, 3) * (rng.random((128, 128)) < 0.2)
    labels[0][np.hypot(y % 32 - 16, x % 32 - 16).round() == 9] = 2
    return image, labels


def test_what_is_unlike_the_annotation_is_suggested(stack):
    image, labels = stack
    found = nu.suggest(image, labels, seconds=60)
    assert found.region.z == (4, 5)
    assert found.unlike > 0.5
    assert 0.05 < found.stands_for <= 1 / 6  # one slice of six looks at all like it
    assert (found.planes, found.of, found.again) == (6, 6, False)


def test_no_place_comes_twice_before_all_have_come(stack):
    image, labels = stack[0][:2], stack[1][:2]
    shown = []
    for _ in range(8):  # 2 slices of 2 x 2 squares
        found = suggest(image, labels, shown=shown, seconds=60)
        assert found.region not in shown
        assert not found.again
        shown.append(found.region)
    again = suggest(image, labels, shown=shown, seconds=60)
    assert again.again
    assert again.region in shown


def test_annotation_makes_a_place_less_worth(stack):
    image = stack[0]
    before = suggest(image, None, seconds=60)
    labels = np.zeros(image.shape, np.uint8)
    labels[before.region.slices[1:]] = 1
    after = suggest(image, labels, seconds=60)
    assert after.region != before.region


def test_of_a_large_image_a_spread_sample_is_read():
    data = Counting(np.zeros((400, 128, 128), np.uint8))
    search = Search(Image(data, "ZYX"), view=(0, 300), seconds=0)
    pieces = list(islice(pieces_to_look_at(search, 64), 20))
    assert pieces[0].region.z == (300, 301)
    assert data.read == 0
    others = sorted({p.region.z[0] for p in pieces if p.region.z[0] != 300})
    assert max(np.diff([*others, others[0] + 400])) < 100
    moved = list(islice(pieces_to_look_at(Search(search.image, shown=(pieces[0].region,)), 64), 20))
    assert {p.region.z for p in moved}.isdisjoint({(z, z + 1) for z in others if z})

    noise = np.random.default_rng(0).integers(0, 255, (400, 128, 128)).astype(np.uint8)
    counting = Counting(noise)
    found = suggest(Image(counting, "ZYX"), seconds=0)
    assert (found.planes, found.of) == (1, 400)
    assert counting.read < 30 * 128 * 128  # 24 of them to fit the grey values


def test_pieces_of_annotated_planes_and_of_the_plane_in_view_come_first():
    image = Image(np.zeros((3, 50, 64, 64), np.uint8), "TZYX")
    labels = np.zeros(image.shape[:1] + image.shape[2:], np.uint8)
    labels[2, 41, 60, 3] = 1
    search = Search(image, Image(labels, "TZYX"), view=(1, 7), planes=((2, 41), (0, 3)))
    pieces = list(pieces_to_look_at(search, 32))
    first = pieces[0].region
    assert (first.t[0], first.z[0]) == (1, 7)
    assert pieces[1] == Piece(Region((2, 3), (41, 42), (32, 64), (0, 32)), sampled=False)
    chosen = [p.region for p in pieces if not p.sampled]
    assert {(r.t[0], r.z[0]) for r in chosen} == {(1, 7), (2, 41)}
    assert len(chosen) == 5
    assert len(pieces) == len(set(pieces)) == 3 * 50 * 4


def test_what_is_in_view_does_not_stand_for_a_large_image(stack, monkeypatch):
    """All of the plane in view is looked at, and as much of 60 others."""
    view, others = stack[0][4], stack[0][1]
    image = np.stack([view, *[others] * 60])
    monkeypatch.setattr(suggesting, "PIECE", {2: 64})
    every = suggesting.pieces_to_look_at
    monkeypatch.setattr(suggesting, "pieces_to_look_at", lambda *args: islice(every(*args), 8))
    found = suggest(image, seconds=60)
    assert (found.planes, found.of) == (5, 61)
    assert found.region.z[0] > 0
    assert found.stands_for > 0.8


def test_a_suggestion_during_a_training_changes_nothing_of_it(stack):
    image, labels = stack

    def train(*, ask):
        training = Training(
            [(Image(image, "ZYX"), Image(labels, "ZYX"))], TrainingSpec(net=UNetSpec(base=4), train=SMALL)
        )
        search, found, steps = None, [], []
        for event in training:
            if isinstance(event, StepDone):
                steps.append(event.loss)
                if ask and event.step == 2:
                    search = training.suggest((0, 2), seconds=60)
            if search is not None:
                found += [next(search, None)]
        return training, steps, [f for f in found if f is not None]

    alone, losses, _ = train(ask=False)
    asked, same, found = train(ask=True)
    assert losses == same
    assert len(losses) == 6
    for one, two in zip(*(t.model(best=False).trained.network.parameters() for t in (alone, asked)), strict=True):
        np.testing.assert_array_equal(one.detach(), two.detach())
    assert len(found) <= 1


def test_strokes_painted_during_a_training_count(stack):
    image, labels = stack
    training = Training([(Image(image, "ZYX"), Image(labels, "ZYX"))], TrainingSpec(train=SMALL))
    *_, first = training.suggest((0, 0), seconds=60)
    region = first.region
    training.paint(0, region.z[0], region.y[0], region.x[0], np.ones(region.shape[2:], np.uint8))
    *_, second = training.suggest((0, 0), seconds=60)
    assert second.region != region
    training.take_up()
    *_, third = training.suggest((0, 0), seconds=60)
    assert third.region == second.region


def test_3d_networks_and_many_channels_are_looked_at_with(stack):
    image, labels = (a[:, :64, :64] for a in stack)
    spec = TrainingSpec(net=UNet3DSpec(base=4, depth=1), train=SMALL.model_copy(update={"patch": (4, 32, 32)}))
    training = Training([(Image(image, "ZYX"), Image(labels, "ZYX"))], spec)
    *pieces, found = training.suggest((0, 3), seconds=60)
    assert pieces == [None] * 6
    assert found.region.shape == (1, 1, 64, 64)
    two = np.stack([image, image], axis=1)
    model = nu.train(two, labels, axes="ZCYX", style="classes", steps=1, base=4, seed=0)
    assert suggest(two, labels, "ZCYX", model=model, seconds=60).of == 6
    with pytest.raises(UserError, match="2 channels, the network that would look at it 1: train one"):
        suggest(two, None, "ZCYX")


def test_labels_that_do_not_fit_are_refused(stack):
    with pytest.raises(UserError, match="differ in size"):
        suggest(stack[0], stack[1][:, :64])
