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
        assert s.outer_start == max(0, s.start - halo) or len(spans) == 1
        assert s.outer_stop >= min(padded, s.stop + halo)


@given(size=st.integers(1, 3000), cells=st.integers(1, 40), depth=st.integers(1, 5), rest=st.integers(0, 31))
def test_tiles_of_valid_networks_lie_on_the_grid_and_have_one_size(size, cells, depth, rest):
    stride, margin = 2**depth, 4 * 2**depth - 4
    fit = Fit(stride, 96, margin, rest % stride)
    tile = fit.least + (cells - 1) * stride
    spans = tiles.cut_axis(size, tile, fit)
    assert [s.start for s in spans[1:]] == [s.stop for s in spans[:-1]]
    assert (spans[0].start, spans[-1].stop) == (0, size)
    (length,) = {s.outer_stop - s.outer_start for s in spans}
    assert length <= tile
    for s in spans:
        assert (s.outer_start + margin) % stride == 0
        assert s.kept.start == 0
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


@settings(deadline=None, max_examples=50)
@given(shape=st.lists(st.integers(1, 5000), min_size=2, max_size=3), budget=st.integers(10**5, 10**7))
def test_chosen_tiles_fit_the_budget_and_can_be_cut(shape, budget):
    n = len(shape)
    tile = tiles.choose_tile(shape, [Fit(8, 16)] * n, budget)
    assert np.prod(tile) <= max(budget, 40**n)
    tiles.cut(shape, tile, [Fit(8, 16)] * n)


def test_what_fits_is_not_cut():
    assert tiles.choose_tile((500, 700), [Fit(8, 48)] * 2, 10**6) == (504, 704)
