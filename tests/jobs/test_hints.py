"""A complete instance mask without --dense teaches nothing of the background: the program says so."""

import numpy as np
import pytest

import napari_unet as nu
from napari_unet.events import Note
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
