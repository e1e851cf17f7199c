import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label

from napari_unet.arrays import agglomeration
from napari_unet.arrays.cells import boundary_mask, boundary_probability, cells_from_probabilities
from napari_unet.arrays.evidence import is_tissue
from napari_unet.arrays.metrics import instance_score, membrane_score
from napari_unet.errors import UserError
from napari_unet.spec import BACKGROUND, BOUNDARY, CELL, DEFAULT_CLASSES, CellSpec, ClassSpec
from synthetic import tissue

TISSUE = (CELL, BOUNDARY)
METHODS = ["auto", "watershed", "mutex", "distance", "components"]
ELF_METHODS = [*METHODS, "gasp", "multicut"] if agglomeration.has_elf() else METHODS
SHAPES = st.one_of(st.tuples(*[st.integers(1, 14)] * 2), st.tuples(*[st.integers(1, 7)] * 3))


def rims(labels):
    """Pixels with a face neighbour of another value."""
    different = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        step = np.diff(labels, axis=axis) != 0
        before, after = [(0, 0)] * labels.ndim, [(0, 0)] * labels.ndim
        before[axis], after[axis] = (0, 1), (1, 0)
        different |= np.pad(step, before) | np.pad(step, after)
    return different


def ideal(labels, classes=DEFAULT_CLASSES, sigma=0.0):
    """Probabilities of a network that makes no mistake but blurs: rims of one pixel, within the cells."""
    rim = rims(labels)
    member = {"cell": (labels > 0) & ~rim, "boundary": (labels > 0) & rim, "background": labels == 0}
    stack = np.stack([member[c.role] for c in classes]).astype(np.float32)
    return np.stack([ndimage.gaussian_filter(p, sigma) for p in stack]) if sigma else stack


def check(cells, min_size):
    """Ids are 1, 2, 3 ... , each in one piece and large enough."""
    assert cells.dtype == np.int32
    sizes = np.bincount(cells.ravel())[1:]
    assert (sizes >= max(min_size, 1)).all()
    assert label(cells, connectivity=1).max() == len(sizes)


def probabilities(draw, classes):
    shape = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    smooth = [
        ndimage.gaussian_filter(rng.normal(size=shape), draw(st.sampled_from([0.5, 1.5]))) for _ in range(classes)
    ]
    weights = np.exp(np.array(smooth, np.float32) * draw(st.sampled_from([0.0, 3.0, 30.0])))
    return weights / weights.sum(axis=0)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(ELF_METHODS), st.sampled_from([0, 5]), st.sampled_from([0, 2, 8]))
def test_cells_of_tissue_are_pieces_between_lines(data, method, min_size, grow):
    maps = probabilities(data.draw, 2)
    cells = cells_from_probabilities(maps, TISSUE, CellSpec(method=method, min_size=min_size, grow=grow))
    assert cells.shape == maps.shape[1:]
    check(cells, min_size)
    # No two cells touch: the mask alone tells them apart.
    pieces, ids = label(cells > 0, connectivity=1), label(cells, connectivity=1)
    assert len(np.unique(np.stack([pieces, ids]).reshape(2, -1), axis=1).T) == pieces.max() + (cells == 0).any()


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(ELF_METHODS), st.sampled_from([0, 5]))
def test_objects_never_reach_into_the_background(data, method, min_size):
    maps = probabilities(data.draw, 3)
    cells = cells_from_probabilities(maps, DEFAULT_CLASSES, CellSpec(method=method, min_size=min_size))
    check(cells, min_size)
    assert (cells[maps[2] > 0.5] == 0).all()


@pytest.mark.parametrize("method", ELF_METHODS)
@pytest.mark.parametrize(("shape", "n"), [((120, 130), 30), ((20, 40, 50), 25)])
def test_perfect_boundaries_give_the_cells_back(method, shape, n):
    _, truth = tissue(shape, cells=n)
    cells = cells_from_probabilities(ideal(truth, TISSUE), TISSUE, CellSpec(method=method, min_size=0))
    assert instance_score(cells, truth).ap50 > 0.9
    assert instance_score(cells, np.where(cells > 0, truth, 0)).adapted_rand < 0.03


@pytest.mark.parametrize("method", ["auto", "watershed"])
def test_a_hole_in_a_boundary_does_not_join_cells(method):
    _, truth = tissue((160, 160), cells=30)
    maps = ideal(truth, TISSUE, sigma=0.7)
    maps[1, ::12] *= 0.2  # every boundary is interrupted
    maps[0] = 1 - maps[1]
    spec = CellSpec(threshold=0.3, beta=0.7)
    cells = cells_from_probabilities(maps, TISSUE, spec.model_copy(update={"method": method}))
    pieces = cells_from_probabilities(maps, TISSUE, spec.model_copy(update={"method": "components"}))
    assert instance_score(cells, truth).ap50 > 0.8 > instance_score(pieces, truth).ap50


@pytest.mark.parametrize("shape", [(40, 60), (12, 30, 40)])
def test_touching_balls_are_told_apart_with_and_without_a_boundary_class(shape):
    grid = np.indices(shape)
    middle = np.array(shape) // 2
    radius = middle[-2] * 0.55

    def ball(shift):
        centre = middle + np.array([0] * (len(shape) - 1) + [shift])
        return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2

    truth = ball(-radius * 0.92).astype(np.int32)
    truth[(truth == 0) & ball(radius * 0.92)] = 2
    for classes in (DEFAULT_CLASSES, (CELL, BACKGROUND)):
        maps = ideal(np.minimum(truth, 1) if len(classes) == 2 else truth, classes)
        if len(classes) == 2:
            maps[0] = truth > 0
        score = instance_score(cells_from_probabilities(maps, classes, CellSpec()), truth)
        assert (score.cells, score.ap50) == (2, 1)


def test_growth_into_boundaries_is_limited():
    maps = np.zeros((2, 30, 60), np.float32)
    maps[1, :, 15:45] = 1
    maps[0] = 1 - maps[1]
    for grow in (0, 3, 8):
        cells = cells_from_probabilities(maps, TISSUE, CellSpec(grow=grow))
        expected = np.zeros(60, int)
        expected[: 15 + grow], expected[45 - grow :] = 1, 2
        np.testing.assert_array_equal(cells, np.broadcast_to(expected, (30, 60)))


def test_voxel_size_counts_for_distances():
    maps = np.zeros((2, 9, 12, 12), np.float32)
    maps[1, 3:6] = 1
    maps[0] = 1 - maps[1]
    spec = CellSpec(grow=1)
    flat = cells_from_probabilities(maps, TISSUE, spec, spacing=(1, 1, 1))
    tall = cells_from_probabilities(maps, TISSUE, spec, spacing=(3, 1, 1))
    assert (flat[[3, 5]] > 0).all()
    assert (tall[3:6] == 0).all()
    assert flat.max() == tall.max() == 2


def test_uint8_probabilities_are_scaled():
    _, truth = tissue((60, 60), cells=8)
    maps = ideal(truth, TISSUE)
    as_bytes = (maps * 255).astype(np.uint8)
    for take in (boundary_probability, boundary_mask, lambda p, c: cells_from_probabilities(p, c, CellSpec())):
        np.testing.assert_array_equal(take(as_bytes, TISSUE), take(maps, TISSUE))


@pytest.mark.parametrize("method", ELF_METHODS)
@pytest.mark.parametrize("shape", [(16, 16), (6, 9, 9)])
def test_images_of_one_kind_only(method, shape):
    spec = CellSpec(method=method, min_size=1)
    one = np.ones(shape, np.float32)
    for classes in (TISSUE, DEFAULT_CLASSES):
        for i, c in enumerate(classes):
            maps = np.zeros((len(classes), *shape), np.float32)
            maps[i] = one
            cells = cells_from_probabilities(maps, classes, spec)
            if c is CELL:
                assert (cells == 1).all()
            else:
                assert (cells == 0).all()


def test_small_cells_are_removed():
    _, truth = tissue((80, 80), cells=40)
    maps = ideal(truth, TISSUE)
    every = cells_from_probabilities(maps, TISSUE, CellSpec(min_size=0))
    large = cells_from_probabilities(maps, TISSUE, CellSpec(min_size=120))
    sizes = np.bincount(every.ravel())[1:]
    assert large.max() == (sizes >= 120).sum() < every.max()
    assert set(np.unique(every[large == 0])) >= set(np.flatnonzero(sizes < 120) + 1)


def test_boundary_classes_add_up():
    classes = (CELL, BOUNDARY, ClassSpec(name="wall", role="boundary"))
    maps = np.float32([[[0.25, 0.75]], [[0.5, 0.125]], [[0.25, 0.125]]])
    np.testing.assert_array_equal(boundary_probability(maps, classes), [[0.75, 0.25]])
    np.testing.assert_array_equal(boundary_mask(maps, classes), [[1, 0]])
    np.testing.assert_array_equal(boundary_mask(maps, classes, 0.25), [[1, 1]])
    assert boundary_mask(maps, classes).dtype == np.uint8


def test_other_classes_belong_to_the_cells_of_a_tissue_only():
    other = ClassSpec(name="mitochondrion")
    maps = np.zeros((3, 20, 20), np.float32)
    maps[0] = 1
    maps[:, 8:12, 8:12] = np.float32([0, 0, 1])[:, None, None]
    assert (cells_from_probabilities(maps, (CELL, BOUNDARY, other), CellSpec()) == 1).all()
    four = np.concatenate([maps, np.zeros((1, 20, 20), np.float32)])
    cells = cells_from_probabilities(four, (CELL, BOUNDARY, other, BACKGROUND), CellSpec())
    assert (cells[8:12, 8:12] == 0).all()


def test_roles_tell_tissue_from_objects():
    assert is_tissue(TISSUE)
    assert is_tissue((BOUNDARY, BACKGROUND))
    assert not is_tissue((CELL, BACKGROUND))


def test_membranes_and_everything_else_named_background():
    _, truth = tissue((80, 80), cells=12)
    maps = ideal(truth, (CELL, BOUNDARY))
    cells = cells_from_probabilities(maps, (BACKGROUND, BOUNDARY), CellSpec())
    assert instance_score(cells, truth).ap50 > 0.9


def test_mistakes_are_named():
    maps = np.ones((2, 4, 4), np.float32) / 2
    with pytest.raises(UserError, match="3 classes but probabilities of 2"):
        cells_from_probabilities(maps, DEFAULT_CLASSES, CellSpec())
    with pytest.raises(UserError, match=r"\(4, 4\)"):
        cells_from_probabilities(maps[0], TISSUE, CellSpec())
    with pytest.raises(UserError, match=r"none of the classes \(cell, background\) is a boundary"):
        boundary_probability(maps, (CELL, BACKGROUND))


@pytest.mark.parametrize("method", ["gasp", "multicut"])
def test_without_python_elf_the_cure_is_named_and_auto_still_works(monkeypatch, method):
    monkeypatch.setattr(agglomeration, "find_spec", lambda name: None)
    _, truth = tissue((60, 60), cells=8)
    maps = ideal(truth, TISSUE)
    with pytest.raises(UserError, match=r'pip install "napari-unet-live\[cells\]"'):
        cells_from_probabilities(maps, TISSUE, CellSpec(method=method))
    assert instance_score(cells_from_probabilities(maps, TISSUE, CellSpec()), truth).ap50 == 1


def test_unusual_memory_layouts_change_nothing():
    _, truth = tissue((60, 70), cells=10)
    maps = ideal(truth, TISSUE, sigma=0.5)
    expected = cells_from_probabilities(maps, TISSUE, CellSpec())
    reversed_twice = np.ascontiguousarray(maps[:, ::-1])[:, ::-1]
    for same in (np.asfortranarray(maps), reversed_twice, maps.astype(">f4"), maps.astype(float)):
        same.flags.writeable = False
        np.testing.assert_array_equal(cells_from_probabilities(same, TISSUE, CellSpec()), expected)


@pytest.mark.parametrize("sigma", [0, 1])
def test_real_nuclei_come_back_from_perfect_and_blurred_maps(real_data, sigma):
    paths = sorted((real_data / "dsb2018" / "fluorescence" / "masks").glob("*.tif"))[::6]
    truths = [tifffile.imread(p).astype(np.int32) for p in paths]
    cells = [
        cells_from_probabilities(ideal(t, sigma=sigma), DEFAULT_CLASSES, CellSpec(min_size=5)) for t in truths
    ]
    assert instance_score(cells, truths).ap50 > 0.95


def test_a_real_epithelium_and_a_real_ovule_come_back(real_data):
    truth = tifffile.imread(real_data / "epithelium2d" / "labels.tif").astype(np.int32)
    cells = cells_from_probabilities(ideal(truth), DEFAULT_CLASSES, CellSpec(min_size=5))
    assert instance_score(cells, truth).ap50 > 0.98
    membranes = np.where(rims(truth) | (truth == 0), 0, 255)
    assert membrane_score(cells, membranes).v_rand > 0.99
    # A tenth of this crop's cells are slivers without an inside, so errors are weighed by volume.
    truth = tifffile.imread(real_data / "ovule_cells3d" / "labels.ome.tif").astype(np.int32)
    cells = cells_from_probabilities(ideal(truth), DEFAULT_CLASSES, CellSpec(), spacing=(0.235, 0.15, 0.15))
    assert instance_score(cells, truth).adapted_rand < 0.05


def test_background_taken_for_boundary_is_no_object():
    probabilities = np.zeros((3, 40, 40), np.float32)
    probabilities[2] = 1
    probabilities[:, 5:15, 5:15] = np.float32([0.3, 0.6, 0.1])[:, None, None]  # a weak cell, all rim
    probabilities[:, 3:7, 25:29] = np.float32([0.1, 0.8, 0.1])[:, None, None]  # a small one
    probabilities[:, 25:35, 5:35] = np.float32([0.05, 0.8, 0.15])[:, None, None]
    cells = cells_from_probabilities(probabilities, (CELL, BOUNDARY, BACKGROUND), CellSpec(min_size=4))
    assert cells[10, 10] > 0
    assert cells[5, 27] > 0
    assert not cells[20:].any()


@pytest.mark.parametrize("method", [m for m in ELF_METHODS if m not in ("auto", "mutex", "distance")])
def test_a_rim_belongs_to_its_own_cell_and_not_to_a_neighbour_that_runs_around_it(method):
    """Where the two touch, the crest of the rims is lowest, and a flood gets over it to the outer slopes."""
    y, x = np.indices((48, 80))
    centres = ((24, 24), (24, 55))
    radius = np.minimum(*(np.hypot(y - a, x - b) for a, b in centres))
    cell, outside = 1 / (1 + np.exp(2 * (radius - 11))), 1 / (1 + np.exp(2 * (16 - radius)))
    pass_ = 0.35 * ((abs(x - 36) < 4) & (abs(y - 24) < 2))
    boundary = np.clip(1 - cell - outside - pass_, 0, 1)
    probabilities = np.stack([1 - boundary - outside, boundary, outside]).astype(np.float32)
    cells = cells_from_probabilities(probabilities, DEFAULT_CLASSES, CellSpec(method=method))
    assert cells.max() == 2
    for near, far in (centres, centres[::-1]):
        disc = np.hypot(y - near[0], x - near[1]) < np.hypot(y - far[0], x - far[1]) - 2
        assert len(np.unique(cells[disc & (cells > 0)])) == 1


def test_a_long_rod_is_one_cell_however_thick_its_rims() -> None:
    """Rims of both sides make half of every cut across a rod; it is the middle that counts."""
    probabilities = np.zeros((3, 60, 200), np.float32)
    probabilities[2] = 1
    for middle in (19, 37):  # two that touch
        probabilities[:, middle - 9 : middle + 9, 10:190] = np.float32([0.05, 0.95, 0])[:, None, None]
        for x in range(15, 185):  # their insides are of uneven width
            half = 5 + round(np.sin(x / 9))
            probabilities[:, middle - half : middle + half, x] = np.float32([0.9, 0.1, 0])[:, None]
    noise = np.random.default_rng(0).normal(0, 0.04, probabilities.shape[1:]).astype(np.float32)
    probabilities[0] += noise
    probabilities[1] -= noise
    cells = cells_from_probabilities(probabilities.clip(0, 1), DEFAULT_CLASSES, CellSpec())
    assert cells.max() == 2
    assert len(np.unique(cells[19, 20:180])) == len(np.unique(cells[37, 20:180])) == 1
