"""Axes, geometry and reading of napari layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Image as ImageLayer
from napari.layers import Labels
from napari.layers._source import layer_source

from napari_unet.errors import UserError
from napari_unet.plugin import layers


def stack(shape: tuple[int, ...] = (5, 32, 48), **properties: object) -> ImageLayer:
    return ImageLayer(np.zeros(shape, np.uint8), name="stack", **properties)


def test_multiscale_means_full_resolution() -> None:
    full = np.zeros((64, 64), np.uint8)
    layer = ImageLayer([full, full[::2, ::2], full[::4, ::4]], multiscale=True)
    assert layers.full_data(layer).shape == (64, 64)
    assert layers.image_of(layer).shape == (1, 1, 1, 64, 64)


def test_axis_labels_are_believed() -> None:
    assert layers.guess_layer_axes(stack((3, 32, 48), axis_labels=("c", "y", "x"))) == "CYX"
    assert layers.guess_layer_axes(stack((3, 32, 48), axis_labels=("time", "y", "x"))) == "TYX"


def test_the_file_is_believed_where_its_reader_says_nothing(tmp_path: Path) -> None:
    movie, stack = np.zeros((5, 32, 48), np.uint8), np.zeros((2, 5, 32, 48), np.uint8)
    tifffile.imwrite(tmp_path / "movie.ome.tif", movie, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "two.tif", stack, imagej=True, metadata={"axes": "TZYX"})
    tifffile.imwrite(tmp_path / "plain.tif", movie)
    for name, axes in (("movie.ome", "TYX"), ("two", "TZYX"), ("plain", "ZYX")):
        path = tmp_path / f"{name}.tif"
        with layer_source(path=str(path), reader_plugin="napari"):
            layer = ImageLayer(tifffile.imread(path))
        assert layers.guess_layer_axes(layer) == axes
        layer.data = movie[0]  # no longer what the file holds
        assert layers.guess_layer_axes(layer) == "YX"


def test_rgb_has_colour_samples() -> None:
    layer = ImageLayer(np.zeros((32, 48, 3), np.uint8), rgb=True)
    image = layers.image_of(layer)
    assert (image.axes, image.size("C")) == ("YXS", 3)
    with pytest.raises(UserError, match="RGB"):
        layers.image_of(layer, "CYX")


def test_colours_shown_as_pixels_are_refused() -> None:
    with pytest.raises(UserError, match="looks like colours"):
        layers.image_of(ImageLayer(np.zeros((32, 48, 3), np.uint8), rgb=False))


def test_axes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="name 2 axes"):
        layers.image_of(stack(), "YX")
    with pytest.raises(UserError, match="Y and X last"):
        layers.image_of(stack(), "YXZ")


def test_spacing_and_geometry_follow_the_axes() -> None:
    layer = stack(
        (2, 5, 32, 48),
        scale=(1, 4, 0.5, 0.25),
        translate=(0, 10, 20, 30),
        units=("pixel", "um", "um", "um"),
        axis_labels=("c", "z", "y", "x"),
    )
    image = layers.image_of(layer)
    assert image.spacing == (4.0, 0.5, 0.25)
    geometry = layers.geometry_of(layer, image.axes)
    assert (geometry.axes, geometry.shape) == ("ZYX", (5, 32, 48))
    made = Labels(layers.zeros(geometry, np.uint8), **geometry.properties)
    np.testing.assert_array_equal(made.scale, (4, 0.5, 0.25))
    np.testing.assert_array_equal(made.translate, (10, 20, 30))
    assert made.units == layer.units[1:]
    assert made.axis_labels == ("z", "y", "x")


def test_channels_between_other_axes_share_their_memory() -> None:
    layer = stack((4, 3, 32, 48), axis_labels=("t", "c", "y", "x"))
    image = layers.image_of(layer)
    geometry = layers.geometry_of(layer, image.axes)
    array = layers.zeros(geometry, np.uint8)
    assert array.shape == (4, 3, 32, 48)
    index, block = layers.place(
        (1, slice(0, 2), slice(0, 3)), np.full((2, 3), 7), image.result_axes, geometry.axes
    )
    array[index] = block
    assert (array[1, :, :2, :3] == 7).all()
    assert array.sum() == 3 * 6 * 7
    painted = Labels(array, name="strokes", **geometry.properties)
    labels = layers.labels_of(painted, image, geometry)
    assert labels.axes == "TYX"
    assert np.asarray(labels.data).sum() == 6 * 7


def test_blocks_of_other_axis_orders() -> None:
    block = np.arange(6).reshape(2, 3)
    index, placed = layers.place((0, slice(0, 2), slice(4, 7), 5), block, "TZYX", "ZTYX")
    assert index == (slice(0, 2), slice(0, 1), slice(4, 7), slice(5, 6))
    np.testing.assert_array_equal(placed[:, 0, :, 0], block)


def test_labels_are_a_snapshot() -> None:
    layer = stack()
    image = layers.image_of(layer)
    geometry = layers.geometry_of(layer, image.axes)
    painted = Labels(layers.zeros(geometry, np.uint8))
    painted.data[2, :4] = 1
    labels = layers.labels_of(painted, image, geometry)
    painted.data[:] = 2
    assert set(np.unique(np.asarray(labels.data))) == {0, 1}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (Labels(np.zeros((32, 48), np.uint8)), r"\(32, 48\).*\(5, 32, 48\)"),
        (Labels(np.zeros((5, 32, 48), np.uint8), scale=(1, 2, 2)), r"scale \(1.0, 2.0, 2.0\).*\(1.0, 1.0, 1.0\)"),
        (Labels(np.zeros((5, 32, 48), np.uint8), translate=(0, 3, 0)), "translate"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: Labels, words: str) -> None:
    layer = stack()
    image = layers.image_of(layer)
    with pytest.raises(UserError, match=words):
        layers.labels_of(labels, image, layers.geometry_of(layer, image.axes))


def test_plane_at_a_point_of_the_world() -> None:
    layer = stack((5, 32, 48), scale=(4, 0.5, 0.5), translate=(10, 0, 0))
    image = layers.image_of(layer)
    assert layers.plane_at(layer, image, (10 + 4 * 3, 1, 1)) == (0, 3)
    assert layers.plane_at(layer, image, (99.0, 10 + 4 * 2, 1, 1)) == (0, 2)  # another layer has more axes
    assert layers.plane_at(layer, image, (1000, 1, 1)) == (0, 4)


def test_a_place_is_the_same_after_it_was_written_and_read() -> None:
    """Files keep nine decimals; a copy of a layer must not count as changed for what lies beyond."""
    layer = stack((4, 4), translate=(0.0, 3 * 0.1))
    assert layers.where_of(layer, "YX").origin == (0.0, 0.0, 0.3)
