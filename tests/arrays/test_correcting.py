"""Corrected cells: what was not meant stays as it was, and the parts of a cell are the cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage as ndi
from skimage.measure import label

from napari_unet.arrays.correcting import cut_by, gap_at, holes, merged, neighbours, protect, split
from napari_unet.errors import UserError
from napari_unet.storage.samples import load_sample

Cells = npt.NDArray[np.integer[Any]]
SHAPES = st.one_of(
    st.tuples(st.integers(2, 12), st.integers(2, 12)),
    st.tuples(st.integers(1, 4), st.integers(2, 7), st.integers(2, 7)),
)


def cells(shape: Any, highest: int = 5) -> st.SearchStrategy[Cells]:
    """Noise, and patches of several pixels, such as cells are."""
    noise = arrays(np.int32, shape, elements=st.integers(0, highest))
    return noise | noise.map(lambda a: np.asarray(ndi.maximum_filter(a, 3)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Cells, Cells]:
    shape = draw(SHAPES)
    return draw(cells(shape)), draw(cells(shape))


@given(SHAPES.flatmap(cells))
def test_a_merge_touches_the_two_cells_and_the_line_between_them_only(before: Cells) -> None:
    after = merged(before, 1, 2)
    third = ~np.isin(before, (0, 1, 2))
    np.testing.assert_array_equal(after[third], before[third])
    assert (after[np.isin(before, (1, 2))] == 1).all()
    line = (before == 0) & (after != 0)
    assert (after[line] == 1).all()
    near = [ndi.binary_dilation(before == n, iterations=2) for n in (1, 2)]
    assert near[0][line].all()
    assert near[1][line].all()


def test_a_line_is_filled_but_lines_to_other_cells_stay_closed() -> None:
    tissue = np.array(
        [
            [1, 1, 1, 0, 2, 2],
            [1, 1, 0, 2, 2, 2],
            [1, 1, 0, 2, 2, 2],
            [0, 0, 0, 0, 0, 0],
            [3, 3, 3, 3, 3, 3],
        ]
    )
    after = merged(tissue, 1, 2)
    assert (after[:3] == 1).all()
    np.testing.assert_array_equal(after[3:], tissue[3:])


@st.composite
def cells_with_seeds(draw: st.DrawFn) -> tuple[npt.NDArray[np.bool_], Cells]:
    mask = draw(SHAPES.flatmap(cells)) == draw(st.integers(0, 2))
    places = np.argwhere(mask)
    chosen = draw(st.lists(st.integers(0, len(places) - 1), max_size=4, unique=True)) if len(places) else []
    seeds = np.zeros(mask.shape, np.int32)
    for value, place in enumerate(chosen, start=3):
        seeds[tuple(places[place])] = value
    return mask, seeds


@given(cells_with_seeds(), st.integers(0, 2**32 - 1), st.booleans())
def test_the_parts_of_a_cell_are_the_cell_and_hold_their_seeds(
    given_: tuple[npt.NDArray[np.bool_], Cells], number: int, known: bool
) -> None:
    mask, seeds = given_
    boundary = np.random.default_rng(number).random(mask.shape).astype(np.float32) if known else None
    if np.count_nonzero(seeds) < 2:
        with pytest.raises(UserError, match="two places"):
            split(mask, seeds, boundary)
        return
    parts = split(mask, seeds, boundary, (2.0, 1.0, 1.0))
    np.testing.assert_array_equal(parts > 0, mask)
    np.testing.assert_array_equal(parts[seeds > 0], seeds[seeds > 0] - 2)


def test_a_cut_follows_the_boundary_wherever_the_seeds_are() -> None:
    mask = np.ones((20, 40), bool)
    boundary = np.zeros(mask.shape, np.float32)
    boundary[:, 12] = 0.9
    for first, second in (((3, 2), (10, 35)), ((10, 9), (10, 15)), ((1, 1), (18, 38))):
        seeds = np.zeros(mask.shape, int)
        seeds[first], seeds[second] = 1, 2
        parts = split(mask, seeds, boundary)
        assert (parts[:, :12] == 1).all()
        assert (parts[:, 13:] == 2).all()


@pytest.mark.parametrize(("sample", "least"), [("nuclei-6", 0.9), ("nuclei-3d", 0.9), ("epithelium", 0.8)])
def test_real_cells_that_are_merged_can_be_split_again(sample: str, least: float) -> None:
    data = load_sample(sample)
    truth = data.labels.astype(np.int64)
    pairs_ = np.stack([truth[..., :-1].ravel(), truth[..., 1:].ravel()])
    touching = np.unique(pairs_[:, (pairs_ != 0).all(axis=0) & (pairs_[0] != pairs_[1])], axis=1).T[:12]
    scores = []
    for a, b in touching:
        box = tuple(
            slice(max(0, s.start - 2), s.stop + 2) for s in ndi.find_objects(np.isin(truth, (a, b)).astype(int))[0]
        )
        crop = truth[box]
        seeds = np.zeros(crop.shape, int)
        for value, number in enumerate((a, b), start=1):
            depth = ndi.distance_transform_edt(crop == number)
            seeds[np.unravel_index(depth.argmax(), depth.shape)] = value
        whole = merged(crop, a, b) == a
        parts = split(whole, seeds, spacing=data.spacing)
        both = [(parts == i, crop == n) for i, n in ((1, a), (2, b))]
        scores.append(min((p & t).sum() / (p | t).sum() for p, t in both))
    assert np.median(scores) > least


def test_a_line_cuts_the_cell_that_it_crosses_not_one_that_it_only_enters() -> None:
    plane = np.zeros((12, 30), int)
    plane[2:5, 5:8] = 4
    plane[2:5, 8:30] = 9
    line = np.zeros(plane.shape, bool)
    line[3, 4:20] = True  # through 4, and far into 9
    number, seeds = cut_by(plane, line)
    assert number == 4
    assert len(np.unique(seeds[seeds > 0])) == 2
    assert not seeds[plane != 4].any()
    line[:, :8] = False
    with pytest.raises(UserError, match="cuts no cell"):
        cut_by(plane, line)


@given(st.tuples(st.integers(3, 12), st.integers(3, 12)).flatmap(cells))
def test_holes_are_free_and_enclosed(plane: Cells) -> None:
    found = holes(plane, 1)
    assert not (found & (plane != 0)).any()
    rest = (plane != 1) & ~found
    outside = label(np.pad(plane != 1, 1, constant_values=True), connectivity=1)[1:-1, 1:-1] == 1
    assert not (found & outside).any()
    assert (rest[plane == 0] <= outside[plane == 0]).all()


@given(st.tuples(st.integers(3, 12), st.integers(3, 12)).flatmap(cells))
def test_a_gap_is_free_and_does_not_reach_the_edge(plane: Cells) -> None:
    for y, x in np.argwhere(plane == 0)[:10]:
        gap = gap_at(plane, int(y), int(x))
        if gap is not None:
            assert gap[y, x]
            assert not (gap & (plane != 0)).any()
            assert not np.concatenate([gap[0], gap[-1], gap[:, 0], gap[:, -1]]).any()
            assert neighbours(plane, gap) <= set(np.unique(plane).tolist())


def test_the_gap_that_a_deleted_cell_of_a_tissue_leaves_is_filled_up_to_a_line() -> None:
    tissue = np.ones((11, 11), int)
    tissue[5, :] = tissue[:, 5] = 0  # lines that go to the edge
    tissue[3:8, 3:8] = 0
    gap = gap_at(tissue, 5, 5)
    assert gap is not None
    assert gap[4:7, 4:7].all()
    assert gap.sum() < 25
    assert not neighbours(tissue, gap)
    assert gap_at(tissue, 5, 0) is None


@given(pairs(), st.sets(st.integers(0, 6)), st.integers(0, 4))
def test_accepted_cells_stay_and_new_ones_get_what_is_left(
    given_: tuple[Cells, Cells], ids: set[int], min_size: int
) -> None:
    new, old = given_
    kept = np.isin(old, list(ids)) & (old != 0)
    result = protect(new, old, ids, min_size)
    np.testing.assert_array_equal(result[kept], old[kept])
    assert not np.isin(result[~kept], old[kept]).any()
    assert not (result[~kept] != 0)[new[~kept] == 0].any()
    numbers = np.unique(result[~kept & (result != 0)])
    first = int(old[kept].max(initial=0)) + 1
    np.testing.assert_array_equal(numbers, np.arange(first, first + len(numbers)))
    lost = np.unique(new[kept])
    for number in numbers:
        source = np.unique(new[(result == number) & ~kept])
        assert len(source) == 1  # no two new cells in one
        if source[0] in lost:
            pieces = label((result == number) & ~kept, connectivity=1)
            assert pieces.max() == 1
            assert (pieces > 0).sum() >= min_size
        else:
            np.testing.assert_array_equal((result == number) & ~kept, new == source[0])


def test_protecting_nothing_only_numbers_anew_and_protecting_all_gives_the_old_cells() -> None:
    old = np.array([[1, 1, 0, 5], [1, 0, 0, 5]], np.uint8)
    new = np.array([[9, 9, 9, 9], [9, 9, 4, 4]], np.uint8)
    np.testing.assert_array_equal(protect(new, old, ()), np.where(new == 9, 2, 1))
    np.testing.assert_array_equal(protect(new, old, (1, 5), min_size=9), old)
    assert protect(np.full((1, 3), 255, np.uint8), np.array([[0, 0, 70_000]]), [70_000]).tolist() == [
        [70_001, 70_001, 70_000]
    ]
