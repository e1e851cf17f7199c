"""Cells as files for other programs: read back, they are the cells; ROIs by their published layout."""

import json
import struct
import sys
import zipfile

import numpy as np
import pytest
import tifffile
import zarr
from scipy import ndimage as ndi
from skimage.draw import polygon2mask

from napari_unet.arrays.contours import contours
from napari_unet.arrays.lines import outline
from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.storage import cell_files
from napari_unet.storage.cell_files import Cells, check_cells, write_cells
from napari_unet.storage.read import open_labels, read_whole
from napari_unet.storage.samples import load_sample

SPACING = (2.0, 0.5, 0.25)
WHERE = Where((4.0, 1.0, 8.0), 4.0, 2.0, "minute")


def stack(top=19):
    """Nuclei in 3D without holes, twice in time; ids up to ``top``."""
    labels = load_sample("nuclei-3d").labels[10:16].astype(np.int64)
    for plane in labels:  # of which polygons tell nothing
        for i in np.unique(plane)[1:]:
            plane[ndi.binary_fill_holes(plane == i)] = i
    labels[labels == labels.max()] = top
    return np.stack([labels, labels[:, ::-1]])


def shapes():
    whole = stack()
    return [("YX", whole[0, 2]), ("ZYX", whole[0]), ("TYX", whole[:, 2]), ("TZYX", whole)]


def write(data, axes, path, kind, unit="micrometer"):
    told = []
    write_cells(Cells(data, axes, SPACING, unit, WHERE), path, kind, told.append)
    assert told[0] == 0
    assert told == sorted(told)
    assert [p for p in path.parent.iterdir() if p != path] == []


@pytest.mark.parametrize(("axes", "data"), shapes())
@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
@pytest.mark.parametrize("kind", ["cells", "outlines"])
def test_ome_files_hold_the_cells_or_their_outlines(tmp_path, axes, data, name, kind):
    write(data, axes, tmp_path / name, kind)
    found = open_labels(tmp_path / name)
    values = read_whole(found)
    planes = data.reshape(-1, *data.shape[-2:])
    expected = data if kind == "cells" else np.stack([outline(p) for p in planes]).reshape(data.shape)
    np.testing.assert_array_equal(values, expected)
    assert found.axes == axes
    assert (found.spacing[1:], found.unit) == (SPACING[1:], "micrometer")
    assert found.where == Where(
        (4.0 if "Z" in axes or name.endswith("tif") else 0.0, 1.0, 8.0),
        *((4.0, 2.0, "minute") if "T" in axes else ()),
    )


@pytest.mark.parametrize(
    ("given", "top", "stored"),
    [(np.uint16, 500, np.uint16), (np.int64, 500, np.int32), (np.uint64, 2**31, np.uint32), (bool, 1, np.uint8)],
)
def test_ids_of_a_type_that_ome_does_not_know_get_another(tmp_path, given, top, stored):
    data = np.array([[0, 0, top, top]]).astype(given)
    write(data, "YX", tmp_path / "a.ome.tif", "cells")
    found = tifffile.imread(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(found, data)
    assert found.dtype == stored


@pytest.mark.parametrize(("axes", "data"), shapes())
@pytest.mark.parametrize(("top", "dtype"), [(2**16 - 1, np.uint16), (2**16, np.float32)])
def test_imagej_opens_a_hyperstack_with_the_size_of_pixels(tmp_path, axes, data, top, dtype):
    data = np.where(data == 19, top, data)
    write(data, axes, tmp_path / "a.tif", "imagej")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        known = file.imagej_metadata
        assert file.series[0].axes == axes
        found = file.asarray()
        resolution = [file.pages[0].tags[name].value for name in ("XResolution", "YResolution")]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, data)
    assert known["images"] == data[..., 0, 0].size
    assert (known.get("slices", 1), known.get("frames", 1)) == (
        data.shape[axes.index("Z")] if "Z" in axes else 1,
        2 if "T" in axes else 1,
    )
    assert (known["unit"], known["spacing"], known["max"]) == ("micron", 2.0, top)
    assert [a / b for a, b in resolution] == [4.0, 2.0]
    assert known.get("finterval") == (120.0 if "T" in axes else None)


def test_without_a_known_size_imagej_counts_pixels(tmp_path):
    write(stack()[0], "ZYX", tmp_path / "a.tif", "imagej", unit="pixel")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert "unit" not in file.imagej_metadata


@pytest.mark.parametrize(("axes", "data"), shapes())
@pytest.mark.parametrize(("top", "dtype"), [(2**16 - 1, np.uint16), (2**31, np.uint32)])
def test_cellpose_gets_its_masks_under_its_name(tmp_path, axes, data, top, dtype):
    data = np.where(data == 19, top, data)
    path = check_cells(tmp_path / "img 1.tif", "cellpose")
    assert path == tmp_path / "img 1_cp_masks.tif"
    assert check_cells(path, "cellpose") == path
    write(data, axes, path, "cellpose")
    found = tifffile.imread(path)
    np.testing.assert_array_equal(found, data)
    assert found.dtype == dtype


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (
            "imagej",
            np.full((4, 5), 2**24 + 1),
            "cannot tell ids above 16,777,216 apart, the highest is 16,777,217",
        ),
        ("cellpose", np.full((4, 5), 2**32), "ids below 2^32, the highest is 4,294,967,296"),
        ("cells", np.full((4, 5), 2**32), "ids below 2^32, the highest is 4,294,967,296"),
        ("cellpose", np.full((4, 5), -3), "must not be negative, this one is -3"),
    ],
)
def test_ids_that_a_format_cannot_hold_are_named_and_nothing_is_written(tmp_path, kind, data, words):
    (tmp_path / "a.tif").write_bytes(b"older")
    with pytest.raises(UserError, match=words.replace("^", r"\^")):
        write_cells(Cells(data, "YX"), tmp_path / "a.tif", kind)
    assert (tmp_path / "a.tif").read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_too_large_for_imagej_is_said_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(cell_files, "IMAGEJ_LIMIT", 1000)
    with pytest.raises(UserError, match=r"hold 4 GB, the cells need .*: save them as OME-TIFF"):
        write_cells(Cells(stack()[0], "ZYX"), tmp_path / "a.tif", "imagej")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["cells", "imagej", "cellpose", "outlines", "geojson"])
def test_a_stack_on_disk_is_read_slice_by_slice(tmp_path, kind):
    data = stack()[0]
    array = zarr.create_array(tmp_path / "in.zarr", data=data, chunks=(1, 85, 128))
    read = []

    class Watched:
        shape, dtype = array.shape, array.dtype

        def __getitem__(self, key):
            read.append(key)
            return array[key]

    names = {"geojson": "a.geojson"}
    write_cells(Cells(Watched(), "ZYX"), tmp_path / names.get(kind, "a.tif"), kind)
    assert all(isinstance(key, tuple) and len(key) == 1 for key in read)
    assert len(read) == {"outlines": 6, "geojson": 6}.get(kind, 12)


def rasterised(shape, rings):
    """Fill rings of corners (x, y)."""
    found = np.zeros(shape, bool)
    for ring in rings:
        found |= polygon2mask(shape, np.array(ring)[:, ::-1] - 0.5)
    return found


def test_geojson_holds_every_cell_of_every_slice(tmp_path):
    data = stack()
    write(data, "TZYX", tmp_path / "a.geojson", "geojson")
    known = json.loads((tmp_path / "a.geojson").read_text())
    assert known["type"] == "FeatureCollection"
    found = np.zeros_like(data)
    for feature in known["features"]:
        assert feature["type"] == "Feature"
        geometry, number = feature["geometry"], feature["properties"]["cell"]
        polygons = geometry["coordinates"]
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        rings = [p[0] for p in polygons]
        assert all(ring[0] == ring[-1] for ring in rings)
        plane = found[geometry["plane"]["t"], geometry["plane"]["z"]]
        plane[rasterised(plane.shape, rings)] = number
    np.testing.assert_array_equal(found, data)
    names = {f["properties"]["name"] for f in known["features"]}
    assert names == {str(i) for i in np.unique(data) if i}


def test_without_roifile_the_cure_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "roifile", None)
    with pytest.raises(UserError, match=r"pip install 'napari-unet-live\[rois\]'"):
        write_cells(Cells(stack(), "TZYX"), tmp_path / "a.zip", "rois")
    assert list(tmp_path.iterdir()) == []


def read_roi(data):
    """Read a polygon as ImageJ's RoiDecoder does: kind, corners (x, y), position and (c, z, t)."""
    assert data[:4] == b"Iout"
    top, left, _, _, n = struct.unpack(">4hH", data[8:18])
    (position, second) = struct.unpack(">2i", data[56:64])
    corners = np.array(struct.unpack(f">{2 * n}h", data[64 : 64 + 4 * n])).reshape(2, n).T
    corners += np.array([left, top])
    return data[6], corners, position, struct.unpack(">3i", data[second + 4 : second + 16])


@pytest.mark.parametrize(("axes", "data"), shapes())
def test_rois_are_traced_polygons_in_their_slices(tmp_path, axes, data):
    pytest.importorskip("roifile", reason="ROIs need the optional package roifile")
    write(data, axes, tmp_path / "a.zip", "rois")
    found = np.zeros_like(data)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        rois = {name: read_roi(archive.read(name)) for name in names}
    assert len(set(names)) == len(names)
    assert len(names) == sum(len(list(contours(p))) for p in data.reshape(-1, *data.shape[-2:]))
    for name, (kind, corners, position, czt) in rois.items():
        assert kind == 8  # traced
        assert (position == 0) == (len(axes) != 3)
        assert czt == (0, 0, 0) if len(axes) < 4 else czt[0] == 1
        index = {2: (), 3: (position - 1,), 4: (czt[2] - 1, czt[1] - 1)}[len(axes)]
        told = [int(part) for part in name.removesuffix(".roi").split("-")]
        assert tuple(n - 1 for n in told[: len(index)]) == index
        plane = found[index]
        plane[rasterised(plane.shape, [corners])] = told[len(index)]
    np.testing.assert_array_equal(found, data)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("a.png", "imagej", "end the name in .tif or .tiff"),
        ("a.tif", "rois", "end the name in .zip"),
        ("a.tif", "geojson", "end the name in .geojson or .json"),
        ("a.tiff", "cells", "is or holds the image"),
        ("no/a.zip", "rois", "make it first"),
    ],
)
def test_names_that_do_not_go_are_said(tmp_path, name, kind, words):
    with pytest.raises(UserError, match=words):
        check_cells(tmp_path / name, kind, tmp_path / "a.tiff")


def test_axes_that_cells_do_not_have_are_said():
    with pytest.raises(UserError, match="not 'CYX'"):
        Cells(np.zeros((2, 3, 4), int), "CYX")
