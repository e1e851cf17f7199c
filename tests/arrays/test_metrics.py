from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment
from skimage.measure import label
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_unet.arrays.lines import fill_gaps
from napari_unet.arrays.metrics import instance_score, membrane_score
from napari_unet.errors import UserError
from v_score_tools import v_scores_by_pixel

MASKS = hnp.arrays(bool, (9, 11), elements=st.sampled_from([True, True, False]))
CELLS = hnp.arrays(np.int32, (7, 9), elements=st.integers(0, 4))


def components(mask):
    """4-connected components, found by walking."""
    found, n = np.zeros(mask.shape, int), 0
    for start in zip(*np.nonzero(mask), strict=True):
        if found[start]:
            continue
        n += 1
        found[start], queue = n, deque([start])
        while queue:
            y, x = queue.popleft()
            for p in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= p[0] < mask.shape[0] and 0 <= p[1] < mask.shape[1] and mask[p] and not found[p]:
                    found[p] = n
                    queue.append(p)
    return found


@settings(deadline=None)
@given(MASKS, MASKS)
def test_membrane_score_of_a_mask_is_what_the_formula_says(prediction, truth):
    truth[0, 0] = True
    expected = v_scores_by_pixel(fill_gaps(components(prediction)), components(truth > 0))
    score = membrane_score(prediction, truth.astype(np.uint8) * 255)
    assert (score.v_rand, score.v_info) == pytest.approx(expected, abs=1e-9)
    assert score.threshold is None
    assert 0 <= score.v_rand <= 1 + 1e-9
    assert -1e-9 <= score.v_info <= 1 + 1e-9


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.float32, (2, 7, 8), elements=st.floats(0, 1, width=16)), MASKS)
def test_membrane_score_of_probabilities_is_the_best_mean_over_thresholds(probability, mask):
    truth = np.stack([mask[:7, :8], ~mask[:7, :8]])
    if not truth.any(axis=(1, 2)).all():
        return
    cells = [components(t > 0) for t in truth]
    per_threshold = []
    for i in range(1, 10):
        masks = probability > round(0.1 * i, 1)
        pairs = zip(masks, cells, strict=True)
        scores = [v_scores_by_pixel(fill_gaps(components(m)), t) for m, t in pairs]
        per_threshold.append(np.mean(scores, axis=0))
    score = membrane_score(probability, truth)
    v_rand = [v for v, _ in per_threshold]
    assert score.v_rand == pytest.approx(max(v_rand))
    assert score.v_info == pytest.approx(max(v for _, v in per_threshold))
    assert v_rand[round(score.threshold * 10) - 1] == pytest.approx(max(v_rand))


@settings(deadline=None)
@given(MASKS)
def test_the_truth_itself_is_perfect_in_every_form(truth):
    truth[4, 5] = True
    cells = label(truth, connectivity=1)
    for same in (truth, truth * np.uint8(255), truth.astype(np.float32), cells, cells * 1000):
        score = membrane_score(same, truth)
        assert (score.v_rand, score.v_info) == pytest.approx((1, 1))


def test_membrane_score_by_hand():
    truth = np.zeros((1, 9), np.uint8)
    truth[0, :4] = truth[0, 5:] = 255
    # Everything joined: 8 pixels in 2 cells of 4. Pairs: (1/2)^2 twice; predicted: 1; true: 1/2.
    joined = membrane_score(np.ones((1, 9), bool), truth)
    assert (joined.v_rand, joined.v_info) == pytest.approx((0.5 / 0.75, 0))
    # A line through the first cell's second pixel: segments of 1, 1 (line), 2 and 4 pixels.
    split = membrane_score(np.array([[1, 0, 2, 2, 0, 3, 3, 3, 3]]), truth)
    pairs = (1 + 1 + 4 + 16) / 64
    assert split.v_rand == pytest.approx(pairs / (pairs / 2 + 0.25))


def test_cells_that_touch_are_a_partition_already():
    truth = np.full((6, 6), 255)
    truth[:, 3] = 0
    touching = np.repeat([[5, 5, 5, 9, 9, 9]], 6, axis=0)
    assert membrane_score(touching, truth).v_rand == pytest.approx(1)


@settings(deadline=None)
@given(CELLS, MASKS)
def test_renumbered_cells_score_the_same(cells, mask):
    truth = mask[:7, :9].copy()
    truth[0, 0] = True
    cells[0, :4] = [1, 2, 3, 4]  # never taken for a mask
    renumbered = np.array([0, 70_001, 3, 40, 7])[cells]
    a, b = membrane_score(cells, truth), membrane_score(renumbered, truth)
    assert (a.v_rand, a.v_info) == pytest.approx((b.v_rand, b.v_info))


def test_slices_are_averaged_and_leading_axes_do_not_matter():
    rng = np.random.default_rng(0)
    prediction, truth = rng.random((2, 3, 12, 12)), rng.random((2, 3, 12, 12)) > 0.3
    score = membrane_score(prediction, truth)
    assert membrane_score(prediction.reshape(6, 12, 12), truth.reshape(6, 12, 12)) == score
    assert membrane_score(list(prediction), list(truth)) == score
    single = [membrane_score(p > 0.5, t).v_rand for p, t in zip(prediction[0], truth[0], strict=True)]
    assert membrane_score(prediction[0] > 0.5, truth[0]).v_rand == pytest.approx(np.mean(single))


def test_pictures_of_different_sizes_are_scored_together():
    a, b = np.full((5, 5), 255), np.full((4, 7), 255)
    assert membrane_score([a, b], (a, b)).v_rand == 1
    assert instance_score([a, b], (a, b)).cells == 2


def test_empty_slices_of_the_truth_do_not_count():
    truth = np.zeros((2, 5, 5), np.uint8)
    truth[1] = 255
    assert membrane_score(truth, truth).v_rand == 1


def test_mistakes_are_named():
    a = np.ones((4, 5), np.uint8)
    for score in (membrane_score, instance_score):
        with pytest.raises(UserError, match=r"\(4, 5\).*\(5, 4\)"):
            score(a, a.T)
        with pytest.raises(UserError, match="1 predictions but 2 truths"):
            score([a], [a, a])
        with pytest.raises(UserError, match="empty"):
            score([], [])
        with pytest.raises(UserError, match="Y, X"):
            score(np.ones(3, int), np.ones(3, int))
    with pytest.raises(UserError, match="no pixel inside"):
        membrane_score(a, a * 0)
    for wrong in (a * 1.5, a * np.nan):
        with pytest.raises(UserError, match="between 0 and 1"):
            membrane_score(wrong, a)
    with pytest.raises(UserError, match="complex"):
        membrane_score(a * 1j, a)
    with pytest.raises(UserError, match="truth has float"):
        instance_score(a, a * 1.0)


def matches(prediction, truth, overlap):
    """TP, FP, FN by best assignment, as StarDist counts them."""
    p_ids, t_ids = (np.unique(x[x > 0]) for x in (prediction, truth))
    if len(p_ids) == 0 or len(t_ids) == 0:
        return 0, len(p_ids), len(t_ids)
    a, b = prediction[..., None] == p_ids, truth[..., None] == t_ids
    iou = np.array([[(x & y).sum() / (x | y).sum() for y in np.moveaxis(b, -1, 0)] for x in np.moveaxis(a, -1, 0)])
    rows, cols = linear_sum_assignment(-(iou >= overlap).astype(float))
    tp = int((iou[rows, cols] >= overlap).sum())
    return tp, len(p_ids) - tp, len(t_ids) - tp


@settings(deadline=None)
@given(CELLS, CELLS)
def test_instance_score_is_what_an_assignment_and_scikit_image_say(prediction, truth):
    score = instance_score(prediction, truth)
    for overlap, ap in zip(np.arange(0.5, 1, 0.05).round(2), score.ap_per_iou, strict=True):
        counts = matches(prediction, truth, overlap)
        assert ap == pytest.approx(counts[0] / sum(counts) if sum(counts) else 1)
    assert score.ap50 == score.ap_per_iou[0]
    assert score.ap == pytest.approx(np.mean(score.ap_per_iou))
    if truth.any():
        inside = truth > 0
        with np.errstate(invalid="ignore"):
            error = adapted_rand_error(truth, prediction)[0]
        if np.isfinite(error):
            assert score.adapted_rand == pytest.approx(error, abs=1e-9)
        voi = variation_of_information(truth[inside], prediction[inside])
        assert (score.voi_split, score.voi_merge) == pytest.approx(tuple(voi), abs=1e-9)


@given(CELLS)
def test_equal_cells_are_perfect_whatever_their_ids(cells):
    score = instance_score(np.array([0, 900, 1, 70_000, 2])[cells], cells)
    assert (score.ap, score.cells) == (1, score.true_cells)
    assert (score.adapted_rand, score.voi_split, score.voi_merge) == pytest.approx((0, 0, 0), abs=1e-9)


def test_split_and_merge_are_told_apart():
    one, two = np.ones((2, 4), int), np.repeat([[1, 1, 2, 2]], 2, axis=0)
    split, merged = instance_score(two, one), instance_score(one, two)
    assert (split.voi_split, split.voi_merge) == (1, 0)
    assert (merged.voi_split, merged.voi_merge) == (0, 1)
    # Two halves at an overlap of exactly 0.5: one match, one false positive.
    assert split.ap50 == merged.ap50 == 0.5


def test_nothing_found_and_nothing_there():
    cells, none = np.ones((3, 3), int), np.zeros((3, 3), int)
    assert instance_score(none, none).ap == 1
    assert instance_score(none, none).adapted_rand == 0
    assert instance_score(none, cells).ap == instance_score(cells, none).ap == 0
    assert instance_score(cells, none).adapted_rand == 1


def test_the_same_id_in_another_slice_is_another_cell_only_with_two_axes():
    stack = np.ones((3, 4, 4), int)
    assert instance_score(stack, stack).true_cells == 1
    assert instance_score(stack, stack, ndim=2).true_cells == 3
    assert instance_score(stack[:, None], stack[:, None]).true_cells == 3
