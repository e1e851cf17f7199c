"""Accepted cells, histories and tables through cells that are made anew, in every order that a user may find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from napari_unet.arrays.linking import Linker
from napari_unet.plugin.cells import steps
from napari_unet.plugin.cells.accepted import accepted_in, accepted_of
from napari_unet.plugin.cells.cell_table import CellTable
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.stack import CellStack, Place
from recut_tools import FEWER, MORE, Desk, replace_of

OTHER = replace_of(MORE, beta=0.7)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.segment()
    yield made
    made.controller.close()


def largest(plane: np.ndarray) -> int:
    sizes = np.bincount(plane.ravel())
    sizes[0] = 0
    return int(sizes.argmax())


def cells_layer(desk: Desk) -> Labels:
    found = desk.controller.segmenting.results.cells
    assert found is not None
    return found


def test_accepted_cells_outlive_an_edit_and_two_changes_at_once(desk: Desk) -> None:
    layer = cells_layer(desk)
    number = largest(layer.data[2])
    accepted_in(layer).change(add=[(0, 2, number)])
    pixels = np.array(layer.data[2]) == number
    layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 77)  # an edit: the new cells get a layer
    desk.make(MORE, wait=False)
    desk.make(OTHER)
    new = cells_layer(desk)
    assert new is not layer
    np.testing.assert_array_equal(np.asarray(new.data[2]) == number, pixels)
    assert accepted_of(new).keys == {(0, 2, number)}


def test_a_cell_that_is_accepted_meanwhile_stays(desk: Desk) -> None:
    layer = cells_layer(desk)
    desk.make(MORE, wait=False)
    number = largest(layer.data[3])
    pixels = np.array(layer.data[3]) == number
    accepted_in(layer).change(add=[(0, 3, number)])
    desk.make(MORE)
    np.testing.assert_array_equal(np.asarray(cells_layer(desk).data[3]) == number, pixels)


def test_undo_accepts_no_cell_of_another_making(desk: Desk) -> None:
    layer = cells_layer(desk)
    accepted = accepted_in(layer)
    accepted.change(add=[(0, 3, 1)])
    accepted.change(remove=[(0, 3, 1)])
    desk.make(MORE)
    layer.undo()
    assert not accepted.keys


def test_segmenting_again_keeps_what_is_accepted(desk: Desk) -> None:
    layer = cells_layer(desk)
    number = largest(layer.data[1])
    pixels = np.array(layer.data[1]) == number
    accepted_in(layer).change(add=[(0, 1, number)])
    desk.segment(MORE)
    new = cells_layer(desk)
    np.testing.assert_array_equal(np.asarray(new.data[1]) == number, pixels)
    assert (0, 1, number) in accepted_of(new).keys


def test_new_numbers_are_free_after_cells_were_made_anew(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.segment(volume=True)
    stack = CellStack(cells_layer(desk))
    stack.flat = False
    place = Place(0, 0, 0, 0)
    assert stack.next_number(place) == desk.cells().max() + 1
    desk.make(MORE)
    assert stack.next_number(place) == desk.cells().max() + 1
    desk.controller.close()


@pytest.mark.usefixtures("qapp")
def test_a_table_is_out_of_date_after_cells_were_made_anew(desk: Desk) -> None:
    table = CellTable(desk.viewer, CellsChoice(desk.viewer))
    table.measure()
    while table.background.busy:
        QApplication.processEvents()
    assert table.table is not None
    assert not table.outdated
    desk.make(MORE)
    assert table.outdated
    table.close()


def test_edits_of_a_layer_that_was_set_aside_disturb_nothing(desk: Desk) -> None:
    old = cells_layer(desk)
    old.data_setitem((np.array([0]), np.array([0]), np.array([0])), 77)
    desk.make(MORE)
    old.data_setitem((np.array([0]), np.array([0]), np.array([1])), 77)
    assert desk.controller.segmenting.results.untouched
    desk.make(FEWER)
    assert cells_layer(desk).name == "cells [1]"


def test_a_linked_cell_with_a_gap_is_one(desk: Desk) -> None:
    cell = np.zeros((9, 9), np.int32)
    cell[2:6, 2:6] = 1
    linker = Linker("z")
    planes = [linker.add(p) for p in (cell, np.zeros_like(cell), cell)]
    layer = Labels(np.stack(planes).astype(np.int32))
    stack = CellStack(layer)
    stack.flat = False
    body = stack.body(Place(0, 0, 3, 3), 1)
    assert body.mask.any(axis=(1, 2)).tolist() == [True, False, True]
    steps.delete(stack, Place(0, 0, 3, 3))
    assert not layer.data.any()
