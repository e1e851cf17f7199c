"""Where a segmentation differs from the truth: against a slow reading of the definitions; symmetries."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_unet.arrays.comparison import Category, categories_of, compare
from napari_unet.arrays.metrics import instance_score, membrane_score
from napari_unet.arrays.outlines import STEP, Outline
from napari_unet.errors import UserError
from napari_unet.storage.samples import load_sample

CELLS = hnp.arrays(np.int32, (6, 8), elements=st.integers(0, 4))
STACKS = hnp.arrays(np.int32, (3, 4, 5), elements=st.integers(0, 3))
EXCHANGED = {"found": "found", "missed": "extra", "extra": "missed", "split": "merged", "merged": "split"}
EXCHANGE = np.array([0, *(Category[EXCHANGED[c.name.lower()].upper()] for c in Category)])


def slow(cells, truth):
    """The definitions, over sets of pixels; a category for every cell of both, and the counts."""
    own, true = (
        {i: set(zip(*np.nonzero(x == i), strict=True)) for i in np.unique(x) if i} for x in (cells, truth)
    )

    def lying(inner, outer):
        return {o: [i for i in inner if 2 * len(inner[i] & outer[o]) > len(inner[i])] for o in outer}

    in_own, in_true = lying(true, own), lying(own, true)
    pairs = [(p, t) for p in own for t in true if 2 * len(own[p] & true[t]) > len(own[p] | true[t])]
    merged = {p for p in own if len(in_own[p]) >= 2}
    split = {t for t in true if len(in_true[t]) >= 2}
    state = {p: "merged" if p in merged else "extra" for p in own}
    true_state = {t: "split" if t in split else "missed" for t in true}
    state |= {p: "split" for t in split for p in in_true[t]}
    true_state |= {t: "merged" for p in merged for t in in_own[p]}
    state |= {p: "found" for p, _ in pairs}
    true_state |= {t: "found" for _, t in pairs}
    left = [*state.values(), *true_state.values()]
    counts = {"found": len(pairs), "extra": left.count("extra"), "missed": left.count("missed")}
    picture = np.zeros(cells.shape, np.uint8)
    for where, states in ((own, state), (true, true_state)):
        for i, pixels in where.items():
            for p in pixels:
                picture[p] = max(picture[p], Category[states[i].upper()])
    return picture, counts | {"split": len(split), "merged": len(merged)}


@given(CELLS, CELLS)
def test_picture_and_counts_are_what_the_definitions_say(cells, truth):
    picture, counts = slow(cells, truth)
    found = compare(cells, truth)
    np.testing.assert_array_equal(categories_of(found.picture), picture)
    assert found.counts == counts


@given(CELLS, CELLS)
def test_exchanging_prediction_and_truth_exchanges_the_categories(cells, truth):
    one, other = compare(cells, truth), compare(truth, cells)
    assert {EXCHANGED[k]: n for k, n in one.counts.items()} == other.counts
    alone = (cells == 0) | (truth == 0)  # where both have a cell, the higher of two categories is shown
    np.testing.assert_array_equal(EXCHANGE[categories_of(one.picture)][alone], categories_of(other.picture)[alone])


@given(STACKS, STACKS, st.sampled_from([2, 3]))
def test_ids_do_not_matter_and_the_score_is_that_of_the_metrics(cells, truth, ndim):
    one = compare(cells, truth, ndim=ndim)
    ids = np.array([0, 2**40, 7, 5], np.int64)
    other = compare(ids[cells], ids[[0, 2, 3, 1]][truth], ndim=ndim)
    np.testing.assert_array_equal(one.picture, other.picture)
    assert one.counts == other.counts
    assert [replace(d, cell=0) for d in one.differences] == [replace(d, cell=0) for d in other.differences]
    assert one.score == instance_score(cells, truth, ndim=ndim)


@given(CELLS)
def test_what_is_perfect_is_found(truth):
    found = compare(truth * 3, truth)
    np.testing.assert_array_equal(categories_of(found.picture), (truth > 0).astype(np.uint8))
    assert set(np.unique(found.picture)) <= {0, 1, 1 + STEP}  # all outlines agree
    assert found.counts == {
        "found": len(np.unique(truth[truth > 0])),
        "extra": 0,
        "missed": 0,
        "split": 0,
        "merged": 0,
    }
    assert found.differences == ()
    if truth.any():
        assert found.v_rand == found.v_info == pytest.approx(1)


@given(STACKS, STACKS)
def test_a_stack_slice_by_slice_is_its_slices(cells, truth):
    whole = compare(cells, truth, ndim=2)
    single = [compare(c, t) for c, t in zip(cells, truth, strict=True)]
    np.testing.assert_array_equal(whole.picture, np.stack([s.picture for s in single]))
    assert whole.counts == {k: sum(s.counts[k] for s in single) for k in whole.counts}
    assert sorted(d.pixels for d in whole.differences) == sorted(d.pixels for s in single for d in s.differences)


def spoilt(truth):
    """A sample with one cell missed, one split, two merged, and one too many; and where."""
    cells = truth.copy()
    values, sizes = np.unique(truth[truth > 0], return_counts=True)
    missed, cut, one = values[np.argsort(sizes)[::-1]][[3, 0, 1]].tolist()
    cells[truth == missed] = 0
    columns = np.nonzero(truth == cut)[1]
    half = (truth == cut) & (np.indices(truth.shape)[1] > np.quantile(columns, 0.7))
    cells[half] = 900
    rows = np.abs(np.argwhere(truth == one)[:, None] - np.argwhere(truth != 0)[None, ::7]).sum(2).min(0)
    others = truth[tuple(np.argwhere(truth != 0)[::7].T)]
    order = np.argsort(rows)
    two = next(int(v) for v in others[order] if v not in (one, missed, cut))
    cells[truth == two] = one
    y, x = np.argwhere(truth == 0)[0]
    cells[y, x] = 901
    return cells, {"missed": missed, "split": cut, "merged": (one, two), "extra": (int(y), int(x))}


def test_on_a_real_image_every_mistake_is_seen_for_what_it_is():
    truth = load_sample("nuclei-5").labels.astype(np.int32)
    cells, where = spoilt(truth)
    found = compare(cells, truth)
    n = len(np.unique(truth)) - 1
    picture = categories_of(found.picture)
    # of what is split or merged, the larger part is found all the same
    assert found.counts == {"found": n - 2, "extra": 1, "missed": 1, "split": 1, "merged": 1}
    assert (picture[truth == where["missed"]] == Category.MISSED).all()
    assert picture[where["extra"]] == Category.EXTRA
    np.testing.assert_array_equal(picture == Category.SPLIT, cells == 900)
    smaller = min(where["merged"], key=lambda v: np.count_nonzero(truth == v))
    assert (picture[truth == smaller] == Category.MERGED).all()
    assert {d.category for d in found.differences} == {2, 3, 4, 5}
    assert list(found.differences) == sorted(found.differences, key=lambda d: -d.pixels)
    cells_of = {d.category: (d.cell, d.parts) for d in found.differences}
    merged = cells[truth == where["merged"][0]].max()
    assert cells_of == {2: (901, 0), 3: (where["missed"], 0), 4: (where["split"], 2), 5: (merged, 2)}
    for place in found.differences:
        y0, x0, y1, x1 = place.box
        mine = (truth if place.category in (3, 4) else cells) == place.cell
        assert mine[y0:y1, x0:x1].sum() == mine.sum() == place.pixels
        assert all(rim.any() for rim in (mine[y0], mine[y1 - 1], mine[:, x0], mine[:, x1 - 1]))


@given(STACKS, STACKS, st.sampled_from([2, 3]))
def test_every_cell_that_counts_has_one_entry_and_no_other_has(cells, truth, ndim):
    found = compare(cells, truth, ndim=ndim)
    listed = Counter(Category(d.category).name.lower() for d in found.differences)
    assert listed == Counter({k: n for k, n in found.counts.items() if k != "found"})
    for d in found.differences:
        mine = (truth if d.category in (3, 4) else cells) == d.cell
        mine = mine if ndim == 3 else mine[d.index]
        assert d.pixels == mine.sum()
        per_slice = mine.reshape(-1, 4, 5).sum(axis=(1, 2))
        assert per_slice[d.index[0] if ndim == 3 else 0] == per_slice.max()
        assert (d.parts >= 2) == (d.category in (4, 5))


def test_two_merged_cells_that_touch_are_two_entries_and_one_in_two_pieces_is_one():
    truth = np.repeat([[1, 1, 2, 2, 3, 3, 4, 4, 0, 5, 0, 5]], 2, axis=0)
    cells = np.repeat([[6, 6, 6, 6, 8, 8, 8, 8, 0, 0, 0, 0]], 2, axis=0)
    found = compare(cells, truth)
    entries = [(d.category, d.cell, d.parts, d.pixels, d.box) for d in found.differences]
    assert entries == [
        (Category.MERGED, 6, 2, 8, (0, 0, 2, 4)),
        (Category.MERGED, 8, 2, 8, (0, 4, 2, 8)),
        (Category.MISSED, 5, 0, 4, (0, 9, 2, 12)),
    ]


def test_a_missed_nucleus_is_one_place_in_all_slices_it_goes_through():
    truth = load_sample("nuclei-3d").labels
    values, sizes = np.unique(truth[truth > 0], return_counts=True)
    largest = values[sizes.argmax()]
    found = compare(np.where(truth == largest, 0, truth), truth)
    assert found.counts["missed"] == 1
    (place,) = found.differences  # with its outliers
    assert (place.cell, place.pixels) == (largest, sizes.max())
    per_slice = (truth == largest).sum(axis=(1, 2))
    assert place.index == (int(per_slice.argmax()),)
    y0, x0, y1, x1 = place.box
    assert (truth[place.index][y0:y1, x0:x1] == largest).sum() == per_slice.max()


def test_membranes_are_compared_slice_by_slice_and_do_not_count():
    cells = np.zeros((2, 20, 30), np.uint8)
    cells[:, :, :14], cells[:, :, 15:] = 1, 2
    truth = np.full((2, 20, 30), 255, np.uint8)
    truth[:, :, 12:17] = 0
    truth[1, 9:11] = 0
    found = compare(cells, truth, kind="membrane")
    assert found.counts == {"found": 2, "extra": 0, "missed": 0, "split": 0, "merged": 2}
    assert [(d.cell, d.parts, d.index) for d in found.differences] == [(2, 2, (1,)), (1, 2, (1,))]
    picture = categories_of(found.picture)
    assert not picture[truth == 0].any()
    assert (picture[0][truth[0] > 0] == Category.FOUND).all()
    assert (picture[1][truth[1] > 0] == Category.MERGED).all()
    lines = found.picture // STEP
    assert set(np.unique(lines[0])) == {0, Outline.BOTH}
    assert (lines[1, 9:11, 3:11].max(axis=0) == Outline.TRUE).all()  # the membrane that is missing
    assert (lines[1] != Outline.PREDICTED).all()
    expected = membrane_score(np.where(cells == 2, 7, cells), truth)
    assert (found.v_rand, found.v_info) == pytest.approx((expected.v_rand, expected.v_info))


def test_a_missed_nucleus_does_not_count_as_one_with_its_neighbours():
    truth = np.zeros((9, 30), np.int32)
    truth[2:7, 2:8], truth[2:7, 20:28] = 1, 2
    found = compare(np.where(truth == 1, 1, 0), truth)
    single = 1 / (30 + 40)
    expected = (900 + 40) * single**2 / ((900 + 40) * single**2 / 2 + (900 + 1600) * single**2 / 2)
    assert found.v_rand == pytest.approx(expected)


def test_progress_is_told_and_may_end_it():
    truth = load_sample("nuclei-3d").labels
    told = []
    compare(truth, truth, tell=told.append)
    assert told[0] == 0
    assert told == sorted(told)
    assert 0.95 < told[-1] < 1

    def cancel(part):
        if part > 0.3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        compare(truth, truth, tell=cancel)


@pytest.mark.parametrize(
    ("cells", "truth", "words"),
    [
        (np.zeros((4, 5), int), np.zeros((4, 6), int), "differ in shape"),
        (np.zeros((4, 5)), np.zeros((4, 5), int), "cells need integer ids"),
        (np.zeros(5, int), np.zeros(5, int), "at least the axes Y, X"),
    ],
)
def test_what_cannot_be_compared_is_said(cells, truth, words):
    with pytest.raises(UserError, match=words):
        compare(cells, truth)
