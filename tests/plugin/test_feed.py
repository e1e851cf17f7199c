"""What is painted while a training runs is sent to it, and nothing else."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet.plugin.annotation import new_annotation
from napari_unet.plugin.feed import StrokeFeed
from napari_unet.plugin.layers import labels_of
from napari_unet.plugin.selection import Selection


class Engine:
    """Applies what it is sent to its own labels."""

    def __init__(self):
        self.labels, self.calls, self.taken = None, [], []

    def paint(self, t, z, y, x, values, *, taken=False):
        self.taken.append(taken)
        self.calls.append((t, z, y, x, values.shape))
        self.labels[t, z, y : y + values.shape[0], x : x + values.shape[1]] = values


@pytest.fixture(params=["ZYX", "TCYX", "YX"])
def made(request):
    shape = {"T": 3, "C": 2, "Z": 4, "Y": 30, "X": 40}
    viewer, engine = ViewerModel(), Engine()
    axes = request.param
    viewer.add_image(np.zeros([shape[a] for a in axes], np.uint8), scale=[2.0] * len(axes))
    selection = Selection(viewer)
    selection.set_axes(axes)
    layer = viewer.add_layer(new_annotation(selection.geometry, "classes"))
    selection.choose_labels(layer)
    known = labels_of(layer, selection.image, selection.geometry)
    engine.labels = np.zeros([known.size(a) for a in "TZYX"], np.uint8)
    feed = StrokeFeed(engine, selection)
    feed.begin(known)
    return viewer, layer, selection, engine, feed


def same(layer, selection, engine):
    now = labels_of(layer, selection.image, selection.geometry)
    planes = [now.read(t)[0] for t in range(now.size("T"))]
    np.testing.assert_array_equal(np.stack(planes), engine.labels)


def test_another_image_is_opened_meanwhile(made):
    viewer, layer, selection, engine, feed = made
    for value, shape in enumerate(((20, 20), (2, 2, 2, 20, 20)), start=1):
        viewer.layers.clear()
        selection.choose_image(viewer.add_image(np.zeros(shape, np.uint8)))
        layer.paint((0,) * (layer.ndim - 2) + (10, 12), value)
        assert feed.send(viewer.dims.point) == (engine.labels == value).sum() > 0
    feed.end(viewer.dims.point)


def test_predictions_that_were_taken_are_told_from_strokes(made):
    viewer, layer, selection, engine, feed = made
    first = (0,) * (layer.ndim - 2)

    def take(y, x, value):
        box = slice(y, y + 4), slice(x, x + 5)
        layer.data[(*first, *box)] = value
        feed.note_taken(0, 0, y, x, np.full((4, 5), value, layer.data.dtype))

    take(3, 4, 2)
    layer.paint((*first, 20, 22), 1)
    assert feed.send(viewer.dims.point) > 20
    assert engine.taken == [False, True]
    assert engine.calls[1] == (0, 0, 3, 4, (4, 5))
    same(layer, selection, engine)
    layer.data[(*first, slice(3, 5), slice(4, 9))] = 1  # corrected by hand
    layer.data[(*first, slice(5, 6), slice(4, 9))] = 0
    feed.send(viewer.dims.point)
    assert engine.taken[2:] == [False]
    same(layer, selection, engine)


def test_a_training_that_goes_on_is_told_what_was_taken(made):
    """Also what was taken in its last moment, and in a plane that is not in view."""
    viewer, layer, selection, _, feed = made
    last = tuple(n - 1 for n in layer.data.shape[:-2])
    box = slice(3, 7), slice(4, 9)
    layer.data[(*last, *box)] = 2
    painted = labels_of(layer, selection.image, selection.geometry)
    t, z = painted.size("T") - 1, painted.size("Z") - 1
    feed.note_taken(t, z, 3, 4, np.full((4, 5), 2, layer.data.dtype))
    feed.end(viewer.dims.point)
    layer.data[(*last, 3, slice(4, 9))] = 1  # corrected by hand
    layer.data[(*last, 20, slice(4, 9))] = 2  # painted by hand
    painted = labels_of(layer, selection.image, selection.geometry)
    ((*place, values),) = feed.taken_before(painted)
    assert place == [t, z, 4, 4]
    np.testing.assert_array_equal(values, np.full((3, 5), 2))
    layer.data[:] = 0
    assert not feed.taken_before(labels_of(layer, selection.image, selection.geometry))


def test_an_erasure_is_no_prediction(made):
    viewer, layer, selection, engine, feed = made
    first = (0,) * (layer.ndim - 2)
    layer.data[(*first, slice(20, 22))] = 1
    layer.data[(*first, slice(3, 7), slice(4, 9))] = 2
    feed.note_taken(0, 0, 3, 4, np.full((4, 5), 2, layer.data.dtype))
    feed.send(viewer.dims.point)
    engine.taken.clear()
    layer.data[(*first, slice(20, 22))] = 0
    feed.send(viewer.dims.point)
    assert engine.taken == [False]
    same(layer, selection, engine)


def test_strokes_and_undo_arrive_wherever_they_are(made):
    viewer, layer, selection, engine, feed = made
    point = viewer.dims.point
    assert feed.send(point) == 0
    layer.brush_size, layer.selected_label = 4, 2
    layer.paint((0,) * (layer.ndim - 2) + (10, 12), 2)
    assert feed.send(point) == (engine.labels == 2).sum() > 0
    ((_, _, y, x, size),) = engine.calls
    assert 6 <= y <= 10 <= x <= 12
    assert max(size) <= 6  # the changed region, and no more
    same(layer, selection, engine)
    layer.paint((*(n - 1 for n in layer.data.shape[:-2]), 20, 22), 1)  # not in the slice in view
    assert feed.send(point) > 0
    same(layer, selection, engine)
    layer.undo()
    layer.undo()
    feed.send(point)
    assert not engine.labels.any()
    assert feed.send(point) == 0


def test_after_the_end_nothing_is_sent(made):
    viewer, layer, _, engine, feed = made
    feed.end((0.0, 0.0, 0.0))
    layer.data[...] = 1
    assert feed.send(viewer.dims.point) == 0
    assert engine.calls == []


def test_labels_of_another_shape_are_not_sent(made):
    viewer, layer, _, engine, feed = made
    layer.data = np.ones([n + 1 for n in layer.data.shape], np.uint8)
    assert feed.send(viewer.dims.point) == 0
    assert engine.calls == []
