import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_unet.arrays.contingency import contingency, entropy, renumber, sums, unique

IDS = hnp.arrays(np.int64, (5, 7), elements=st.sampled_from([0, 1, 2, 5, 70_000, 2**40]))


@given(IDS)
def test_renumbering_keeps_the_partition_and_zero(ids):
    new = renumber(ids)
    assert set(np.unique(new[ids != 0])) == set(range(1, len(np.unique(ids[ids != 0])) + 1))
    assert ((new == 0) == (ids == 0)).all()
    assert ((new[:, :, None, None] == new) == (ids[:, :, None, None] == ids)).all()


@given(IDS, IDS)
def test_a_table_counts_every_pair(a, b):
    a, b = renumber(a), renumber(b)
    table = contingency(a, b).toarray()
    for i, row in enumerate(table):
        for j, n in enumerate(row):
            assert n == np.sum((a == i) & (b == j))
    np.testing.assert_array_equal(sums(contingency(a, b), 0), table.sum(0))
    np.testing.assert_array_equal(sums(contingency(a, b), 1), table.sum(1))


@pytest.mark.parametrize("n", [1, 2, 8])
def test_entropy_of_equal_shares(n):
    assert entropy(np.full(n, 1 / n)) == pytest.approx(np.log2(n))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64, np.int64])
@pytest.mark.parametrize("offset", [0, 200, 2**23, -5])
def test_counting_finds_what_sorting_finds(dtype, offset):
    if not np.iinfo(dtype).min <= offset <= np.iinfo(dtype).max - 8:
        return
    labels = np.random.default_rng(0).integers(0, 7, (13, 11)).astype(dtype) + dtype(offset)
    ids, places = unique(labels)
    np.testing.assert_array_equal(ids, np.unique(labels))
    np.testing.assert_array_equal(ids[places], labels)
