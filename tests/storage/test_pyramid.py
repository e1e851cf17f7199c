"""Pyramids: every level is what its metadata say, made in little memory, each chunk once."""

import itertools
import tracemalloc
from collections import Counter

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from napari_unet.arrays.where import Where
from napari_unet.storage.ome_zarr import metadata
from napari_unet.storage.pyramid import add_levels, adding_levels, factors, mean, nearest

SIZES = {"T": 1.0, "C": 1.0, "Z": 0.5, "Y": 0.25, "X": 0.25}
LENGTH = {"T": 2, "C": 2, "Z": 9, "Y": 40, "X": 40}


class CountingStore(MemoryStore):
    """Counts how often each chunk is written."""

    def __init__(self):
        super().__init__()
        self.written = Counter()

    async def set(self, key, value, byte_range=None):
        if "/c/" in key:
            self.written[key] += 1
        await super().set(key, value, byte_range)


def image(values, axes, spacing, *, cells=False, chunks=None, store=None, origin=(0, 0, 0)):
    known = metadata(axes, spacing, "micrometer", "a", cells=cells, where=Where(origin), creator={"job": 1})
    group = zarr.create_group({} if store is None else store, attributes=known)
    group.create_array("0", data=values, chunks=chunks or values.shape, dimension_names=list(axes.lower()))
    return group


def levels(group):
    """Arrays, scales and translations of all levels, in order."""
    for entry in group.attrs["ome"]["multiscales"][0]["datasets"]:
        known = {t["type"]: np.array(t[t["type"]]) for t in entry["coordinateTransformations"]}
        assert list(known) in (["scale"], ["scale", "translation"])  # the order is the specification's
        yield group[entry["path"]], known["scale"], known.get("translation", np.zeros(len(known["scale"])))


def averaged(values, steps):
    """Mean of boxes in float64, written as plainly as can be: a box that is cut averages what it holds."""
    shape = [-(-n // s) for n, s in zip(values.shape, steps, strict=True)]
    found = np.empty(shape)
    for index in np.ndindex(*shape):
        box = tuple(slice(i * s, (i + 1) * s) for i, s in zip(index, steps, strict=True))
        found[index] = values[box].mean(dtype=np.float64)
    return found


@st.composite
def images(draw):
    axes = draw(st.sampled_from(["YX", "ZYX", "TYX", "CYX", "TZYX", "CZYX"]))
    shape = tuple(draw(st.integers(1, LENGTH[a])) for a in axes)
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    if np.prod([-(-n // c) for n, c in zip(shape, chunks, strict=True)]) > 60:
        chunks = shape
    spacing = (draw(st.sampled_from([0.25, 0.3, 0.5, 2.0])), 0.25, draw(st.sampled_from([0.25, 0.5])))
    return axes, shape, chunks, spacing, draw(st.integers(3, 20)), draw(st.integers(0, 9))


@given(images())
def test_labels_are_picked_and_stay_where_they_are(drawn):
    axes, shape, chunks, spacing, largest, seed = drawn
    values = np.random.default_rng(seed).integers(0, 2**31, shape, np.int32)
    group = image(values, axes, spacing, cells=True, chunks=chunks, origin=(7.0, 3.0, -2.0))
    assert add_levels(group, largest) == len(list(levels(group)))
    _, scale, origin = next(levels(group))
    for array, size, place in levels(group):
        assert array.dtype == np.int32
        # the voxel of level 0 whose centre is the centre of each voxel of this level
        centres = [
            (np.arange(n) * s + p - o) / b
            for n, s, p, o, b in zip(array.shape, size, place, origin, scale, strict=True)
        ]
        where = [np.rint(c).astype(int) for c in centres]
        for c, w in zip(centres, where, strict=True):
            np.testing.assert_allclose(c, w, atol=1e-9)
        np.testing.assert_array_equal(array[:], values[np.ix_(*where)])
    lengths = dict(zip(axes, array.shape, strict=True))
    assert max(lengths["Y"], lengths["X"]) <= largest


@given(images(), st.sampled_from(["u1", "f4", "u2", "i4"]))
def test_probabilities_are_averaged(drawn, dtype):
    axes, shape, chunks, spacing, largest, seed = drawn
    drawn_values = np.random.default_rng(seed).random(shape)
    values = (drawn_values if dtype == "f4" else drawn_values * 250).astype(dtype)
    group = image(values, axes, spacing, chunks=chunks)
    add_levels(group, largest)
    for (before, size, _), (after, coarser, _) in itertools.pairwise(levels(group)):
        steps = np.rint(coarser / size).astype(int)
        expected = averaged(before[:], steps)
        assert after.dtype == np.dtype(dtype)
        if dtype == "f4":
            np.testing.assert_allclose(after[:], expected, rtol=1e-6)
        else:
            np.testing.assert_array_equal(after[:], np.rint(expected))


@given(images())
def test_averages_lie_where_the_metadata_say(drawn):
    """A ramp tells its own coordinates: its average is its value in the middle."""
    axes, shape, chunks, spacing, largest, _ = drawn
    origin = (10.0, -4.0, 0.5)
    sizes, starts = dict(zip("ZYX", spacing, strict=True)), dict(zip("ZYX", origin, strict=True))
    ramps = [np.arange(n) * sizes.get(a, 1.0) + starts.get(a, 0.0) for a, n in zip(axes, shape, strict=True)]
    group = image(sum(np.ix_(*ramps)), axes, spacing, chunks=chunks, origin=origin)
    add_levels(group, largest)
    for array, size, place in levels(group):
        step = np.rint(size / [sizes.get(a, 1.0) for a in axes]).astype(int)
        whole = [n // s for n, s in zip(shape, step, strict=True)]  # without those that the end cuts
        expected = sum(np.ix_(*[p + s * np.arange(n) for n, s, p in zip(whole, size, place, strict=True)]))
        np.testing.assert_allclose(array[tuple(slice(n) for n in whole)], expected, rtol=1e-9, atol=1e-9)


def test_metadata_of_a_small_pyramid_by_hand():
    group = image(np.zeros((4, 10, 7), np.uint8), "ZYX", (1.0, 0.5, 0.5), origin=(0, 0, 3.0))
    add_levels(group, 3)
    shown = group.attrs["ome"]["multiscales"][0]
    assert [(d["path"], *(t[t["type"]] for t in d["coordinateTransformations"])) for d in shown["datasets"]] == [
        ("0", [1.0, 0.5, 0.5], [0.0, 0.0, 3.0]),
        ("1", [1.0, 1.0, 1.0], [0.0, 0.25, 3.25]),
        ("2", [2.0, 2.0, 2.0], [0.5, 0.75, 3.75]),
    ]
    assert [group[d["path"]].shape for d in shown["datasets"]] == [(4, 10, 7), (4, 5, 4), (2, 3, 2)]
    assert (shown["type"], shown["axes"][0]["unit"], group.attrs["napari_unet"]) == (
        "mean",
        "micrometer",
        {"job": 1},
    )
    assert group["2"].metadata.dimension_names == ("z", "y", "x")


def test_metadata_for_known_levels_are_those_that_are_added():
    shape, spacing = (2, 9, 70, 41), (0.5, 0.5, 0.5)
    for cells in (False, True):
        group = image(np.zeros(shape, np.uint8), "TZYX", spacing, cells=cells)
        add_levels(group, 16)
        plan = factors(shape, "TZYX", (1.0, *spacing), 16)
        assert len(plan) == 4
        known = metadata("TZYX", spacing, "micrometer", "a", cells=cells, levels=plan, creator={"job": 1})
        assert known == group.attrs.asdict()


def test_no_id_is_invented_and_booleans_are_picked():
    assert set(np.unique(nearest(np.array([[0, 9], [9, 0]]), (2, 2)))) <= {0, 9}
    group = image(np.eye(9, dtype=bool), "YX", (1, 1, 1))
    add_levels(group, 5)
    np.testing.assert_array_equal(group["1"][:], np.eye(5, dtype=bool))
    assert len(group.attrs["ome"]["multiscales"][0]["datasets"][1]["coordinateTransformations"]) == 1


def test_means_keep_constants_and_the_largest_values():
    for dtype in ("u1", "u2", "u4", "i4", "f4"):
        top = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 0.1
        block = np.full((5, 7), top, dtype)
        np.testing.assert_array_equal(mean(block, (2, 2)), np.full((3, 4), top, dtype))


def test_every_chunk_is_written_once():
    values = np.random.default_rng(0).integers(1, 99, (5, 70, 90), np.uint8)
    store = CountingStore()
    group = image(values, "ZYX", (1, 1, 1), chunks=(2, 16, 16), store=store)
    store.written.clear()
    count = list(adding_levels(group, 20))
    assert count == [(n + 1, len(count)) for n in range(len(count))]
    assert sorted(store.written.values()) == [1] * len(count)
    for name in ("1", "2", "3"):
        cut = [-(-n // c) for n, c in zip(group[name].shape, group[name].chunks, strict=True)]
        assert sum(key.startswith(f"{name}/") for key in store.written) == np.prod(cut)


def test_an_interrupted_pyramid_is_not_named_and_made_again():
    values = np.random.default_rng(0).integers(1, 99, (70, 90), np.uint8)
    group = image(values, "YX", (1, 1, 1), chunks=(16, 16))
    work = adding_levels(group, 20)
    next(work)
    work.close()
    assert len(list(levels(group))) == 1
    assert add_levels(group, 20) == add_levels(group, 20) == 4
    np.testing.assert_array_equal(group["1"][:], np.rint(averaged(values, (2, 2))))


@pytest.mark.parametrize("cells", [False, True])
def test_memory_is_bounded(tmp_path, cells):
    known = metadata("ZYX", (4, 1, 1), "pixel", "a", cells=cells)
    group = zarr.create_group(tmp_path / "a.zarr", attributes=known)
    plane = np.random.default_rng(0).integers(0, 255, (3001, 3003), np.uint8)
    base = group.create_array("0", shape=(16, *plane.shape), dtype="u1", chunks=(1, 512, 512), compressors=None)
    for z in range(16):
        base[z] = plane
    tracemalloc.start()
    assert add_levels(group) == 4
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert base.nbytes > 140e6
    assert peak < 25e6  # a plane has 9 MB, level 1 has 36 MB


def test_large_chunks_are_cut(tmp_path):
    group = image(np.ones((2, 4100, 4100), np.uint8), "ZYX", (1, 1, 1))
    tracemalloc.start()
    add_levels(group, 2100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert group["1"].chunks == (1, 1025, 1025)  # 8 voxels each
    assert peak < 4 * 2**24 * 3  # float32, and the source's only chunk
    assert (group["1"][:] == 1).all()
