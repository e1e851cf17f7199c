"""Stacks of 3 or 4 slices, which TIFF writers take for colour planes."""

import numpy as np
import pytest
import tifffile

from napari_unet.storage.read import open_image


@pytest.mark.parametrize("slices", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_short_stack_is_a_stack(tmp_path, slices, dtype):
    data = np.random.default_rng(0).integers(0, 200, (slices, 40, 48)).astype(dtype)
    colour = {"photometric": "rgb", "planarconfig": "separate"} if slices in (3, 4) else {}
    tifffile.imwrite(tmp_path / "stack.tif", data, **colour)  # what tifffile chooses by itself, with a warning
    image = open_image(tmp_path / "stack.tif")
    assert (image.axes, image.axes_source) == ("ZYX", "guessed")
    np.testing.assert_array_equal(image.read()[0], data)


def test_colours_of_a_pixel_stay_colours(tmp_path):
    data = np.random.default_rng(0).integers(0, 200, (40, 48, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "colour.tif", data, photometric="rgb")
    assert open_image(tmp_path / "colour.tif").axes == "YXS"
