"""OME-TIFF plane by plane: what tifffile writes from an array in memory, in little memory."""

import errno
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.arrays.where import Where
from napari_unet.storage import export
from napari_unet.storage.export import export_tiff
from napari_unet.storage.read import open_image, read_whole

SPACING = (2.0, 0.5, 0.25)


def at_once(path, array, axes, classes=()):
    """Write the array in one piece, as earlier versions did."""
    known = {"axes": axes, "MapAnnotation": {"Namespace": "napari_unet", "napari_unet": "{}"}}
    for axis, length in zip("ZYX", SPACING, strict=True):
        if axis in axes:
            known |= {f"PhysicalSize{axis}": length, f"PhysicalSize{axis}Unit": "µm"}
    if classes:
        known["Channel"] = {"Name": list(classes)}
    tifffile.imwrite(path, array, ome=True, photometric="minisblack", compression="zlib", metadata=known)


def content(path):
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
        pages = [(p.shape, p.photometric, p.compression) for p in file.pages]
        return xml[xml.index("<Image") :], pages, file.series[0].axes, file.asarray()


@pytest.mark.parametrize(
    ("shape", "axes", "dtype"),
    [((37, 53), "YX", "u1"), ((3, 37, 53), "ZYX", "i4"), ((1, 37, 53), "ZYX", "u1"), ((4, 37, 53), "TYX", "u4"),
     ((2, 37, 53), "CYX", "f4"), ((2, 1, 37, 53), "CZYX", "f4"), ((2, 3, 4, 37, 53), "CTZYX", "f4"),
     ((3, 2, 4, 37, 53), "TCZYX", "u2"), ((4, 3, 37, 53), "TZYX", "u1"), ((5, 1), "YX", "u1")],
)  # fmt: skip
@pytest.mark.parametrize("source", ["numpy", "zarr", "deep zarr"])
def test_same_as_at_once(tmp_path, shape, axes, dtype, source):
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    classes = ["cell", "boundary"] if "C" in axes else []
    at_once(tmp_path / "a.tif", values, axes, classes)
    array = values
    if source != "numpy":
        chunks = (*[1 if source == "zarr" else 2] * (len(shape) - 2), 20, 20)
        array = zarr.create_array(
            {}, data=values, chunks=tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))
        )
    export_tiff(array, tmp_path / "b.tif", axes, SPACING, unit="micrometer", classes=classes)
    old, new = content(tmp_path / "a.tif"), content(tmp_path / "b.tif")
    assert new[:3] == old[:3]
    np.testing.assert_array_equal(new[3], old[3])
    image = open_image(tmp_path / "b.tif")
    before = open_image(tmp_path / "a.tif")
    assert (image.axes, image.spacing, image.unit) == (before.axes, before.spacing, "micrometer")
    np.testing.assert_array_equal(read_whole(image).reshape(shape), values)
    assert ('Name="boundary"' in new[0]) == bool(classes)


def test_colours_come_last(tmp_path):
    values = np.random.default_rng(0).integers(0, 200, (4, 20, 30, 3), np.uint8)
    export_tiff(values, tmp_path / "a.tif", "ZYXS")
    image = open_image(tmp_path / "a.tif")
    assert image.axes == "ZYXS"
    np.testing.assert_array_equal(read_whole(image), values)
    with pytest.raises(ValueError, match="YX must come last"):
        export_tiff(values, tmp_path / "b.tif", "YXCZ")


def test_a_region_keeps_its_place(tmp_path):
    values = np.zeros((2, 3, 8, 9), np.uint8)
    export_tiff(values, tmp_path / "a.tif", "CZYX", SPACING, unit="micrometer", where=Where((10.0, 5.0, 2.5)))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        planes = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]["Plane"]
    places = {(p["TheC"], p["TheZ"]): (p["PositionZ"], p["PositionY"], p["PositionX"]) for p in planes}
    assert places == {(c, z): (10.0 + 2 * z, 5.0, 2.5) for c in range(2) for z in range(3)}
    assert {p["PositionZUnit"] for p in planes} == {"µm"}


@given(st.integers(1, 3), st.integers(1, 150), st.integers(1, 150), st.integers(16, 3000))
def test_large_planes_are_stored_in_tiles(depth, height, width, limit):
    """With tiles of 16 voxels, and tiny limits: the same values, wherever the tiles end."""
    values = np.random.default_rng(0).integers(0, 60_000, (depth, height, width), np.uint16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "TILE", 16)
        patch.setattr(export, "LARGE", limit)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.tif")
            export_tiff(values, path, "ZYX")
            with tifffile.TiffFile(path) as file:
                assert file.pages[0].is_tiled == (2 * height * width > limit)
                np.testing.assert_array_equal(file.asarray().reshape(values.shape), values)


class Recorded:
    """Random planes that were never all there, and how many are asked for at once."""

    def __init__(self, shape, chunks):
        self.shape, self.chunks, self.dtype, self.most = shape, chunks, np.dtype("u1"), 0
        self._plane = np.random.default_rng(0).integers(0, 255, shape[1:], np.uint8)

    def __getitem__(self, key):
        deep = len(range(*key[0].indices(self.shape[0])))
        self.most = max(self.most, deep)
        return np.repeat(self._plane[None], deep, axis=0)


@pytest.mark.parametrize("chunk", [1, 4])
def test_memory_is_a_few_planes(tmp_path, chunk, monkeypatch):
    monkeypatch.setattr(export, "LARGE", 2**24)
    array = Recorded((40, 1500, 2000), (chunk, 512, 512))
    tracemalloc.start()
    export_tiff(array, tmp_path / "a.tif", "ZYX")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert array.most == chunk
    assert peak < 60e6  # of 120 MB; a plane has 3 MB, and as many bytes as LARGE are compressed at once


@pytest.mark.parametrize("after", [0, 3])
def test_an_older_file_survives(tmp_path, after):
    class Failing(Recorded):
        def __getitem__(self, key):
            if key[0].start >= after:
                raise OSError(errno.EIO, "cannot be read")
            return super().__getitem__(key)

    export_tiff(np.full((4, 4), 7, np.uint8), tmp_path / "a.tif", "YX")
    with pytest.raises(OSError, match="cannot be read"):
        export_tiff(Failing((5, 8, 8), None), tmp_path / "a.tif", "ZYX")
    assert (read_whole(open_image(tmp_path / "a.tif")) == 7).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
