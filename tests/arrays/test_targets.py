import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_unet.arrays import targets
from napari_unet.arrays.targets import IGNORE
from napari_unet.errors import UserError
from napari_unet.spec import BACKGROUND, BOUNDARY, CELL, ClassSpec, TargetSpec

LABELS = hnp.arrays(np.uint8, (13, 17), elements=st.integers(0, 4))
CELLS = TargetSpec(style="cells")


@given(LABELS)
def test_unpainted_pixels_never_count(labels):
    assert (targets.class_target(labels, 4)[labels == 0] == IGNORE).all()
    assert (targets.cell_target(labels, CELLS, "ignore")[labels == 0] == IGNORE).all()


@given(LABELS)
def test_renumbering_cells_changes_nothing(labels):
    renumbered = np.array([0, 9, 7, 200, 3])[labels]
    np.testing.assert_array_equal(
        targets.cell_target(labels, CELLS, "background"), targets.cell_target(renumbered, CELLS, "background")
    )


@given(LABELS, st.integers(1, 3))
def test_rim_is_what_lies_near_another_value(labels, rim):
    target = targets.cell_target(labels, CELLS.model_copy(update={"rim": rim}), "background")
    for y, x in np.ndindex(labels.shape):
        box = labels[max(0, y - rim) : y + rim + 1, max(0, x - rim) : x + rim + 1]
        if labels[y, x] == 0:
            assert target[y, x] == 2
        else:
            assert target[y, x] == (1 if (box != labels[y, x]).any() else 0)


def test_background_strokes():
    labels = np.array([[5, 5, 5, 0, 0, 9, 9]])
    target = targets.cell_target(labels, TargetSpec(style="cells", background_value=9), "ignore")
    np.testing.assert_array_equal(target, [[0, 0, 1, -1, -1, 2, 2]])


def test_3d_rims_see_the_neighbouring_slices():
    labels = np.zeros((3, 5, 5), int)
    labels[:2] = 1
    labels[2] = 2
    target = targets.cell_target(labels, CELLS, "ignore")
    assert (target[0] == 0).all()
    assert (target[1] == 1).all()


@pytest.mark.parametrize(
    ("values", "spec", "unpainted", "expected"),
    [
        ([1, 2], TargetSpec(), "ignore", (CELL, BOUNDARY)),
        ([1, 2, 3], TargetSpec(), "ignore", (CELL, BOUNDARY, BACKGROUND)),
        ([4, 77], CELLS, "ignore", (CELL, BOUNDARY)),
        ([4, 77], CELLS, "background", (CELL, BOUNDARY, BACKGROUND)),
        ([4, 77], CELLS, "boundary", (CELL, BOUNDARY)),
        ([4, 9], TargetSpec(style="cells", background_value=9), "ignore", (CELL, BOUNDARY, BACKGROUND)),
    ],
)
def test_classes_follow_from_the_labels(values, spec, unpainted, expected):
    assert targets.derive_classes(spec, values, unpainted) == expected


@pytest.mark.parametrize(
    ("values", "spec", "message"),
    [
        ([], TargetSpec(), "empty: paint some strokes"),
        ([2], TargetSpec(), r"only one class is painted \(boundary\)"),
        ([1, 2, 255], TargetSpec(), r"value 255.*choose the style 'cells' \(--style cells, .*--classes"),
        ([255], TargetSpec(), r"value 255.*if they are a mask .*--style cells --dense"),
        ([1], TargetSpec(), r"only one class .*, or, if the labels are a mask .*--style cells --dense"),
        ([1, 4], TargetSpec(classes=(CELL, BOUNDARY, ClassSpec(name="axon"))), "value 4.*3 = axon"),
        ([-1, 2], TargetSpec(), "negative value -1"),
        ([9], TargetSpec(style="cells", background_value=9), "only background"),
    ],
)
def test_hopeless_labels_are_refused_in_words(values, spec, message):
    with pytest.raises(UserError, match=message):
        targets.derive_classes(spec, values, "ignore")


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.dtype("U3")])
def test_labels_must_be_integers(dtype):
    with pytest.raises(UserError, match="labels must be integers"):
        targets.check_labels_dtype(dtype)


def test_thin_lines_are_boundary_and_wide_areas_background():
    dense = TargetSpec(style="cells", dense=True)
    tissue = np.arange(1, 17).reshape(4, 4).repeat(20, 0).repeat(20, 1)
    tissue[::20] = tissue[:, ::20] = 0
    nuclei = np.zeros((80, 80), int)
    nuclei[10:20, 10:20], nuclei[50:70, 40:60] = 1, 2
    assert targets.what_unpainted_means(dense, [tissue]) == "boundary"
    assert targets.what_unpainted_means(dense, [nuclei]) == "background"
    assert targets.what_unpainted_means(CELLS, [tissue]) == "ignore"


def test_narrow_gaps_of_crowded_nuclei_are_background_if_told_so():
    crowded = np.arange(1, 17).reshape(4, 4).repeat(20, 0).repeat(20, 1)
    crowded[np.arange(80) % 20 < 6] = crowded[:, np.arange(80) % 20 < 6] = 0
    dense = TargetSpec(style="cells", dense=True)
    assert targets.what_unpainted_means(dense, [crowded]) == "boundary"
    for unpainted, value in (("background", 2), ("boundary", 1)):
        spec = TargetSpec(style="cells", dense=True, unpainted=unpainted)
        meaning = targets.what_unpainted_means(spec, [crowded])
        found = targets.target_of(crowded, spec, targets.derive_classes(spec, [1, 2], meaning), meaning)
        assert (found[crowded == 0] == value).all()
    with pytest.raises(ValueError, match="say 'dense' as well"):
        TargetSpec(style="cells", unpainted="background")


def test_a_dense_mask_is_separated_into_cells():
    mask = np.full((9, 9), 255, np.uint8)
    mask[4] = 0
    spec = TargetSpec(style="cells", dense=True)
    target = targets.target_of(mask, spec, (CELL, BOUNDARY), "boundary")
    assert (target[4] == 1).all()
    assert (target[:3] == 0).all()
    assert (target[6:] == 0).all()


def brute_force_weights(instances, w0, sigma):
    """Equation 2 of the paper, distance by distance."""
    ids = [i for i in np.unique(instances) if i]
    distances = np.sort([ndimage.distance_transform_edt(instances != i) for i in ids], axis=0)
    weights = 1 + w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    weights[instances > 0] = 1
    return weights


@settings(max_examples=20, deadline=None)
@given(
    hnp.arrays(np.int64, (24, 28), elements=st.sampled_from([0] * 30 + [1, 2, 3, 4])),
    st.sampled_from([1.0, 3.0, 5.0]),
)
def test_border_weights_equal_brute_force(instances, sigma):
    if len(np.unique(instances[instances > 0])) < 2:
        return
    np.testing.assert_allclose(
        targets.border_weights(instances, 10, sigma), brute_force_weights(instances, 10, sigma), atol=1e-5
    )


def test_touching_cells_get_weight_on_their_rims():
    labels = np.repeat([[5, 9]], 20, axis=0).repeat(20, axis=1)
    spec = TargetSpec(style="cells", weight_map=True)
    target = targets.cell_target(labels, spec, "ignore")
    weights = targets.border_weights(targets.instances_of(labels, target, "cells"))
    assert (weights[:, 19:21] > 9).all()
    assert (weights[target == 0] == 1).all()


def test_huge_ids_are_told_apart():
    labels = np.array([[2**60, 2**60, 2**60 + 1, 2**60 + 1]])
    np.testing.assert_array_equal(targets.cell_target(labels, CELLS, "ignore"), [[0, 1, 1, 0]])
