"""``napari-unet link``."""

import numpy as np
import pytest
import tifffile

import napari_unet as nu
from cli_tools import run
from napari_unet.arrays.where import Where
from napari_unet.storage.read import open_image
from napari_unet.storage.samples import load_sample
from napari_unet.storage.write import create_output


@pytest.fixture
def slices(tmp_path):
    """Nuclei with other numbers in every slice."""
    truth = load_sample("nuclei-3d").labels[5:15].astype(np.int32)
    stack = np.stack([np.where(plane > 0, (plane * (z + 1)) % 97, 0) for z, plane in enumerate(truth)])
    tifffile.imwrite(tmp_path / "slices.tif", stack)
    return tmp_path / "slices.tif", stack, truth


@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_slices_become_a_volume(slices, tmp_path, name):
    path, stack, truth = slices
    result = run("link", path, "-o", tmp_path / name, "--along", "z")
    assert result.exit_code == 0, result.output
    found = open_image(tmp_path / name)
    assert (found.axes, found.data.dtype) == ("ZYX", np.int32)
    np.testing.assert_array_equal(found.data[:], nu.link(stack, "z"))
    before = sum(len(np.unique(plane)) - 1 for plane in truth)
    assert f"{before} cells in 10 slices became {len(np.unique(truth)) - 1} cells" in result.stdout
    assert "slices.tif: 10 x 85 x 128 int32, axes ZYX" in result.stdout
    assert f"saved {tmp_path / name}" in result.stdout


def test_options_are_used(slices, tmp_path):
    path, stack, _ = slices
    options = ("--along", "t", "--least-overlap", "0.6", "--gap", "0")
    result = run("link", path, "-o", tmp_path / "out.tif", *options)
    assert result.exit_code == 0, result.output
    expected = nu.link(stack, "t", "TYX", least_overlap=0.6, gap=0)
    np.testing.assert_array_equal(open_image(tmp_path / "out.tif").data[:], expected)
    assert "axes TYX (guessed" in result.stdout
    assert expected.max() != nu.link(stack, "t", "TYX").max()
    assert "10 time points" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--along", "t", "--axes", "ZYX"), "slices.tif (axes ZYX) has one time point only"),
        (("--least-overlap", "2"), "the least overlap is 2: it must be above 0 and at most 1"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(slices, tmp_path, options, message):
    path, _, _ = slices
    result = run("link", path, "-o", tmp_path / "out.tif", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


def test_the_wrong_axis_is_wrong_usage(slices, tmp_path):
    assert run("link", slices[0], "-o", tmp_path / "out.tif", "--along", "y").exit_code == 2


@pytest.mark.parametrize("command", [("link", "--along", "t"), ("export",)])
@pytest.mark.parametrize("name", ["out.ome.tif", "out.ome.zarr"])
def test_cells_keep_their_place_and_the_times_of_their_frames(slices, tmp_path, command, name):
    _, stack, _ = slices
    where = Where((0.0, 10.0, 10.0), 5.0, 30.0, "second")
    with create_output(tmp_path / "t.ome.zarr", stack.shape, "i4", "TYX", cells=True, where=where) as out:
        out[...] = stack
    first, *options = command
    assert run(first, tmp_path / "t.ome.zarr", "-o", tmp_path / name, *options).exit_code == 0
    assert open_image(tmp_path / name).where == where
