import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.arrays import regions
from napari_unet.arrays.targets import IGNORE


def painted(seed, planes=3, size=200):
    """Random strokes of two classes."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(planes):
        target = np.full((size, size), IGNORE, np.int8)
        for _ in range(25):
            y, x = rng.integers(0, size - 20, 2)
            target[y : y + 4, x : x + 20] = rng.integers(2)
        result.append(target)
    return result


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), fraction=st.sampled_from([0.1, 0.2, 0.3]))
def test_held_out_blocks_never_touch_the_rest(seed, fraction):
    targets = painted(seed)
    blocks = regions.hold_out(targets, fraction, 2, block=(48, 48), seed=seed)
    assert blocks
    for n, target in enumerate(targets):
        boxes = [b.box for b in blocks if b.unit == n]
        train = regions.without(target, boxes) != IGNORE
        held = np.zeros_like(train)
        for box in boxes:
            held[box] = target[box] != IGNORE
        if held.any() and train.any():
            gap = ndimage.distance_transform_cdt(~held, metric="chessboard")[train].min()
            assert gap > regions.GUARD
    held_pixels = sum(int((targets[b.unit][b.box] != IGNORE).sum()) for b in blocks)
    assert 0 < held_pixels <= 3.5 * fraction * sum(int((t != IGNORE).sum()) for t in targets)


@pytest.mark.parametrize("seed", range(5))
def test_every_class_is_in_both_parts(seed):
    targets = painted(seed)
    blocks = regions.hold_out(targets, 0.15, 2, block=(48, 48), seed=seed)
    held = np.concatenate([targets[b.unit][b.box].ravel() for b in blocks])
    assert set(held) - {IGNORE} == {0, 1}
    kept = np.concatenate(
        [regions.without(t, [b.box for b in blocks if b.unit == n]).ravel() for n, t in enumerate(targets)]
    )
    assert set(kept) - {IGNORE} == {0, 1}


def test_a_single_stroke_is_not_held_out():
    target = np.full((64, 64), IGNORE, np.int8)
    target[10, 10:20] = 0
    target[12, 10:20] = 1
    assert regions.hold_out([target], 0.2, 2, block=(32, 32)) == []


def test_nothing_is_held_out_on_request():
    assert regions.hold_out(painted(0), 0.0, 2, block=(48, 48)) == []


@given(st.lists(st.integers(1, 500), min_size=1, max_size=3))
def test_blocks_cover_everything_once(shape):
    counted = np.zeros(shape, int) if np.prod(shape) < 10**6 else None
    if counted is None:
        return
    for box in regions.blocks_of(shape, [48] * len(shape)):
        counted[box] += 1
    assert (counted == 1).all()


def test_a_rare_class_is_held_out_although_enough_of_the_others_is():
    """The whole slice is painted as one class; the other lies in one corner, where few draws come first."""
    target = np.zeros((200, 200), np.int8)
    target[160:, 160:] = 1
    for seed in range(10):
        blocks = regions.hold_out([target], 0.02, 2, block=(20, 20), seed=seed)
        assert sum(int((target[b.box] == 1).sum()) for b in blocks) > 0


def test_what_is_held_out_elsewhere_counts():
    targets = painted(1)
    both = regions.hold_out(targets, 0.2, 2, block=(48, 48))
    assert not regions.hold_out(targets, 0.2, 2, block=(48, 48), known=[50, 50], enough=True)
    (more,) = regions.hold_out(targets, 0.2, 2, block=(48, 48), known=[50, 0], enough=True)
    assert (targets[more.unit][more.box] == 1).any()
    assert len(both) > 1
