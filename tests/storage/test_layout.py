"""Where an OME-Zarr keeps its image, and that older outputs are still read."""

import json

import numpy as np
import pytest
import zarr
from ome_types import from_xml

from napari_unet.errors import UserError
from napari_unet.storage.layout import image_group, is_own, new_image
from napari_unet.storage.ome_zarr import metadata
from napari_unet.storage.read import open_image, open_labels, read_whole

VALUES = np.arange(2 * 3 * 8 * 9, dtype=np.int32).reshape(2, 3, 8, 9)


def known(*, cells, creator=None):
    return metadata("TZYX", (2.0, 0.5, 0.25), "micrometer", "a", cells=cells, creator=creator)


@pytest.mark.parametrize("cells", [True, False])
def test_images_of_both_layouts_are_opened(tmp_path, cells):
    group = new_image(tmp_path / "a.zarr", known(cells=cells), VALUES.shape, (1, 1, 8, 4), VALUES.dtype)
    group["0"][:] = VALUES
    assert image_group(tmp_path / "a.zarr") == group
    assert (group["0"].chunks, group["0"].metadata.dimension_names) == ((1, 1, 8, 4), tuple("tzyx"))
    for opened in (open_image(tmp_path / "a.zarr"), open_labels(tmp_path / "a.zarr")):
        assert (opened.axes, opened.axes_source) == ("TZYX", "file")
        assert (opened.spacing, opened.unit) == ((2.0, 0.5, 0.25), "micrometer")
        np.testing.assert_array_equal(read_whole(opened), VALUES)


def test_labels_of_earlier_versions_are_opened(tmp_path):
    """They were a root group with one level and image-label metadata."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3, attributes=known(cells=True))
    group.create_array("0", data=VALUES, chunks=(1, 1, 8, 9))
    labels = open_labels(tmp_path / "a.zarr")
    assert (labels.axes, labels.spacing) == ("TZYX", (2.0, 0.5, 0.25))
    np.testing.assert_array_equal(read_whole(labels), VALUES)
    assert image_group(tmp_path / "a.zarr") == group
    assert is_own(tmp_path / "a.zarr")


def test_labels_are_described_for_other_programs(tmp_path):
    """The layout "bioformats2raw" of the specification: a series, and its OME-XML, which must be valid."""
    new_image(tmp_path / "a.zarr", known(cells=True), VALUES.shape, (1, 1, 8, 9), VALUES.dtype)
    root = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert root.attrs["ome"] == {"version": "0.5", "bioformats2raw.layout": 3}
    assert root["OME"].attrs["ome"] == {"version": "0.5", "series": ["0"]}
    (image,) = from_xml((tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").read_bytes()).images
    pixels = image.pixels
    assert (image.id, image.name, pixels.type.value) == ("Image:0", "a", "int32")
    assert (pixels.size_t, pixels.size_c, pixels.size_z, pixels.size_y, pixels.size_x) == (2, 1, 3, 8, 9)
    sizes = (pixels.physical_size_z, pixels.physical_size_y, pixels.physical_size_x)
    assert (sizes, pixels.physical_size_x_unit.value) == ((2.0, 0.5, 0.25), "µm")


def test_types_that_ome_does_not_know(tmp_path):
    with pytest.raises(UserError, match="type int64 have no name in OME; write them as int32"):
        new_image(tmp_path / "a.zarr", known(cells=True), VALUES.shape, (1, 1, 8, 9), np.dtype("i8"))
    assert not (tmp_path / "a.zarr").exists()


def test_whose_folder(tmp_path):
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    assert is_own(folder)
    (folder / "1").mkdir()
    assert not is_own(folder)
    for written in ("damaged", json.dumps([]), json.dumps({"attributes": {"ome": {}}})):
        (folder / "zarr.json").write_text(written)
        assert not is_own(folder)
    (folder / "zarr.json").write_text(json.dumps({"attributes": {"napari_unet": {}}}))
    assert is_own(folder)
