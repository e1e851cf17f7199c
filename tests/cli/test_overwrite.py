"""Nothing that is not ours is overwritten."""

import numpy as np
import pytest
import zarr

from napari_unet.cli.predict import plan
from napari_unet.errors import UserError
from napari_unet.storage.write import check_output, create_output


def test_an_output_that_holds_the_image_is_refused(tmp_path):
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.create_array("raw", data=np.zeros((4, 4), np.uint8))
    for out in (
        tmp_path / "plate.zarr",
        tmp_path / "plate.zarr" / "raw",
        tmp_path / "plate.zarr" / "raw" / "x.zarr",
    ):
        with pytest.raises(UserError, match="is or holds the image, or lies in it"):
            plan(tmp_path / "plate.zarr" / "raw", out)


def test_only_a_zarr_of_our_own_is_replaced(tmp_path):
    foreign = tmp_path / "foreign.zarr"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("a year of work")
    with pytest.raises(UserError, match="holds more than an output"):
        check_output(foreign)
    for value in (1, 2):
        with create_output(tmp_path / "own.zarr", (4, 4), np.uint8, "YX") as array:
            array[:] = value
    assert zarr.open_group(tmp_path / "own.zarr")["0"][0, 0] == 2


@pytest.mark.parametrize("cells", [True, False])
def test_a_pyramid_of_our_own_is_replaced_and_one_of_others_is_not(tmp_path, cells):
    path = tmp_path / "a.zarr"
    for _ in range(2):
        with create_output(path, (600, 4), np.uint8, "YX", cells=cells):
            pass
    (path / "notes.txt").write_text("a year of work")
    with pytest.raises(UserError, match="holds more than an output"):
        check_output(path)
    (path / "notes.txt").unlink()
    assert check_output(path) == path
    root = zarr.open_group(path)
    del root.attrs["napari_unet"]  # an image of another program, of the same folders
    with pytest.raises(UserError, match="holds more than an output"):
        check_output(path)
