"""A complete instance mask without --dense teaches nothing of the background: the program says so."""

import numpy as np
import pytest

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.events import Note
from napari_unet.jobs import Training, make_spec
from napari_unet.jobs.hints import spacing_notes
from napari_unet.spec import TrainingSpec, UNetSpec
from napari_unet.storage.samples import load_sample
from synthetic import classes, tissue

QUICK = {"steps": 1, "base": 2, "depth": 1, "patch": (32, 32), "style": "cells"}


def warnings_of(image, labels, **options):
    said = []
    nu.train(image, labels, **{**QUICK, **options}, on_event=said.append)
    return [e.text for e in said if isinstance(e, Note) and e.warning]


def some_cells(labels, count, background=None):
    """The first few cells alone, and strokes of background."""
    kept = np.where(np.isin(labels, [v for v in np.unique(labels) if v][:count]), labels, 0)
    if background:
        empty = labels == 0
        kept[50:54][empty[50:54]] = background
    return kept


@pytest.mark.parametrize("name", [f"nuclei-{n}" for n in range(1, 7)])
def test_complete_labels_that_are_not_said_to_be_dense_are_warned_of(name):
    sample = load_sample(name)
    (text,) = [t for t in warnings_of(sample.image, sample.labels) if "background" in t]
    assert "nothing is painted as background" in text
    assert "--dense" in text
    assert not warnings_of(sample.image, sample.labels, dense=True)


def test_sparse_painting_with_background_stays_silent():
    sample = load_sample("nuclei-2")
    labels = some_cells(sample.labels, 12, background=999)
    assert not warnings_of(sample.image, labels, background_value=999)
    assert warnings_of(sample.image, some_cells(sample.labels, 12))


def test_a_few_cells_and_tissues_stay_silent():
    sample = load_sample("nuclei-2")
    assert not warnings_of(sample.image, some_cells(sample.labels, 4), val_fraction=0)
    image, cells = tissue((96, 96), 30)
    assert not warnings_of(image, cells)
    corner = np.where(np.indices(cells.shape).max(axis=0) < 48, cells, 0)
    assert not warnings_of(image, corner)
    assert not warnings_of(image, classes(cells), style="classes")


def test_parted_cells_of_a_tissue_are_warned_of_as_well():
    image, cells = tissue((96, 96), 30)
    parted = np.where(classes(cells) == 2, 0, cells)
    assert any("--dense" in t for t in warnings_of(image, parted))


@pytest.mark.parametrize(
    ("net", "depth", "spacing", "words"),
    [
        ("vnet", 12, (4, 1, 1), "'vnet' treats all axes alike, but voxels are 4 x 1 x 1"),
        ("vnet", 12, (1.5, 1, 1), ""),
        ("unet3d", 12, (4, 1, 1), ""),
        ("unet3d", 1, (1, 1, 1), "'unet3d' looks along Z, but there is one slice only"),
        ("unet", 1, (4, 1, 1), ""),
    ],
)
def test_volumes_that_do_not_suit_the_network_are_warned_of(net, depth, spacing, words):
    image, cells = tissue((depth, 40, 40), 20)
    pair = Image(image, "ZYX", spacing), Image(classes(cells), "ZYX", spacing)
    size = {"vnet": (16, 32, 32), "unet3d": (4, 32, 32), "unet": (32, 32)}[net]
    spec = make_spec(net=net, shape={"base": 2, "depth": 2}, train={"steps": 1, "patch": size})
    said = [n.text for n in Training([pair], spec).notes if n.warning]
    assert [words in text for text in said if "slice only" in text or "alike" in text] == [True] * bool(words)


@pytest.mark.parametrize("told", [{"classes": 7}, {"in_channels": 3}])
def test_a_network_told_otherwise_than_the_data_is_refused(told):
    image, cells = tissue((40, 40), 20)
    ((name, value),) = told.items()
    with pytest.raises(nu.UserError, match=rf"net\.{name} is {value}, but there are "):
        Training([(Image(image, "YX"), Image(classes(cells), "YX"))], TrainingSpec(net=UNetSpec(**told)))


@pytest.mark.parametrize(
    ("theirs", "ours", "warned"), [(8, 1.2, True), (1.1, 9, True), (8, 7, False), (8, None, False)]
)
def test_voxels_of_another_shape_than_the_networks_are_warned_of(theirs, ours, warned):
    image, cells = tissue((8, 40, 44), 20)
    pair = Image(image, "ZYX", (theirs, 0.5, 0.5)), Image(classes(cells), "ZYX", (theirs, 0.5, 0.5))
    spec = make_spec(
        None, "unet3d", shape={"base": 2, "depth": 1}, target={}, train={"steps": 1, "patch": (4, 16, 16)}
    )
    training = Training([pair], spec)
    list(training)
    other = Image(image, "ZYX") if ours is None else Image(image, "ZYX", (ours, 0.5, 0.5), "deep")
    found = [n.text for n in spacing_notes(training.model(), other)]
    assert len(found) == warned
    if warned:
        assert f"{2 * theirs:.3g} times as high as wide, those of deep are {2 * ours:.3g} times" in found[0]
