"""``napari-unet cells``: cells of probabilities that were written before."""

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from cli_tools import run
from napari_unet.arrays.cells import cells_from_probabilities
from napari_unet.arrays.where import Where
from napari_unet.spec import BOUNDARY, CELL, CellSpec
from napari_unet.storage.read import open_image
from napari_unet.storage.write import create_output
from synthetic import tissue


@pytest.fixture
def maps(tmp_path):
    _, truth = tissue((2, 60, 72), 30)
    rim = ndimage.morphological_gradient(truth, [1, 3, 3]) > 0
    boundary = ndimage.gaussian_filter(rim.astype(np.float32), [0, 0.8, 0.8])
    found = np.stack([1 - boundary, boundary])
    tifffile.imwrite(tmp_path / "maps.tif", found, metadata={"axes": "CZYX"}, photometric="minisblack")
    return found


def test_cells_are_those_of_the_method_that_was_told(maps, tmp_path):
    result = run("cells", tmp_path / "maps.tif", "-o", tmp_path / "out.ome.zarr", "--method", "mutex", "--grow", 2)
    assert result.exit_code == 0, result.output
    found = open_image(tmp_path / "out.ome.zarr")
    spec = CellSpec(method="mutex", grow=2)
    expected = [cells_from_probabilities(maps[:, z], (CELL, BOUNDARY), spec) for z in range(2)]
    np.testing.assert_array_equal(np.asarray(found.data[...]), np.stack(expected))
    assert f"{sum(e.max() for e in expected)} cells" in result.stdout


def test_a_volume_is_numbered_once(maps, tmp_path):
    assert run("cells", tmp_path / "maps.tif", "-o", tmp_path / "out.tif", "--volume").exit_code == 0
    expected = cells_from_probabilities(maps, (CELL, BOUNDARY), CellSpec())
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--classes", "cell,boundary,background"], "there are 3 classes but probabilities of 2"),
        (["--axes", "TZYX"], "no C for the classes: give probabilities"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(maps, tmp_path, options, words):
    result = run("cells", tmp_path / "maps.tif", "-o", tmp_path / "out.tif", *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("name", ["out.ome.tif", "out.ome.zarr"])
def test_cells_lie_where_their_probabilities_do(maps, tmp_path, name):
    where = Where((0.0, 10.0, 10.0), 5.0, 30.0, "second")
    with create_output(tmp_path / "p.ome.zarr", maps.shape, "f4", "CTYX", where=where) as out:
        out[...] = maps
    assert run("cells", tmp_path / "p.ome.zarr", "-o", tmp_path / name).exit_code == 0
    assert open_image(tmp_path / name).where == where
