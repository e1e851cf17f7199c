import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_unet.arrays.agglomeration import (
    Contacts,
    contacts,
    has_elf,
    join_by_elf,
    join_by_mean,
    join_by_mutex,
    narrowed,
    touching,
)

FRAGMENTS = hnp.arrays(np.int32, st.sampled_from([(5, 6), (3, 4, 4)]), elements=st.integers(0, 6))


def literal_contacts(fragments, boundary):
    """Every pair of face neighbours, one by one."""
    found = {}
    for p in np.ndindex(fragments.shape):
        for axis in range(fragments.ndim):
            q = tuple(c + (i == axis) for i, c in enumerate(p))
            if q[axis] < fragments.shape[axis] and fragments[p] != fragments[q] and fragments[p] and fragments[q]:
                pair = tuple(sorted((int(fragments[p]), int(fragments[q]))))
                found.setdefault(pair, []).append(max(boundary[p], boundary[q]))
    return found


def same_partition(a, b):
    return (a[:, None] == a).tolist() == (b[:, None] == b).tolist()


def literal_join(graph, threshold):
    """Average linkage by looking at all contacts again after each merge."""
    cell = np.arange(graph.nodes)
    while True:
        sums = {}
        for (u, v), height, length in zip(graph.pairs, graph.boundary, graph.length, strict=True):
            pair = tuple(sorted((int(cell[u]), int(cell[v]))))
            if pair[0] != pair[1]:
                total, n = sums.get(pair, (0.0, 0.0))
                sums[pair] = (total + height * length, n + length)
        if not sums:
            return cell
        (u, v), (total, n) = min(sums.items(), key=lambda item: item[1][0] / item[1][1])
        if total / n >= threshold:
            return cell
        cell[cell == v] = u


@given(FRAGMENTS, st.integers(0, 100))
def test_contacts_are_the_pairs_of_neighbours(fragments, seed):
    boundary = np.random.default_rng(seed).random(fragments.shape).astype(np.float32)
    expected = literal_contacts(fragments, boundary)
    graph = contacts(fragments, boundary)
    assert [tuple(p) for p in graph.pairs.tolist()] == sorted(expected)
    for pair, height, length in zip(graph.pairs.tolist(), graph.boundary, graph.length, strict=True):
        assert (height, length) == pytest.approx((np.mean(expected[tuple(pair)]), len(expected[tuple(pair)])))


@settings(deadline=None)
@given(FRAGMENTS, st.integers(0, 100), st.sampled_from([0.3, 0.5, 0.7]))
def test_joining_by_the_mean_is_average_linkage(fragments, seed, threshold):
    boundary = np.random.default_rng(seed).random(fragments.shape).astype(np.float32)
    graph = contacts(fragments, boundary)
    joined = join_by_mean(graph, threshold)
    assert same_partition(joined, literal_join(graph, threshold))
    np.testing.assert_array_equal(joined, joined[joined])


@pytest.mark.skipif(not has_elf(), reason="python-elf is not installed")
@pytest.mark.parametrize("method", ["gasp", "multicut"])
def test_python_elf_agrees_where_the_answer_is_clear(method):
    length = np.array([5.0, 5.0, 5.0])
    graph = Contacts(5, np.array([[1, 2], [2, 3], [3, 4]]), np.array([0.05, 0.95, 0.1]), length, length)
    cells = join_by_elf(graph, method, 0.5)
    assert same_partition(cells[1:], np.array([1, 1, 3, 3]))
    assert len(np.unique(join_by_elf(graph, method, 0.99)[1:])) == 4
    assert len(np.unique(join_by_elf(graph, method, 0.01)[1:])) == 1
    lonely = Contacts(3, np.zeros((0, 2), int), np.zeros(0), np.zeros(0), np.zeros(0))
    assert len(np.unique(join_by_elf(lonely, method, 0.5)[1:])) == 2


@given(FRAGMENTS, st.integers(0, 100))
def test_necks_only_strengthen_boundaries(fragments, seed):
    rng = np.random.default_rng(seed)
    distance = rng.random(fragments.shape) + 0.1
    peaks = ndimage.maximum(distance, fragments, np.arange(fragments.max() + 1))
    graph = contacts(fragments, rng.random(fragments.shape), distance=distance)
    strengthened = narrowed(graph, peaks)
    assert (strengthened.boundary >= graph.boundary - 1e-12).all()
    assert (strengthened.boundary <= 1).all()
    np.testing.assert_allclose(narrowed(graph, np.full(graph.nodes, 0.1)).boundary, graph.boundary)


def literal_mutex(graph, threshold):
    """Clusters and the pairs that may not become one, looked at anew for every contact."""
    cluster, forbidden = {i: {i} for i in range(graph.nodes)}, set()
    for edge in sorted(range(len(graph.pairs)), key=lambda e: -abs(graph.boundary[e] - threshold)):
        u, v = graph.pairs[edge].tolist()
        if graph.boundary[edge] >= threshold:
            if v not in cluster[u]:
                forbidden.add((u, v))
        elif not any(
            (a in cluster[u] and b in cluster[v]) or (b in cluster[u] and a in cluster[v]) for a, b in forbidden
        ):
            joined = cluster[u] | cluster[v]
            cluster.update(dict.fromkeys(joined, joined))
    return np.array([min(cluster[i]) for i in range(graph.nodes)])


@given(FRAGMENTS, st.integers(0, 1000), st.sampled_from([0.3, 0.5, 0.7]))
def test_the_mutex_watershed_obeys_the_clearest_contacts(fragments, seed, threshold):
    graph = contacts(fragments, np.random.default_rng(seed).random(fragments.shape))
    assert same_partition(join_by_mutex(graph, threshold), literal_mutex(graph, threshold))


@given(FRAGMENTS)
def test_touching_pairs_are_those_of_the_contacts(fragments):
    assert touching(fragments).tolist() == contacts(fragments, np.zeros(fragments.shape)).pairs.tolist()
