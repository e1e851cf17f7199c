import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.arrays import tiles
from napari_unet.arrays.tiles import Fit
from napari_unet.errors import UserError


@given(size=st.integers(1, 3000), tile=st.integers(1, 40), halo=st.integers(0, 12), depth=st.integers(0, 5))
def test_spans_keep_every_pixel_once_and_lie_on_the_grid(size, tile, halo, depth):
    stride = 2**depth
    tile, halo = (2 * halo + tile) * stride, halo * stride
    spans = tiles.cut_axis(size, tile, Fit(stride, halo))
    assert [s.start for s in spans[1:]] == [s.stop for s in spans[:-1]]
    assert (spans[0].start, spans[-1].stop) == (0, size)
    padded = tiles.round_up(size, stride)
    for s in spans:
        assert s.outer_start % stride == 0
        assert s.outer_stop % stride == 0
        assert s.outer_stop - s.outer_start <= max(tile, 0)
        assert s.outer_start <= max(0, s.start - halo)
        assert s.outer_stop >= min(padded, s.stop + halo)
        assert s.outer_length == spans[0].outer_length
    assert all(s.outer_start == max(0, s.start - halo) for s in spans[:-1])


@given(size=st.integers(1, 3000), cells=st.integers(1, 40), depth=st.integers(1, 5), rest=st.integers(0, 31))
def test_tiles_of_valid_networks_lie_on_the_grid(size, cells, depth, rest):
    stride, margin = 2**depth, 4 * 2**depth - 4
    fit = Fit(stride, 96, margin, rest % stride)
    tile = fit.least + (cells - 1) * stride
    spans = tiles.cut_axis(size, tile, fit)
    assert [s.start for s in spans[1:]] == [s.stop for s in spans[:-1]]
    assert (spans[0].start, spans[-1].stop) == (0, size)
    for s in spans:
        length = s.outer_length
        assert length <= tile
        assert (s.outer_start + margin) % stride == 0
        assert s.kept.start == 0 or s is spans[-1]
        assert length == spans[0].outer_length
        assert s.kept.stop <= length - 2 * margin - fit.rest


@given(
    shape=st.lists(st.integers(1, 60), min_size=1, max_size=3),
    tile=st.integers(5, 9),
    halo=st.integers(0, 2),
)
def test_tiles_are_a_partition_in_any_dimension(shape, tile, halo):
    n = len(shape)
    written = np.zeros(shape, int)
    for t in tiles.cut(shape, [4 * tile] * n, [Fit(4, 4 * halo)] * n):
        written[tuple(slice(s.start, s.stop) for s in t)] += 1
    assert (written == 1).all()


def test_a_tile_without_room_is_refused():
    with pytest.raises(
        UserError, match="tile of 96 has no room beside its halo of 48; use a tile of at least 104"
    ):
        tiles.cut_axis(1000, 96, Fit(8, 48))


ranges = st.integers(1, 3000).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n - 1)).flatmap(
        lambda p: st.tuples(st.just(p[0]), st.just(p[1]), st.integers(p[1] + 1, p[0]))
    )
)


@given(part=ranges, room=st.integers(1, 40), halo=st.integers(0, 12), depth=st.integers(0, 5))
def test_a_part_is_kept_once_and_its_tiles_see_as_much_as_those_of_the_whole(part, room, halo, depth):
    size, start, stop = part
    stride = 2**depth
    fit = Fit(stride, halo * stride)
    spans = tiles.cut_axis(size, fit.surplus + room * stride, fit, (start, stop))
    assert [s.start for s in spans[1:]] == [s.stop for s in spans[:-1]]
    assert (spans[0].start, spans[-1].stop) == (start, stop)
    padded = tiles.round_up(size, stride)
    for s in spans:
        assert s.outer_start % stride == s.outer_stop % stride == 0
        assert s.outer_start <= max(0, s.start - fit.halo)
        assert s.outer_stop >= min(padded, s.stop + fit.halo)
        assert s.outer_length <= fit.surplus + room * stride


@settings(deadline=None, max_examples=100)
@given(
    parts=st.lists(ranges, min_size=2, max_size=3),
    budget=st.integers(10**5, 10**7),
    multiples=st.lists(st.sampled_from([1, 5, 64, 100]), min_size=3, max_size=3),
    largest=st.sampled_from([None, 56, 200]),
)
def test_chosen_blocks_fit_the_budget_the_chunks_and_the_users_tile(parts, budget, multiples, largest):
    fits = [Fit(8, 16)] * len(parts)
    shape, within = [p[0] for p in parts], [(p[1], p[2]) for p in parts]
    multiples = multiples[: len(parts)]
    blocks = tiles.choose_blocks(within, shape, fits, budget, largest=largest, multiples=multiples)
    for block, (start, stop), multiple in zip(blocks, within, multiples, strict=True):
        assert block == stop - start or block % multiple == 0
    longest = []
    for block, size, (start, stop), fit in zip(blocks, shape, within, fits, strict=True):
        cuts = [
            tiles.cut_axis(size, largest or 10**9, fit, (at, min(stop, at + block)))
            for at in range(start, stop, block)
        ]
        assert all(len(spans) == 1 for spans in cuts) or block > (largest or 0) - fit.surplus - fit.stride
        longest.append(max(s.outer_length for spans in cuts for s in spans))
    if max(multiples) == 1:
        least = fits[0].least + fits[0].stride  # a region may begin off the grid
        assert np.prod(longest) <= max(budget, least ** len(parts))


def test_what_fits_is_not_cut():
    assert tiles.choose_blocks([(0, 500), (0, 700)], (500, 700), [Fit(8, 48)] * 2, 10**6) == (500, 700)


@settings(deadline=None)
@given(part=ranges, halo=st.integers(0, 6), depth=st.integers(0, 4), valid=st.booleans())
def test_halves_lie_within_the_tile_and_keep_the_same(part, halo, depth, valid):
    size, start, stop = part
    stride = 2**depth
    fit = Fit(stride, halo * stride, 2 * halo + 1, 0) if valid else Fit(stride, halo * stride)
    (tile,) = tiles.cut((size,), (10**6,), [fit], [(start, stop)])
    todo = [tile]
    while todo:
        before = todo.pop()
        halves = tiles.halve(before, (size,), [fit])
        assert not halves or (halves[0][0].start, halves[-1][0].stop) == (before[0].start, before[0].stop)
        assert halves or before[0].outer_length <= fit.least + 2 * stride
        for (half,) in halves:
            assert before[0].outer_start <= half.outer_start < half.outer_stop <= before[0].outer_stop
            assert half.outer_length < before[0].outer_length
        todo += {id(h): h for h in (*halves[:1], *halves[-1:])}.values()


def test_a_last_tile_that_keeps_little_is_made_smaller():
    *_, last = tiles.cut((3974,), (280,), [Fit(8, 48)])
    (smaller,) = tiles.halve(last, (3974,), [Fit(8, 48)])
    assert (last[0].start, last[0].stop) == (smaller[0].start, smaller[0].stop)
    assert smaller[0].outer_length < last[0].outer_length
