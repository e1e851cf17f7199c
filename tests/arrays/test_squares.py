import numpy as np
import pytest

from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import ENOUGH, Square, cut, describe, judge, likeness, look_at, spread, weigh

AREA = 64 * 64


def square(features, *, unsure=0.5, painted=0.0, z=0, sampled=True):
    region = Region((0, 1), (z, z + 1), (0, 64), (0, 64))
    return Square(region, unsure, painted, np.float32(features), sampled)


def test_squares_fill_a_piece_without_overlap():
    for shape, side in (((100, 130), 64), ((20, 500), 64), ((64, 64), 64)):
        covered = np.zeros(shape, int)
        for y, x in cut(shape, side):
            covered[slice(*y), slice(*x)] += 1
        assert (covered == 1).all()


def test_what_is_looked_at_is_where_it_was_told():
    rng = np.random.default_rng(0)
    chances = rng.dirichlet([1, 1], (64, 128)).transpose(2, 0, 1).astype(np.float32)
    chances[:, :, 64:] = np.float32([1, 0])[:, None, None]
    painted = np.zeros((64, 128), bool)
    painted[:32, :64] = True
    piece = Region((1, 2), (3, 4), (10, 74), (20, 148))
    left, right = look_at(piece, rng.random((1, 64, 128), np.float32), chances, painted, 64)
    assert left.region == Region((1, 2), (3, 4), (10, 74), (20, 84))
    assert right.region == Region((1, 2), (3, 4), (10, 74), (84, 148))
    assert (left.painted, right.painted) == (0.5, 0)
    assert left.unsure > 0.5
    assert right.unsure == 0


def test_an_annotated_square_is_worth_less_than_the_same_one_without():
    looks = [[0, 0], [1, 0], [5, 5]]
    before = judge([square(f) for f in looks]).total
    after = judge([square(f, painted=ENOUGH if n == 1 else 0) for n, f in enumerate(looks)]).total
    assert after[1] == 0
    assert after[0] < 0.5 * before[0]  # it looks much the same
    assert after[2] > 3 * after[0]
    few = judge([square(f, painted=ENOUGH / 4 if n == 1 else 0) for n, f in enumerate(looks)]).total
    assert before[1] > few[1] > after[1]


def test_what_is_like_a_square_that_was_passed_over_is_worth_less():
    squares = [square(f) for f in ([0, 0], [0.1, 0], [5, 5], [5.1, 5])]
    before, after = judge(squares).total, judge(squares, [True, False, False, False]).total
    assert 0 < after[1] < 0.6 * before[1]
    assert after[2] > 1.1 * after[1]  # before, they were worth the same


def test_what_stands_for_much_is_worth_more_than_what_is_odd():
    squares = [square([0, 0], painted=0.1), *(square([5 + 0.1 * n, 5]) for n in range(6)), square([-20, 0])]
    total = judge(squares).total
    assert 1 <= total.argmax() <= 6
    assert total[7] > 0
    covered = judge([*squares, square([5.2, 5], painted=0.1)]).total
    assert covered.argmax() == 7  # once these are known, the odd one is left


def test_the_one_unlike_the_rest_is_worth_most_when_all_are_as_unsure():
    squares = [square([n % 2, 0], painted=0.1 * (n < 2)) for n in range(8)]
    worth = judge([*squares, square([9, 0])])
    assert worth.total.argmax() == 8
    assert worth.unlike[8] > 0.9
    assert worth.unlike[:8].max() < 0.1


def test_of_squares_that_look_alike_the_most_unsure_is_worth_most():
    worth = judge([square([0], unsure=u) for u in (0.1, 0.7, 0.4)])
    assert worth.total.argmax() == 1
    np.testing.assert_array_equal(worth.unlike, 1)


def test_worth_is_how_unsure_a_square_is_times_what_it_stands_for():
    same = [square([0], unsure=u) for u in (0.2, 0.6)]
    worth = judge([*same, square([9], painted=ENOUGH)])
    np.testing.assert_allclose(worth.total, [0.2, 0.6, 0.5] * worth.stands_for)
    known = np.exp(-1)  # of the two alike, and nothing new in the third
    np.testing.assert_allclose(worth.stands_for, [2 / 3 * (1 - known), 2 / 3 * (1 - known), 0], rtol=1e-5)
    whole = judge([square([3])] * 5).stands_for
    np.testing.assert_array_equal(whole, 1)


def test_squares_stand_for_much_of_the_image_and_not_of_what_is_in_view():
    in_view = [square([0, 0.1 * n], sampled=False) for n in range(6)]
    others = [square([9, 0.1 * n], z=20 + n) for n in range(3)]
    squares = [*in_view, *others]
    assert judge(squares).total.argmax() < 6
    much = judge(squares, pixels=600 * AREA)
    assert much.total.argmax() >= 6
    assert much.stands_for[:6].max() < 0.5 < 0.8 < much.stands_for[6:].min()


def test_where_all_was_seen_every_square_counts_the_same():
    rng = np.random.default_rng(0)
    squares = [square(f, painted=0.01 * (n == 3), sampled=n > 4) for n, f in enumerate(rng.random((30, 5)))]
    np.testing.assert_array_equal(weigh(squares, 30 * AREA), np.ones(30, np.float32))
    one, other = judge(squares), judge(squares, pixels=30 * AREA)
    np.testing.assert_array_equal(one.total, other.total)
    part = weigh(squares, 3000 * AREA)
    assert part.sum() == pytest.approx(3000)
    assert (part[:5] == 1).all()
    in_view = [square([0], sampled=False)] * 2
    np.testing.assert_array_equal(weigh(in_view, 3000 * AREA), 1)  # stopped before anything else was seen


def test_likeness_does_not_depend_on_units_and_order():
    features = np.random.default_rng(0).random((6, 4), np.float32)
    alike = likeness(features)
    np.testing.assert_allclose(alike, likeness(features * np.float32([1, 10, 0.1, 5]) + 3), atol=1e-4)
    np.testing.assert_allclose(alike, alike.T)
    order = [3, 1, 0, 2, 5, 4]
    np.testing.assert_allclose(alike[np.ix_(order, order)], likeness(features[order]), atol=1e-6)
    np.testing.assert_array_equal(likeness(np.zeros((3, 2), np.float32)), 1)


def test_texture_and_grey_values_are_told_apart():
    rng = np.random.default_rng(0)
    chances = np.full((2, 64, 64), 0.5, np.float32)
    smooth, bright = np.zeros((1, 64, 64), np.float32), np.full((1, 64, 64), 2, np.float32)
    noisy = rng.normal(0, 1, (1, 64, 64)).astype(np.float32)
    features = [describe(p, chances) for p in (smooth, smooth + 0.01, bright, noisy, noisy[..., ::-1])]
    alike = likeness(np.stack(features))
    assert alike[0, 1] > 0.9 > 0.5 > alike[0, 2]
    assert alike[3, 4] > 0.9 > 0.5 > alike[0, 3]
    assert len(describe(np.zeros((3, 1, 1), np.float32), chances[:, :1, :1])) == 7 * 3 + 2


@pytest.mark.parametrize(("count", "start"), [(1, 0), (7, 0), (64, 5), (100, 99)])
def test_all_numbers_come_once_and_the_first_ones_are_spread(count, start):
    order = list(spread(count, start))
    assert sorted(order) == list(range(count))
    assert order[0] == start
    few = np.sort(order[: max(1, count // 8)])
    gaps = np.diff([*few, few[0] + count])
    assert gaps.max() <= 2 * count / len(few) + 1
