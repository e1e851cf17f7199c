"""What napari's reader for OME-Zarr makes of the files that are written here."""

import importlib.util

import numpy as np
import pytest

from napari_unet.arrays.where import Where
from napari_unet.storage.ome_zarr import metadata
from napari_unet.storage.write import create_output

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("napari_ome_zarr") is None, reason="napari-ome-zarr is not installed (0.10 is known)"
)
PLUGIN = "napari-ome-zarr"
SPACING = {"T": 30.0, "C": 1.0, "Z": 2.0, "Y": 0.5, "X": 0.25}
UNITS = {"T": "second", "Z": "micrometer", "Y": "micrometer", "X": "micrometer"}
SHAPES = [((700, 900), "YX"), ((3, 600, 900), "ZYX"), ((2, 3, 600, 900), "TZYX")]


@pytest.fixture
def folder(tmp_path):
    """A folder two levels below one that must stay as it is."""
    inner = tmp_path / "results" / "today"
    inner.mkdir(parents=True)
    return inner


@pytest.fixture
def opened(npe2pm):
    """Open a path as the window does: its model finds the reader through the plugin's manifest."""
    from napari.components import ViewerModel

    with npe2pm.tmp_plugin(package=PLUGIN):
        yield lambda path: ViewerModel().open(path, plugin=PLUGIN)


def save(path, values, axes, **options):
    spacing = [SPACING[a] for a in "ZYX"]
    where = Where((0.0, 10.0, 20.0), 60.0, SPACING["T"], "second")
    form = values.shape, values.dtype, axes, spacing
    with create_output(path, *form, unit="micrometer", where=where, **options) as out:
        out[...] = values


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_labels_are_read_as_labels(folder, opened, shape, axes, dtype):
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    save(folder / "cells.zarr", values, axes, cells=True)
    before = sorted(folder.parent.parent.rglob("*"))
    (layer,) = opened(folder / "cells.zarr")
    assert sorted(folder.parent.parent.rglob("*")) == before  # nothing is left in other folders
    assert (type(layer).__name__, layer.name, layer.visible, layer.multiscale) == ("Labels", "cells", True, True)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), values)
    np.testing.assert_array_equal(np.asarray(layer.data[1]), values[..., ::2, ::2])
    assert layer.data[0].dtype == dtype
    np.testing.assert_allclose(layer.scale, [SPACING[a] for a in axes])
    np.testing.assert_allclose(layer.translate, 0)
    np.testing.assert_allclose(layer.affine.affine_matrix, np.eye(len(axes) + 1))
    assert layer.axis_labels == tuple(axes.lower())
    assert [str(u) for u in layer.units] == [UNITS[a] for a in axes]


def test_small_labels_have_one_level(folder, opened):
    values = np.arange(12, dtype=np.int32).reshape(3, 4)
    save(folder / "cells.ome.zarr", values, "YX", cells=True)
    (layer,) = opened(folder / "cells.ome.zarr")
    assert (type(layer).__name__, layer.multiscale) == ("Labels", False)
    np.testing.assert_array_equal(np.asarray(layer.data), values)


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_probabilities_are_read_as_one_image_per_class(folder, opened, shape, axes, dtype):
    values = (np.random.default_rng(0).random((2, *shape)) * 200).astype(dtype)
    save(folder / "p.zarr", values, f"C{axes}", classes=["inside", "boundary"])
    layers = opened(folder / "p.zarr")
    assert [type(v).__name__ for v in layers] == ["Image", "Image"]
    assert [v.name for v in layers] == ["p: inside", "p: boundary"]
    for layer, expected in zip(layers, values, strict=True):
        np.testing.assert_array_equal(np.asarray(layer.data[0]), expected)
        np.testing.assert_allclose(layer.scale, [SPACING[a] for a in axes])
        assert layer.multiscale
        assert layer.contrast_limits == [0, 255 if dtype == "uint8" else 1]
        assert layer.axis_labels == tuple(axes.lower())
        assert [str(u) for u in layer.units] == [UNITS[a] for a in axes]


def test_the_reader_leaves_out_where_a_region_lies(folder, opened):
    """It takes the first transform of a level, which must be the scale. Fails once it takes the second: good."""
    save(folder / "a.zarr", np.ones((3, 4), np.int32), "YX", cells=True)
    (layer,) = opened(folder / "a.zarr")
    np.testing.assert_allclose(layer.scale, [0.5, 0.25])
    np.testing.assert_allclose(layer.affine.translate, 0)


def test_why_labels_are_no_root_group(folder, opened):
    """The layout of the first version: hidden, and a file is left two folders up. Fails once that is cured."""
    import zarr

    known = metadata("YX", (1, 0.5, 0.25), "micrometer", "cells", cells=True)
    group = zarr.open_group(folder / "cells.zarr", mode="w", zarr_format=3, attributes=known)
    group.create_array("0", data=np.ones((3, 4), np.int32))
    (layer,) = opened(folder / "cells.zarr")
    assert (type(layer).__name__, layer.visible) == ("Labels", False)
    assert (folder.parent / "zarr.json").exists()
