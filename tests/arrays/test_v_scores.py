"""V_rand and V_info of volumes: against sums over single voxels and scikit-image, and block by block."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import contingency_table, variation_of_information
from skimage.segmentation import expand_labels

from napari_unet.arrays import boxes
from napari_unet.arrays.comparison import compare
from napari_unet.arrays.lines import fill_gaps
from napari_unet.arrays.v_scores import blocks_of, mean_v_scores, v_scores, volume_v_scores
from napari_unet.storage.samples import load_sample
from v_score_tools import v_scores_by_pixel

STACKS = hnp.arrays(np.int32, (3, 4, 5), elements=st.integers(0, 3))


@settings(deadline=None)
@given(STACKS, STACKS)
def test_volumes_score_as_the_formula_says(cells, truth):
    truth[0, 0, 0] = 1
    filled = fill_gaps(cells, truth > 0, lines=False)
    assert volume_v_scores(cells, truth) == pytest.approx(v_scores_by_pixel(filled, truth), abs=1e-9)


def test_without_gaps_it_is_what_scikit_image_counts():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.integers(1, 9, (3, 4, 5)), 4, axis=2)
    cells = np.repeat(rng.integers(1, 7, (3, 4, 5)), 4, axis=2)
    table = contingency_table(truth, cells, normalize=True)
    squares = [float((np.asarray(p) ** 2).sum()) for p in (table.data, table.sum(axis=0), table.sum(axis=1))]
    v_rand, v_info = volume_v_scores(cells, truth)
    assert v_rand == pytest.approx(squares[0] / (squares[1] / 2 + squares[2] / 2))
    entropies = [variation_of_information(x, np.ones_like(x)).sum() for x in (truth, cells)]
    assert v_info == pytest.approx(1 - variation_of_information(truth, cells).sum() / sum(entropies))


def test_ids_that_change_from_slice_to_slice_are_a_mistake_in_3d_only():
    truth = load_sample("nuclei-3d").labels.astype(np.int64)
    anew = np.where(truth > 0, truth + 1000 * np.arange(len(truth))[:, None, None], 0)
    assert mean_v_scores([anew], [truth], 2) == (1, 1)
    v_rand, v_info = mean_v_scores([anew], [truth], 3)
    assert (v_rand, v_info) == pytest.approx(v_scores_by_pixel(anew, truth))
    assert v_rand < 0.3
    assert volume_v_scores(truth, truth * 2**40) == pytest.approx((1, 1))


def test_wide_walls_between_cells_cost_nothing_in_3d():
    truth = np.kron(np.arange(1, 9).reshape(2, 2, 2), np.ones((10, 10, 10), int))
    inside = np.all([np.abs(x % 10 - 4.5) < 3.6 for x in np.indices(truth.shape)], axis=0)
    walls = np.where(inside, truth, 0)  # three or four voxels wide
    np.testing.assert_array_equal(expand_labels(walls, 99), truth)  # every voxel lies nearest to its own cell
    assert volume_v_scores(walls, truth) == pytest.approx((1, 1))


def test_a_missed_cell_that_stands_alone_is_given_to_no_other():
    truth = np.zeros((5, 9, 30), int)
    truth[1:4, 2:7, 2:8], truth[1:4, 2:7, 20:28] = 1, 2
    found = volume_v_scores(np.where(truth == 1, 1, 0), truth)
    assert found == pytest.approx(v_scores_by_pixel(np.where(truth == 1, 1, 0), truth))


def test_volumes_without_a_true_cell_do_not_count():
    truth = np.ones((2, 3, 4, 5), int)
    truth[1] = 0
    assert volume_v_scores(truth, truth, (1,)) is None
    assert mean_v_scores([truth], [truth]) == (1, 1)
    assert np.isnan(mean_v_scores([truth], [truth * 0])).all()


def test_a_slice_is_no_volume():
    truth = load_sample("nuclei-5").labels
    cells = np.where(truth % 3 == 0, 0, truth)
    assert mean_v_scores([cells], [truth]) == v_scores(cells, truth, truth > 0)


def test_large_volumes_are_scored_block_by_block_all_the_same(monkeypatch):
    truth = load_sample("nuclei-3d").labels
    thin = np.where(np.indices(truth.shape).sum(axis=0) % 7 < 3, 0, truth // 2 * 2)
    thin[truth == truth[truth > 0][0]] = 0
    whole = volume_v_scores(thin, truth)
    expected = compare(thin, truth)
    monkeypatch.setattr(boxes, "IN_ONE_PIECE", 2**14)
    monkeypatch.setattr(boxes, "IN_A_BLOCK", 2**13)
    assert len(blocks_of(truth.shape)) > 20
    assert volume_v_scores(thin, truth) == pytest.approx(whole, abs=2e-3)
    begun, told = [], []
    volume_v_scores(thin, truth, begin=lambda: begun.append(1))
    assert len(begun) == len(blocks_of(truth.shape))
    found = compare(thin, truth, tell=told.append)
    assert (found.v_rand, found.v_info) == pytest.approx((expected.v_rand, expected.v_info), abs=2e-3)
    assert told == sorted(told)
    assert told[-1] < 1
