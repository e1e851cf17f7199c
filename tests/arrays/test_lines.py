import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import label

from napari_unet.arrays.lines import draw_lines, fill_gaps

SHAPES = st.one_of(st.tuples(*[st.integers(2, 12)] * 2), st.tuples(*[st.integers(2, 6)] * 3))
LABELS = hnp.arrays(np.int32, SHAPES, elements=st.integers(0, 4))


def face_neighbours_differ(labels):
    pairs = ((labels.take(range(n - 1), a), labels.take(range(1, n), a)) for a, n in enumerate(labels.shape))
    return any(((a != b) & (a > 0) & (b > 0)).any() for a, b in pairs)


@given(LABELS)
def test_no_two_labels_touch_after_drawing_lines(labels):
    lined = draw_lines(labels)
    assert not face_neighbours_differ(lined)
    assert (lined[lined > 0] == labels[lined > 0]).all()


@given(hnp.arrays(np.int32, SHAPES, elements=st.integers(0, 3)))
def test_lines_are_drawn_only_where_labels_touch(labels):
    same = np.where(labels > 0, 1, 0)
    np.testing.assert_array_equal(draw_lines(same), same)


@settings(deadline=None)
@given(LABELS)
def test_filling_gaps_keeps_labels_and_lets_no_others_touch(labels):
    separate = label(labels > 1, connectivity=1)
    filled = fill_gaps(separate)
    assert (filled[separate > 0] == separate[separate > 0]).all()
    assert not face_neighbours_differ(filled)
    # What grew is connected with what it grew from.
    assert label(filled, connectivity=1).max() == separate.max()


def test_wide_gaps_become_lines_of_one_pixel_in_the_middle():
    labels = np.zeros((20, 31), int)
    labels[:, :10], labels[:, 21:] = 1, 2
    filled = fill_gaps(labels)
    assert (filled == np.where(np.arange(31) < 15, 1, np.where(np.arange(31) > 15, 2, 0))).all()


def test_touching_labels_stay_as_they_are():
    labels = np.repeat([[1, 1, 2, 2]], 4, axis=0)
    np.testing.assert_array_equal(fill_gaps(labels), labels)


def test_nothing_to_grow():
    for labels in (np.zeros((4, 4), int), np.ones((4, 4), int)):
        np.testing.assert_array_equal(fill_gaps(labels), labels)
