import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.arrays.agglomeration import has_elf
from napari_unet.arrays.blockwise import Blockwise
from napari_unet.arrays.boxes import boxes_of
from napari_unet.arrays.cells import cells_from_probabilities
from napari_unet.arrays.growing import grow_labels
from napari_unet.arrays.metrics import instance_score
from napari_unet.errors import UserError
from napari_unet.spec import BOUNDARY, CELL, DEFAULT_CLASSES, CellSpec
from synthetic import tissue

TISSUE = (CELL, BOUNDARY)
SHAPES = st.one_of(st.tuples(*[st.integers(1, 24)] * 2), st.tuples(*[st.integers(1, 9)] * 3))
AGGLOMERATIONS = ["watershed", "mutex", "distance", *(["gasp", "multicut"] if has_elf() else [])]


def in_blocks(maps, classes, spec, block, pixel=None, dtype=np.int32):
    shape = maps.shape[1:]
    out, scratch = np.full(shape, 77, dtype), np.full(shape, 77, np.int32)  # old values must not matter
    pixel = pixel or (1.0,) * len(shape)
    maker = Blockwise(lambda box: maps[(slice(None), *box)], shape, classes, spec, pixel, out, scratch, block)
    steps = list(maker.run())
    assert steps == list(range(1, maker.steps + 1))
    assert out.max() == maker.cells
    return out


def smooth_maps(shape, classes, seed, sigma, sharpness):
    rng = np.random.default_rng(seed)
    noise = [ndimage.gaussian_filter(rng.normal(size=shape), sigma) for _ in range(classes)]
    noise = np.array(noise, np.float32) * sharpness
    weights = np.exp(noise - noise.max(axis=0))
    return weights / weights.sum(axis=0)


@settings(deadline=None, max_examples=80)
@given(
    SHAPES,
    st.data(),
    st.sampled_from([TISSUE, DEFAULT_CLASSES]),
    st.sampled_from([0, 1, 3, 8, 20]),
    st.sampled_from([0, 4]),
    st.sampled_from([1.0, 1.4, 2.5]),
    st.integers(0, 1000),
)
def test_connected_parts_are_the_same_in_blocks_of_any_size(shape, data, classes, grow, min_size, tall, seed):
    sigma, sharpness = data.draw(st.sampled_from([(0.4, 4.0), (1.0, 10.0), (2.0, 60.0)]))
    maps = smooth_maps(shape, len(classes), seed, sigma, sharpness)
    block = [data.draw(st.integers(1, n)) for n in shape]
    pixel = (tall, *[1.0] * (len(shape) - 1))
    spec = CellSpec(method="components", grow=grow, min_size=min_size)
    whole = cells_from_probabilities(maps, classes, spec, spacing=pixel)
    np.testing.assert_array_equal(in_blocks(maps, classes, spec, block, pixel), whole)


@settings(deadline=None, max_examples=30)
@given(SHAPES, st.data(), st.sampled_from([TISSUE, DEFAULT_CLASSES]), st.sampled_from(AGGLOMERATIONS))
def test_agglomerated_blocks_give_numbered_pieces(shape, data, classes, method):
    maps = smooth_maps(shape, len(classes), data.draw(st.integers(0, 99)), 1.0, 10.0)
    block = [data.draw(st.integers(1, n)) for n in shape]
    cells = in_blocks(maps, classes, CellSpec(method=method, min_size=3), block)
    sizes = np.bincount(cells.ravel())[1:]
    assert (sizes >= 3).all()
    for value in range(1, len(sizes) + 1):
        assert ndimage.label(cells == value)[1] == 1
    first = [np.flatnonzero(cells.ravel() == v)[0] for v in range(1, len(sizes) + 1)]
    assert first == sorted(first)


@pytest.mark.parametrize("method", AGGLOMERATIONS)
@pytest.mark.parametrize(("shape", "block"), [((150, 160), (50, 64)), ((30, 60, 60), (16, 30, 30))])
def test_agglomeration_in_blocks_deviates_little(method, shape, block):
    _, truth = tissue(shape, cells=30)
    rim = ndimage.morphological_gradient(truth, 3) > 0
    boundary = ndimage.gaussian_filter(rim.astype(np.float32), 0.8)
    maps = np.stack([1 - boundary, boundary])
    spec = CellSpec(method=method)
    whole, parts = cells_from_probabilities(maps, TISSUE, spec), in_blocks(maps, TISSUE, spec, block)
    assert whole.max() > 20
    score = instance_score(parts, whole)
    assert score.voi_split + score.voi_merge < 0.1


def test_what_a_block_cannot_number_is_refused():
    maps = np.zeros((2, 40, 40), np.float32)
    maps[1, ::2] = maps[1, :, ::2] = 1  # 400 cells of one pixel
    with pytest.raises(UserError, match="more than 255 pieces"):
        in_blocks(maps, TISSUE, CellSpec(method="components", min_size=0), (8, 8), dtype=np.uint8)


@given(SHAPES, st.integers(0, 100), st.integers(0, 5))
def test_growth_reaches_no_farther_and_keeps_to_the_mask(shape, seed, reach):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < 0.05, rng.integers(1, 9, shape), 0)
    mask = rng.random(shape) < 0.8
    grown = grow_labels(labels, mask, reach, (1.0,) * len(shape))
    np.testing.assert_array_equal(grown[labels > 0], labels[labels > 0])
    assert not grown[~mask & (labels == 0)].any()
    steps = ndimage.distance_transform_cdt(labels == 0, "taxicab") if labels.any() else np.full(shape, 99)
    assert (steps[(grown > 0)] <= reach).all()
    if mask.all():
        np.testing.assert_array_equal(grown > 0, steps <= reach)


def test_growth_knows_the_voxel_size():
    labels = np.zeros((9, 9), int)
    labels[4, 4] = 5
    grown = grow_labels(labels, np.ones((9, 9), bool), 4, (2.0, 1.0))
    y, x = np.nonzero(grown)
    assert (abs(y - 4).max(), abs(x - 4).max()) == (2, 4)


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_blocks_cover_everything_once(shape, block):
    covered = np.zeros(shape, int)
    for box in boxes_of(shape, block):
        covered[box] += 1
    assert (covered == 1).all()
