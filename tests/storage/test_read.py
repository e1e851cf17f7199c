"""Reading: values, axes, spacing and laziness for every format."""

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from napari_unet.errors import UserError
from napari_unet.storage import budget, tiff
from napari_unet.storage.read import describe, open_image, open_images, open_labels, read_whole

STACK = np.arange(5 * 40 * 48, dtype=np.uint16).reshape(5, 40, 48)


def test_ome_tiff_tells_axes_and_voxel_size_in_micrometres(tmp_path):
    sizes = {"PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25, "PhysicalSizeZ": 1.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "ZYX", **sizes})
    image = open_image(tmp_path / "a.ome.tif")
    assert (image.axes, image.axes_source, image.unit) == ("ZYX", "file", "micrometer")
    assert image.spacing == (1.5, 0.25, 0.25)
    np.testing.assert_array_equal(image.data, STACK)


def test_imagej_tiff_tells_axes_and_voxel_size(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK,
        imagej=True,
        resolution=(4, 4),
        metadata={"axes": "TYX", "spacing": 2.0, "unit": "um"},
    )
    image = open_image(tmp_path / "a.tif")
    assert image.axes == "TYX"
    assert image.spacing == (2.0, 0.25, 0.25)


def test_axes_without_meaning_are_guessed_and_the_guess_is_told(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    image = open_image(tmp_path / "a.tif")
    assert image.axes_source == "guessed"
    assert describe(image) == "a.tif: 5 x 40 x 48 uint16, axes ZYX (guessed; tell with --axes)"
    assert describe(open_image(tmp_path / "a.tif", "tyx")) == "a.tif: 5 x 40 x 48 uint16, axes TYX"


def test_axes_that_do_not_fit_name_the_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    with pytest.raises(UserError, match=r"a\.tif: axes 'YX' name 2 axes, the array has 3"):
        open_image(tmp_path / "a.tif", "YX")


@pytest.mark.parametrize("kind", ["plain", "tiled", "compressed"])
def test_large_tiff_is_not_decoded_at_once(tmp_path, monkeypatch, kind):
    options = {
        "plain": {},
        "tiled": {"tile": (16, 16), "compression": "zlib"},
        "compressed": {"compression": "zlib"},
    }
    tifffile.imwrite(tmp_path / "a.tif", STACK, **options[kind])
    monkeypatch.setattr(tiff, "EAGER", 100)
    image = open_image(tmp_path / "a.tif")
    assert isinstance(image.data, np.memmap if kind == "plain" else zarr.Array)
    np.testing.assert_array_equal(image.read(0, slice(1, 3), slice(5, 30))[0], STACK[1:3, 5:30])


def test_big_endian_file_is_read_as_native(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, byteorder=">")
    whole = read_whole(open_image(tmp_path / "a.tif"))
    assert whole.dtype.isnative
    np.testing.assert_array_equal(whole, STACK)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("grouped", [False, True])
def test_plain_zarr_array_or_group_of_one(tmp_path, zarr_format, grouped):
    if grouped:
        target = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
        target.create_array("volume", data=STACK, chunks=(1, 20, 20))
    else:
        zarr.create_array(tmp_path / "a.zarr", data=STACK, chunks=(1, 20, 20), zarr_format=zarr_format)
    image = open_image(tmp_path / "a.zarr")
    assert isinstance(image.data, zarr.Array)
    assert (image.axes, image.axes_source) == ("ZYX", "guessed")
    np.testing.assert_array_equal(read_whole(image), STACK)


def test_dimension_names_of_a_zarr_are_its_axes(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=STACK, dimension_names=["time", "y", "x"])
    assert open_image(tmp_path / "a.zarr").axes == "TYX"


def ome_zarr(path, version, units=True):
    """Two levels, the small one listed first; voxels 2 x 0.5 x 0.5 micrometres, half of it as a common scale."""
    axes = [{"name": a, "type": "space", **({"unit": "micrometer"} if units else {})} for a in "zyx"]
    levels = [
        {"path": "half", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5, 0.5]}]},
        {"path": "full", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.25, 0.25]}]},
    ]
    common = [{"type": "scale", "scale": [2, 2, 2]}]
    scales = [{"version": "0.4", "axes": axes, "datasets": levels, "coordinateTransformations": common}]
    known = {"multiscales": scales} if version == "0.4" else {"ome": {"version": "0.5", "multiscales": scales}}
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3, attributes=known)
    group.create_array("half", data=STACK[:, ::2, ::2])
    group.create_array("full", data=STACK)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_gives_full_resolution_and_all_scales(tmp_path, version):
    ome_zarr(tmp_path / "a.ome.zarr", version)
    image = open_image(tmp_path / "a.ome.zarr")
    assert (image.axes, image.spacing, image.unit) == ("ZYX", (2.0, 0.5, 0.5), "micrometer")
    np.testing.assert_array_equal(read_whole(image), STACK)


def test_group_with_several_arrays_asks_which(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("raw", data=STACK)
    group.create_array("labels", data=STACK)
    with pytest.raises(UserError, match="it holds labels, raw"):
        open_image(tmp_path / "a.zarr")
    assert open_image(tmp_path / "a.zarr" / "raw").data.shape == STACK.shape


def test_pictures(tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (30, 40, 4), np.uint8)
    Pillow.fromarray(colours).save(tmp_path / "colour.png")
    Pillow.fromarray(STACK[0]).save(tmp_path / "deep.png")
    colour, deep = open_image(tmp_path / "colour.png"), open_image(tmp_path / "deep.png")
    assert (colour.axes, deep.axes) == ("YXS", "YX")
    np.testing.assert_array_equal(colour.data, colours[..., :3])
    np.testing.assert_array_equal(deep.data, STACK[0])


def test_rgb_can_be_told_and_denied(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8, 3), np.uint8), photometric="minisblack")
    assert open_image(tmp_path / "a.tif").axes == "ZYX"
    assert open_image(tmp_path / "a.tif", rgb=True).axes == "YXS"


def test_labels_refuse_colours_and_floats_and_take_booleans(tmp_path):
    Pillow.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "colour.png")
    with pytest.raises(UserError, match=r"colour\.png: label values cannot be told from colours"):
        open_labels(tmp_path / "colour.png")
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((30, 40), np.float32))
    with pytest.raises(UserError, match="whole numbers, these are float32"):
        open_labels(tmp_path / "float.tif")
    mask = np.eye(20, dtype=bool)
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    labels = open_labels(tmp_path / "mask.png").data
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, mask.astype(np.uint8))


def test_palette_indices_are_labels_but_colours_of_an_image(tmp_path):
    indices = np.repeat(np.arange(4, dtype=np.uint8)[:, None], 5, axis=1)
    picture = Pillow.new("P", (5, 4))
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata(indices.ravel().tolist())
    picture.save(tmp_path / "p.png")
    np.testing.assert_array_equal(open_labels(tmp_path / "p.png").data, indices)
    assert open_image(tmp_path / "p.png", "YXS").data[1, 0].tolist() == [255, 0, 0]


def test_unicode_and_spaces(tmp_path):
    folder = tmp_path / "Zellkörper 細胞"
    folder.mkdir()
    tifffile.imwrite(folder / "Bild 1 µ.tif", STACK)
    zarr.create_array(folder / "Bild 2 ß.zarr", data=STACK)
    (folder / "notes.txt").write_text("not an image")
    assert [name for name, _ in open_images(folder)] == ["Bild 1 µ.tif", "Bild 2 ß.zarr"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.tif", "no such file"),
        ("empty", "holds no images"),
        ("notes.txt", "not an image that can be read"),
        ("array.npy", "not an image that can be read"),
        ("broken.tif", "TIFF"),
        ("broken.png", "not a readable picture"),
        ("broken.zarr", "not a readable zarr"),
        ("hollow.zarr", "holds no zarr metadata"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line_with_the_path(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("text")
    np.save(tmp_path / "array.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "broken.tif").write_bytes(b"II*\0garbage garbage")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n garbage")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text('{"zarr_format": 3, "node')
    (tmp_path / "hollow.zarr").mkdir()
    with pytest.raises(UserError, match=message) as caught:
        open_images(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_cut_short_is_refused_not_shortened(tmp_path, part, compression):
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression=compression)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(UserError, match=r"a\.tif.*copy it again"):
        open_image(tmp_path / "a.tif")


def test_png_cut_short_is_refused(tmp_path):
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a\.png: not a readable picture"):
        open_image(tmp_path / "a.png")


def test_type_that_is_no_number(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((8, 8), np.complex64))
    with pytest.raises(UserError, match="complex64 cannot be used"):
        open_image(tmp_path / "a.zarr")


def test_human_sizes_round_trip_the_unit():
    assert budget.human(999) == "999 bytes"
    assert budget.human(1e30).endswith("EB")
