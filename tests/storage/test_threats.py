"""Files made to do harm: claims of terabytes, and code in a codec."""

import json
import pickle

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from napari_unet.errors import UserError
from napari_unet.storage import budget
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.records import read_record
from napari_unet.storage.stamp import read_stamp

TERA = 10**12


def test_tiff_that_claims_terabytes(tmp_path):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib", rowsperstrip=64)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[tag].overwrite(3_000_000)
    assert path.stat().st_size < 10_000
    with pytest.raises(UserError, match=r"bomb\.tif needs 9\.0 TB of memory"):
        open_image(path)


def test_zarr_chunk_that_claims_terabytes(tmp_path):
    zarr.create_array(
        tmp_path / "bomb.zarr", shape=(2_000_000, 2_000_000), chunks=(1_000_000, 2_000_000), dtype="u1"
    )
    with pytest.raises(UserError, match=r"one chunk \(1000000, 2000000\) of .*bomb\.zarr needs 2\.0 TB"):
        open_image(tmp_path / "bomb.zarr")


def test_zarr_that_claims_terabytes_opens_but_is_not_read_whole(tmp_path):
    zarr.create_array(tmp_path / "big.zarr", shape=(2_000_000, 2_000_000), chunks=(512, 512), dtype="u1")
    image = open_image(tmp_path / "big.zarr")
    assert image.read(0, slice(None), slice(0, 4), slice(0, 4)).sum() == 0
    with pytest.raises(UserError, match=r"big\.zarr needs 4\.0 TB"):
        read_whole(image)


def test_picture_is_measured_before_it_is_decoded(tmp_path, monkeypatch):
    Pillow.new("L", (3000, 3000)).save(tmp_path / "a.png")
    monkeypatch.setattr(budget, "available_memory", lambda: 10**6)
    with pytest.raises(UserError, match=r"a\.png needs 9\.0 MB of memory, 1\.0 MB are free"):
        open_image(tmp_path / "a.png")


class _Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_pickle_codec_of_a_zarr_never_runs(tmp_path):
    """A numeric zarr 2 array may name the filter 'pickle', whose decoding runs code from the chunk."""
    path, marker = tmp_path / "evil.zarr", tmp_path / "marker"
    zarr.create_array(path, data=np.zeros((4, 4), np.uint8), chunks=(4, 4), zarr_format=2, compressors=None)
    known = json.loads((path / ".zarray").read_text())
    known["filters"] = [{"id": "pickle", "protocol": 5}]
    (path / ".zarray").write_text(json.dumps(known))
    (path / "0.0").write_bytes(pickle.dumps(_Evil(marker)))
    with pytest.raises(UserError, match="evil"):
        read_whole(open_image(path))
    assert not marker.exists()


@pytest.mark.parametrize("text", ["<OME", "<OME>", "<OME><Pixels PhysicalSizeX='wide'/>"])
def test_damaged_ome_metadata_tell_nothing(tmp_path, text):
    path, pixels = tmp_path / "a.ome.tif", np.arange(64, dtype=np.uint8).reshape(8, 8)
    tifffile.imwrite(path, pixels, metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5})
    assert open_image(path).spacing == (0.5, 0.5, 0.5)
    with tifffile.TiffFile(path, mode="r+") as file:
        known = file.pages.first.tags["ImageDescription"].value
        file.pages.first.tags["ImageDescription"].overwrite(text.ljust(len(known) - 8) + " </OME>")
    image = open_image(path)
    assert (image.spacing, image.unit) == ((1.0, 1.0, 1.0), "pixel")
    np.testing.assert_array_equal(image.data, pixels)
    assert read_record(path) is None


@pytest.mark.parametrize("length", [3, 9])
def test_a_stump_of_a_tiff_tells_nothing(tmp_path, length):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    path.write_bytes(path.read_bytes()[:length])
    assert read_record(path) is None
    assert read_stamp(path) is None
    with pytest.raises(UserError, match=r"a\.tif: not a readable TIFF"):
        open_image(path)
