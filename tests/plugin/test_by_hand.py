"""Edits of results are noticed, and so is their undo, but only where it brings back what was computed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet.plugin.by_hand import ByHand
from napari_unet.plugin.cells.accepted import accepted_in


@pytest.fixture
def layer() -> Labels:
    return Labels(np.zeros((3, 20, 20), np.int32))


@pytest.fixture
def by_hand(layer: Labels) -> ByHand:
    made = ByHand()
    made.follow(layer)
    return made


def test_edits_and_their_undo_are_told_once(layer: Labels, by_hand: ByHand) -> None:
    told: list[bool] = []
    by_hand.changed.connect(lambda x: told.append(by_hand.edited(x)))
    layer.paint((0, 5, 5), 1)
    layer.fill((1, 5, 5), 2)
    assert told == [True]
    layer.undo()
    assert told == [True]
    layer.undo()
    assert told == [True, False]
    layer.redo()
    assert told == [True, False, True]


def test_the_undo_of_a_layer_that_is_hidden_counts(layer: Labels, by_hand: ByHand) -> None:
    layer.paint((0, 5, 5), 1)
    layer.visible = False
    layer.undo()
    assert not by_hand.edited(layer)


def test_a_stroke_that_is_not_over_yet_is_an_edit(layer: Labels, by_hand: ByHand) -> None:
    with layer.block_history():
        layer.paint((0, 5, 5), 1)
        assert by_hand.edited(layer)


def test_accepted_cells_are_no_edit(layer: Labels, by_hand: ByHand) -> None:
    accepted_in(layer).change(add=[(0, 0, 1)])
    assert not by_hand.edited(layer)
    layer.paint((0, 5, 5), 1)
    layer.undo()
    assert not by_hand.edited(layer)


def test_more_strokes_than_napari_can_undo_last(layer: Labels, by_hand: ByHand) -> None:
    for value in range(1, 103):
        layer.paint((0, 5, 5), value)
    for _ in range(102):
        layer.undo()
    assert layer.data.any()
    assert by_hand.lasting(layer)


def test_other_data_and_a_history_that_is_emptied_last(layer: Labels, by_hand: ByHand) -> None:
    other = Labels(np.zeros((3, 20, 20), np.int32))
    by_hand.follow(other)
    layer.data = np.ones((3, 20, 20), np.int32)
    assert by_hand.lasting(layer)
    other.paint((0, 5, 5), 1)
    other.editable = False
    assert not other._undo_history
    assert by_hand.lasting(other)


def test_what_is_computed_beneath_a_stroke_makes_it_last(layer: Labels, by_hand: ByHand) -> None:
    layer.paint((0, 5, 5), 1)
    by_hand.overwrite(layer)
    layer.undo()
    assert by_hand.lasting(layer)


def test_what_was_undone_is_not_redone_over_what_is_computed(layer: Labels, by_hand: ByHand) -> None:
    layer.paint((0, 5, 5), 1)
    layer.undo()
    by_hand.overwrite(layer)
    layer.redo()
    assert not layer.data.any()
    assert not by_hand.edited(layer)
