"""Blocks: they cover a region once, consist of whole chunks, and any of them can be found by its number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.learn.plan import CHUNK, make_plan
from napari_unet.spec import TilingSpec, UNet3DSpec, UNetSpec

NETS = {2: UNetSpec(depth=2), 3: UNet3DSpec(depth=2)}


class Empty:
    """An image of any size that nobody reads."""

    dtype = np.dtype(np.uint8)

    def __init__(self, shape):
        self.shape = shape

    def __getitem__(self, key):
        raise AssertionError


@st.composite
def parts(draw, largest):
    shape = [draw(st.integers(1, n)) for n in largest]
    starts = [draw(st.integers(0, n - 1)) for n in shape]
    return shape, [(s, draw(st.integers(s + 1, n))) for s, n in zip(starts, shape, strict=True)]


@settings(max_examples=60)
@given(part=parts((3, 9, 300, 300)), ndim=st.sampled_from([2, 3]), batch=st.integers(1, 4), planes=st.booleans())
def test_blocks_and_tiles_keep_every_pixel_of_the_region_once(part, ndim, batch, planes):
    shape, ranges = part
    image = Image(Empty(tuple(shape)), "TZYX")
    region = Region.of(image, ranges)
    plan = make_plan(
        image,
        NETS[ndim],
        TilingSpec(),
        region,
        budget=20_000 if ndim == 2 else 200_000,
        batch=batch,
        planes=planes,
    )
    written, computed = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for number in range(len(plan)):
        block = plan.block_at(number)
        written[block.slices] += 1
        for tile in plan.tiles_of(block):
            computed[(block.t[0], *(slice(s.start, s.stop) for s in tile))] += 1
    wanted = np.zeros(shape, np.uint8)
    wanted[region.slices] = 1
    np.testing.assert_array_equal(written, wanted)
    np.testing.assert_array_equal(computed, wanted)
    assert plan.total == sum(len(plan.tiles_of(plan.block_at(n))) for n in range(len(plan)))
    assert sum(len(b) for n in range(len(plan)) for b in plan.batches_of(plan.block_at(n))) == plan.total


@settings(max_examples=100)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 50_000), st.integers(1, 6000)),
    ndim=st.sampled_from([2, 3]),
    depth=st.integers(1, 3),
    budget=st.sampled_from([None, 10**5, 10**7]),
)
def test_a_chunk_belongs_to_one_block(shape, ndim, depth, budget):
    net = NETS[ndim].model_copy(update={"depth": depth})
    plan = make_plan(Image(Empty(shape), "ZYX"), net, TilingSpec(), budget=budget)
    for block, chunk, size in zip(plan.block, plan.chunks, shape, strict=True):
        assert 1 <= chunk <= CHUNK
        assert block >= size or block % chunk == 0


def test_large_chunks_of_an_output_do_not_make_tiles_that_need_more_memory():
    image = Image(Empty((4, 8192, 8192)), "ZYX")
    plan = make_plan(image, UNetSpec(), TilingSpec(), chunks=(1, 8192, 8192))
    assert np.prod(plan.tile) <= 1024 * 1024
    assert plan.block == (1, 8192, 8192)
    together = make_plan(image, UNetSpec(), TilingSpec(), planes=True, batch=32)
    assert together.batch * np.prod(together.tile) <= 1024 * 1024


@pytest.mark.parametrize("ndim", [2, 3])
def test_blocks_consist_of_the_chunks_of_a_given_output(ndim):
    plan = make_plan(Image(Empty((64, 3000, 2000)), "ZYX"), NETS[ndim], TilingSpec(), chunks=(1, 500, 300))
    assert plan.block[1] % 500 == 0 or plan.block[1] == 3000
    assert plan.block[2] % 300 == 0 or plan.block[2] == 2000


@settings(max_examples=60)
@given(part=parts((1, 3, 2048, 2048)), budget=st.sampled_from([20_000, 300_000]), planes=st.booleans())
def test_a_slice_that_is_one_block_is_computed_from_tiles_of_one_shape(part, budget, planes):
    shape, ranges = part
    image = Image(Empty(tuple(shape)), "TZYX")
    plan = make_plan(image, NETS[2], TilingSpec(), Region.of(image, ranges), budget=budget, planes=planes)
    assert plan.block[1:] == plan.region.shape[2:]
    found = {tuple(s.outer_length for s in tile) for tile in plan.tiles_of(plan.block_at(0))}
    assert found == {plan.tile}
    assert np.prod(plan.tile) <= budget


def test_the_tiles_of_one_slice_are_computed_together():
    image = Image(Empty((5, 600, 600)), "ZYX")
    plan = make_plan(image, NETS[2], TilingSpec(tile=256), budget=512**2, batch=3, planes=True)
    assert plan.block == (1, 600, 600)
    assert [len(b) for b in plan.batches_of(plan.block_at(0))] == [3, 3, 3]


def test_a_slice_that_fits_is_computed_in_one_go_and_a_larger_one_wastes_little():
    small = make_plan(Image(Empty((7, 512, 700)), "ZYX"), UNetSpec(), TilingSpec())
    assert (small.block, small.total) == ((1, 512, 700), 7)
    large = make_plan(Image(Empty((4096, 4096)), "YX"), UNetSpec(), TilingSpec())
    assert 4096**2 / large.computed > 0.8
    on_gpu = make_plan(Image(Empty((4096, 4096)), "YX"), UNetSpec(), TilingSpec(), budget=4096**2)
    assert on_gpu.total == 1


def test_small_slices_are_computed_together():
    plan = make_plan(Image(Empty((100, 256, 256)), "ZYX"), UNetSpec(), TilingSpec(), batch=32)
    assert plan.block == (16, 256, 256)
    assert [len(b) for b in plan.batches_of(plan.block_at(0))] == [16]


@pytest.mark.parametrize(
    ("shape", "tile", "most"), [((199, 206), None, 1), ((1024, 1024), 256, 16), ((14, 64), 64, 1)]
)
def test_without_a_halo_tiles_are_as_large_as_they_may_be(shape, tile, most):
    image = Image(Empty(shape), "YX")
    plan = make_plan(image, NETS[2], TilingSpec(halo=0, tile=tile), Region.of(image))
    assert plan.total <= most


@settings(max_examples=60)
@given(
    part=parts((3, 9, 300, 300)),
    ndim=st.sampled_from([2, 3]),
    view=st.tuples(st.integers(0, 3), st.integers(0, 9)),
)
def test_blocks_from_a_plane_on_are_all_blocks_once_with_that_plane_first(part, ndim, view):
    shape, ranges = part
    image = Image(Empty(tuple(shape)), "TZYX")
    plan = make_plan(image, NETS[ndim], TilingSpec(), Region.of(image, ranges), budget=20_000)
    numbers = plan.numbers_from(view)
    assert sorted(numbers) == list(range(len(plan)))
    (t, z), inside = view, [r[0] <= at < r[1] for at, r in zip(view, ranges, strict=False)]
    blocks = [plan.block_at(n) for n in numbers]
    many = plan.counts[2] * plan.counts[3]
    if inside[0]:
        assert {b.t for b in blocks[:many]} == {(t, t + 1)}
    if inside[1]:
        assert all(b.z[0] <= z < b.z[1] for b in blocks[:many])
    if not any(inside):
        assert numbers == list(range(len(plan)))


def test_a_movie_begins_with_the_plane_in_view_and_goes_on_in_order():
    plan = make_plan(Image(Empty((3, 4, 64, 64)), "TZYX"), NETS[2], TilingSpec(), planes=True)
    order = [(b.t[0], b.z[0]) for b in map(plan.block_at, plan.numbers_from((1, 2)))]
    assert order == [(t, z) for t in (1, 2, 0) for z in (2, 3, 0, 1)]
