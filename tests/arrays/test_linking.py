"""Cells of planes become cells of a stack: what must hold for any labels, and how well it works on real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment
from skimage.measure import label

from napari_unet.arrays.axes import Image
from napari_unet.arrays.contingency import renumber
from napari_unet.arrays.linking import Along, Linker, linked, one_to_one
from napari_unet.arrays.metrics import InstanceScore, instance_score
from napari_unet.errors import UserError
from napari_unet.storage.samples import load_sample

Stack = npt.NDArray[Any]
ALONG = st.sampled_from(["z", "t"])
STACKS = hnp.arrays(np.int64, (5, 6, 7), elements=st.sampled_from([0, 1, 2, 5, 2**40]))
SEEDS = st.integers(0, 2**32 - 1)


def link(stack: Stack, along: Along = "z", least: float | None = None, gap: int = 1) -> Stack:
    linker = Linker(along, least, gap)
    return np.stack([linker.add(plane) for plane in stack])


def shuffled(stack: Stack, seed: int) -> Stack:
    """Other numbers for the same cells in every plane, as from a segmentation that sees one plane."""
    rng = np.random.default_rng(seed)
    new = np.zeros_like(stack)
    for plane, out in zip(stack, new, strict=True):
        ids = np.unique(plane[plane != 0])
        for old, number in zip(ids, rng.permutation(len(ids)) + 1, strict=True):
            out[plane == old] = number
    return new


def by_appearance(stack: Stack) -> Stack:
    """The same cells, numbered in the order in which the planes first show them."""
    ids, first = np.unique(stack, return_index=True)
    depth = first // stack[0].size
    order = sorted((d, i) for d, i in zip(depth, ids, strict=True) if i != 0)
    new = np.zeros_like(stack)
    for number, (_, old) in enumerate(order, start=1):
        new[stack == old] = number
    return new


def same_partition(one: Stack, other: Stack) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(np.unique(one)) == len(np.unique(other)) == pairs.shape[1]


@given(hnp.arrays(np.int64, (6, 7), elements=st.sampled_from([0, 1, 2, 5, 2**40])), SEEDS, ALONG)
def test_cells_that_do_not_move_are_found_again_whatever_their_numbers(
    plane: Stack, seed: int, along: Along
) -> None:
    first, *others = link(shuffled(np.stack([plane] * 4), seed), along, 1.0)
    assert same_partition(first, plane)
    np.testing.assert_array_equal(others, [first] * 3)


@given(STACKS, SEEDS, ALONG, st.integers(0, 3))
def test_a_plane_keeps_its_cells_with_a_number_each(stack: Stack, seed: int, along: Along, gap: int) -> None:
    new = link(stack, along, 0.3, gap)
    for before, after in zip(stack, new, strict=True):
        assert same_partition(before, after)
        assert ((before == 0) == (after == 0)).all()
    assert set(np.unique(new[new != 0])) == set(range(1, len(np.unique(new[new != 0])) + 1))
    np.testing.assert_array_equal(new, by_appearance(new))
    again = link(shuffled(stack, seed), along, 0.3, gap)
    np.testing.assert_array_equal(again > 0, new > 0)


@given(STACKS, ALONG)
def test_ids_beyond_a_plane_do_not_change_it(stack: Stack, along: Along) -> None:
    """Streaming: what comes later never changes what was given."""
    np.testing.assert_array_equal(link(stack, along)[:3], link(stack[:3], along))


@given(STACKS, ALONG)
def test_piece_by_piece_is_the_same_as_whole_and_may_be_written_over_what_was_read(
    stack: Stack, along: Along
) -> None:
    expected = link(stack, along)
    for piece in linked(Image(stack, "ZYX" if along == "z" else "TYX"), along):
        stack[piece.index] = piece.cells
    np.testing.assert_array_equal(stack, expected)
    assert piece.after == len(np.unique(expected[expected != 0]))
    assert piece.before == sum(len(np.unique(p[p != 0])) for p in expected)


@given(hnp.arrays(float, (5, 6), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0])))
def test_pairs_are_the_best_that_there_are(weights: Stack) -> None:
    rows, columns = np.nonzero(weights)
    ones, others = one_to_one(rows, columns, weights[rows, columns])
    assert len(set(ones)) == len(ones) == len(set(others)) == len(others)
    best = weights[linear_sum_assignment(weights, maximize=True)].sum()
    assert weights[ones, others].sum() == pytest.approx(best, abs=1e-4)


def test_a_cell_is_found_again_after_a_gap_and_not_after_a_longer_one() -> None:
    there, gone = np.array([[3, 3, 0, 8]]), np.array([[0, 0, 0, 8]])
    assert link(np.stack([there, gone, there]), gap=1)[:, 0, 0].tolist() == [1, 0, 1]
    assert link(np.stack([there, gone, there]), gap=0)[:, 0, 0].tolist() == [1, 0, 3]
    assert link(np.stack([there, gone, gone, there]), gap=1)[:, 0, 0].tolist() == [1, 0, 0, 3]


def test_a_cell_that_is_not_missing_is_not_found_again_where_it_was() -> None:
    """It went to the right; what is now in its old place is another one."""
    planes = np.array([[[1, 1, 1, 1, 0, 0, 0]], [[0, 0, 0, 1, 1, 1, 1]], [[1, 1, 0, 0, 0, 0, 0]]])
    assert link(planes, "t", 0.1, gap=1)[:, 0, 0].tolist() == [1, 0, 2]


def test_along_z_a_cell_may_shrink_and_in_time_it_may_not() -> None:
    planes = np.zeros((2, 10, 10), int)
    planes[0], planes[1, 4:6, 4:6] = 1, 7
    assert link(planes, "z")[1].max() == 1
    assert link(planes, "t")[1].max() == 2


def test_of_two_halves_one_goes_on() -> None:
    planes = np.array([[[4, 4, 4, 4, 4, 4]], [[1, 1, 1, 1, 2, 2]]])
    assert link(planes, "z")[1].tolist() == [[1, 1, 1, 1, 2, 2]]


def test_every_time_point_is_a_stack_of_its_own_along_z() -> None:
    slices = np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]])
    (*_, last) = pieces = list(linked(Image(np.stack([slices, slices]), "TZYX"), "z"))
    assert [p.cells.tolist() for p in pieces[:2]] == [p.cells.tolist() for p in pieces[2:]]
    assert (last.done, last.total, last.before, last.after) == (4, 4, 8, 4)


def test_volumes_are_linked_in_time_as_a_whole() -> None:
    volume = load_sample("nuclei-3d").labels[8:14]
    series = np.stack([volume, shuffled(volume[np.newaxis], 3)[0]])
    first, second = [p.cells for p in linked(Image(series, "TZYX"), "t")]
    assert first.shape == volume.shape
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, renumber(volume))


def test_volumes_whose_cells_start_anew_in_every_slice_are_refused() -> None:
    slices = shuffled(load_sample("nuclei-3d").labels[8:14], 5)
    with pytest.raises(UserError, match="link them along z first"):
        list(linked(Image(np.stack([slices, slices]), "TZYX"), "t"))


@pytest.mark.parametrize(
    ("axes", "shape", "options", "message"),
    [
        ("YX", (4, 4), {"along": "z"}, r"one slice only: there is nothing to link$"),
        ("ZYX", (2, 4, 4), {"along": "t"}, "one time point only: .* link along z, or tell its axes"),
        ("ZYX", (2, 4, 4), {"along": "y"}, "not along 'y'"),
        ("ZYX", (2, 4, 4), {"along": "z", "least_overlap": 0}, "least overlap is 0"),
        ("ZYX", (2, 4, 4), {"along": "z", "least_overlap": 30}, "least overlap is 30"),
        ("ZYX", (2, 4, 4), {"along": "z", "gap": -1}, "the gap is -1"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_read(
    axes: str, shape: tuple[int, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        linked(Image(np.zeros(shape, int), axes), **options)


def test_probabilities_are_no_cells() -> None:
    with pytest.raises(UserError, match="float64 values; cells need integer ids"):
        linked(Image(np.zeros((2, 4, 4)), "ZYX"), "z")


def score(found: Stack, truth: Stack) -> InstanceScore:
    return instance_score(found, np.where(found > 0, truth, 0))


def test_real_nuclei_whose_numbers_are_forgotten_are_put_together_again() -> None:
    truth = load_sample("nuclei-3d").labels.astype(np.int64)
    found = link(shuffled(truth, 0))
    assert same_partition(found, truth)
    assert score(found, truth).ap == 1
    assert score(link(shuffled(truth, 0), "t", 0.25), truth).ap50 < 0.7  # why z has a rule of its own


def test_real_nuclei_of_which_some_are_missed_in_some_slices() -> None:
    truth = load_sample("nuclei-3d").labels.astype(np.int64)
    rng = np.random.default_rng(0)
    cut = np.stack([label(plane, connectivity=1) for plane in truth])
    for plane in cut[1:-1]:
        for i in np.unique(plane[plane != 0]):
            if rng.random() < 0.03 or (plane == i).sum() < 10:
                plane[plane == i] = 0
    bridged, broken = score(link(cut), truth), score(link(cut, gap=0), truth)
    assert bridged.ap > 0.9 > broken.ap + 0.2
    assert bridged.adapted_rand < 0.01


@pytest.mark.parametrize(
    ("folder", "file", "ap50"),
    [
        ("cells3d_nuclei", "labels.ome.tif", 1.0),
        ("ovule_cells3d", "labels.ome.tif", 0.88),
        ("ovule_nuclei3d", "1135-labels.ome.tif", 1.0),
        ("stardist_examples", "mask3d.tif", 0.7),
    ],
)
def test_other_real_stacks(real_data: Any, folder: str, file: str, ap50: float) -> None:
    import tifffile

    truth = tifffile.imread(real_data / folder / file).astype(np.int64)
    assert score(link(shuffled(truth, 0)), truth).ap50 >= ap50
