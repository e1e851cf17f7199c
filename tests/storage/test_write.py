"""Writing: what is read back is what was written, and an old file survives every failure."""

import errno

import numpy as np
import pytest
import tifffile
import zarr

from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.storage import budget, export, write
from napari_unet.storage.layout import image_group
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.write import create_output

SPACING = (2.0, 0.5, 0.25)
NAMES = ["a.tif", "a.ome.tif", "a.tiff", "a.zarr", "a.ome.zarr"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [((2, 37, 53), "float32", "CYX"), ((3, 4, 37, 53), "float32", "CZYX"), ((4, 37, 53), "uint8", "ZYX"),
     ((37, 53), "int32", "YX"), ((4, 37, 53), "uint32", "TYX"), ((1, 37, 53), "int32", "ZYX")],
)  # fmt: skip
def test_round_trip_in_pieces(tmp_path, name, shape, dtype, axes):
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    with create_output(tmp_path / name, shape, dtype, axes, SPACING, unit="micrometer") as array:
        assert (tuple(array.shape), np.dtype(array.dtype)) == (shape, np.dtype(dtype))
        for start in range(0, shape[-1], 20):
            array[..., start : start + 20] = values[..., start : start + 20]
    image = open_image(tmp_path / name)
    np.testing.assert_array_equal(read_whole(image).reshape(shape), values)
    assert image.data.dtype == dtype
    if 1 not in shape:  # TIFF drops axes of length 1
        assert (image.axes, image.axes_source, image.unit) == (axes, "file", "micrometer")
    assert image.spacing[1:] == SPACING[1:]
    assert image.spacing[0] == (2.0 if "Z" in image.axes else image.spacing[0])
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_ome_zarr_stores_time_before_channels(tmp_path):
    """The OME-Zarr specification demands time, channel, space; outputs come with the classes first."""
    values = np.random.default_rng(0).random((2, 3, 4, 20, 30)).astype(np.float32)
    with create_output(tmp_path / "a.zarr", values.shape, "f4", "CTZYX", SPACING, chunks=(2, 1, 1, 16, 8)) as out:
        assert (tuple(out.shape), out.dtype) == (values.shape, np.float32)
        out[:, 0] = values[:, 0]
        out[:, 1, 2:, :8] = values[:, 1, 2:, :8]
        out[1, 1, :2, ..., 7] = values[1, 1, :2, :, 7]
        out[0, 2] = 9
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    axes = group.attrs["ome"]["multiscales"][0]["axes"]
    assert [a["type"] for a in axes] == ["time", "channel", "space", "space", "space"]
    assert (group["0"].chunks, group["0"].metadata.dimension_names) == ((1, 2, 1, 16, 8), tuple("tczyx"))
    expected = np.zeros_like(values)
    expected[:, 0] = values[:, 0]
    expected[:, 1, 2:, :8] = values[:, 1, 2:, :8]
    expected[1, 1, :2, :, 7] = values[1, 1, :2, :, 7]
    expected[0, 2] = 9
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.spacing) == ("TCZYX", SPACING)
    np.testing.assert_array_equal(np.moveaxis(read_whole(image), 1, 0), expected)
    for t in range(3):
        np.testing.assert_array_equal(image.read(t), expected[:, t])


def test_tiff_is_compressed_and_names_its_channels(tmp_path):
    with create_output(tmp_path / "a.tif", (2, 500, 500), "f4", "CYX", classes=["cell", "boundary"]) as array:
        array[0] = 1
    assert (tmp_path / "a.tif").stat().st_size < 100_000
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert 'Name="boundary"' in file.ome_metadata
        assert file.pages[0].photometric.name == "MINISBLACK"


def test_spacing_in_pixels_stays_a_ratio(tmp_path):
    for name in ("a.tif", "a.zarr"):
        with create_output(tmp_path / name, (2, 9, 9), "u1", "ZYX", (3.0, 1.0, 1.0)):
            pass
        image = open_image(tmp_path / name)
        assert (image.spacing, image.unit) == ((3.0, 1.0, 1.0), "pixel")


def test_ome_zarr_metadata(tmp_path):
    with create_output(tmp_path / "a.zarr", (4, 700, 30), "i4", "ZYX", SPACING, unit="micrometer", cells=True):
        pass
    group = image_group(tmp_path / "a.zarr", "r")
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    assert ome["image-label"] == {"version": "0.5"}
    assert [(a["name"], a["unit"]) for a in ome["multiscales"][0]["axes"]] == [(a, "micrometer") for a in "zyx"]
    assert group["0"].chunks == (1, 512, 30)
    assert group["0"].metadata.zarr_format == 3
    assert group["1"].shape == (4, 350, 15)
    assert [d["path"] for d in ome["multiscales"][0]["datasets"]] == ["0", "1"]


@pytest.mark.parametrize("cells", [True, False])
def test_large_ome_zarr_becomes_a_pyramid(tmp_path, cells):
    values = np.random.default_rng(0).integers(0, 200, (2, 3, 700, 900)).astype(np.uint8)
    with create_output(
        tmp_path / "a.zarr", values.shape, "u1", "CTYX", SPACING, unit="micrometer", cells=cells,
        where=Where((0, 20, 30)), creator={"model": "m.unet"},
    ) as out:  # fmt: skip
        out[...] = values
    group = image_group(tmp_path / "a.zarr", "r")
    assert group.attrs["napari_unet"] == {"model": "m.unet"}
    assert group["1"].shape == (3, 2, 350, 450)
    stored = np.moveaxis(values, 0, 1)
    boxes = stored.reshape(3, 2, 350, 2, 450, 2)
    expected = boxes[..., 0, :, 0] if cells else np.rint(boxes.mean((3, 5)))
    np.testing.assert_array_equal(group["1"][:], expected)
    last = group.attrs["ome"]["multiscales"][0]["datasets"][1]["coordinateTransformations"][1]["translation"]
    assert last == ([0, 0, 20, 30] if cells else [0, 0, 20.25, 30.125])
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.spacing[1:]) == ("TCYX", SPACING[1:])
    np.testing.assert_array_equal(read_whole(image), stored)


def half_write(path):
    with create_output(path, (4, 4), "u1", "YX") as array:
        array[:2] = 9
        raise OSError(errno.ENOSPC, "disk is full")


@pytest.mark.parametrize("name", NAMES)
def test_old_file_survives_a_failure(tmp_path, name):
    with create_output(tmp_path / name, (4, 4), "u1", "YX") as array:
        array[...] = 7
    with pytest.raises(OSError, match="disk is full"):
        half_write(tmp_path / name)
    assert (read_whole(open_image(tmp_path / name)) == 7).all()
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_old_tiff_survives_a_disk_that_fills_up_in_the_last_step(tmp_path, monkeypatch):
    with create_output(tmp_path / "a.tif", (4, 4), "u1", "YX") as array:
        array[...] = 7

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export.tifffile, "imwrite", full)
    with (
        pytest.raises(OSError, match="No space left"),
        create_output(tmp_path / "a.tif", (4, 4), "u1", "YX") as array,
    ):
        array[...] = 9
    monkeypatch.undo()
    assert (read_whole(open_image(tmp_path / "a.tif")) == 7).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_disk_that_is_full_from_the_start(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "_ALLOCATED", full)
    with pytest.raises(OSError, match="No space left"), create_output(tmp_path / "a.tif", (4, 4), "u1", "YX"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_disk_space_is_checked_before_the_start(tmp_path, name):
    shape = (40, 10**6, 10**6)
    with (
        pytest.raises(UserError, match=r"may need .* TB, the disk of .* free"),
        create_output(tmp_path / name, shape, "u1", "ZYX"),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a", "a.hdf5"])
def test_unknown_suffix_names_the_known_ones(tmp_path, name):
    with (
        pytest.raises(UserError, match=r"end the name in \.tif, \.ome\.tif, \.zarr, \.ome\.zarr"),
        create_output(tmp_path / name, (4, 4), "u1", "YX"),
    ):
        pass


def test_missing_folder_and_folder_in_the_way(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        write.check_output(tmp_path / "no" / "a.tif")
    (tmp_path / "a.tif").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        write.check_output(tmp_path / "a.tif")
    (tmp_path / "b.zarr").write_text("")
    with pytest.raises(UserError, match="is a file"):
        write.check_output(tmp_path / "b.zarr")


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(**_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(write.tempfile, "TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(UserError, match=r"cannot write into the folder .*Permission denied"):
        write.check_output(tmp_path / "a.tif")


def test_sizes_are_counted_without_overflow():
    assert budget.nbytes((10**7, 10**7, 10**7), "f4") == 4 * 10**21
