"""Places and times of frames: read as files tell them, written, and read back."""

import re

import numpy as np
import pytest
import tifffile
import zarr

from napari_unet.arrays.region import Region
from napari_unet.arrays.where import UNPLACED, Where
from napari_unet.storage.cut import cut
from napari_unet.storage.export import export_tiff
from napari_unet.storage.layout import image_group
from napari_unet.storage.read import open_image
from napari_unet.storage.write import create_output

SPACING = (2.0, 0.5, 0.25)
WHERE = Where((10.0, 5.0, -2.5), 60.0, 30.0, "second")
VALUES = np.zeros((3, 2, 20, 20), np.uint8)


def save(path, where, axes="TZYX", values=VALUES, unit="micrometer", **options):
    with create_output(path, values.shape, values.dtype, axes, SPACING, unit=unit, where=where, **options):
        pass
    return open_image(path)


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif"])
@pytest.mark.parametrize("where", [WHERE, Where(step=1.0, time_unit="minute"), Where((0.0, 0.0, 3.0)), UNPLACED])
@pytest.mark.parametrize("cells", [True, False])
def test_what_is_written_is_read_back(tmp_path, name, where, cells):
    assert save(tmp_path / name, where, cells=cells).where == where
    assert save(tmp_path / name, where, unit="pixel").where == where


@pytest.mark.parametrize("cells", [True, False])
def test_ome_zarr_tells_times_at_every_level(tmp_path, cells):
    save(tmp_path / "a.zarr", WHERE, "TCYX", np.zeros((3, 2, 700, 600), np.uint8), cells=cells)
    image = image_group(tmp_path / "a.zarr", "r").attrs["ome"]["multiscales"][0]
    assert [a.get("unit") for a in image["axes"]] == ["second", None, "micrometer", "micrometer"]
    half = (5.0, -2.5) if cells else (5.25, -2.375)
    levels = [[t[t["type"]] for t in d["coordinateTransformations"]] for d in image["datasets"]]
    assert levels == [
        [[30.0, 1.0, 0.5, 0.25], [60.0, 0.0, 5.0, -2.5]],
        [[30.0, 1.0, 1.0, 0.5], [60.0, 0.0, *half]],
    ]


def test_the_xml_beside_labels_tells_times_too(tmp_path):
    save(tmp_path / "a.zarr", Where(step=2.5, time_unit="minute"), cells=True)
    known = (tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").read_text(encoding="utf-8")
    assert 'TimeIncrement="2.5" TimeIncrementUnit="min"' in known


def test_ome_tiff_tells_times_of_all_planes(tmp_path):
    export_tiff(np.zeros((2, 3, 2, 8, 9), np.uint8), tmp_path / "a.ome.tif", "CTZYX", SPACING, where=WHERE)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["TimeIncrement"], pixels["TimeIncrementUnit"]) == (30.0, "s")
    times = {(p["TheC"], p["TheT"], p["TheZ"]): (p["DeltaT"], p["DeltaTUnit"]) for p in pixels["Plane"]}
    assert times == {(c, t, z): (60.0 + 30.0 * t, "s") for c in range(2) for t in range(3) for z in range(2)}


def test_a_tiff_claims_no_unit_of_time_that_nobody_knows(tmp_path):
    """In OME-XML a time without a unit is in seconds."""
    save(tmp_path / "a.ome.tif", Where(start=60.0, step=30.0))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert not re.search("TimeIncrement|DeltaT", file.ome_metadata)
    assert save(tmp_path / "a.ome.zarr", Where(start=60.0, step=30.0)).where == Where(start=60.0, step=30.0)


def ome_zarr(path, transforms, common=(), units=("s", "nanometer", "nanometer")):
    """An image of 0.4 with axes t, y, x."""
    types = ("time", "space", "space")
    axes = [{"name": a, "type": k, "unit": u} for a, k, u in zip("tyx", types, units, strict=True)]
    levels = [{"path": "0", "coordinateTransformations": [{"type": k, k: v} for k, v in transforms]}]
    scales = {"version": "0.4", "axes": axes, "datasets": levels}
    if common:
        scales["coordinateTransformations"] = [{"type": k, k: v} for k, v in common]
    group = zarr.open_group(path, mode="w", zarr_format=2, attributes={"multiscales": [scales]})
    group.create_array("0", data=VALUES[:, 0])
    return open_image(path)


def test_transforms_of_ome_zarr_follow_each_other(tmp_path):
    given = [("scale", [15, 250, 250]), ("translation", [5, 1000, 2000])]
    image = ome_zarr(tmp_path / "a.zarr", given, [("scale", [2, 2, 2]), ("translation", [1, 0, 500])])
    assert (image.spacing, image.unit) == ((0.5, 0.5, 0.5), "micrometer")
    assert image.where == Where((0.0, 2.0, 4.5), 11.0, 30.0, "second")


def test_units_that_are_unknown_leave_numbers_as_they_are(tmp_path):
    given = [("scale", [15, 2, 2]), ("translation", [5, 10, 20])]
    image = ome_zarr(tmp_path / "a.zarr", given, units=("frame", "parsec", "parsec"))
    assert (image.spacing, image.unit, image.where) == (
        (2.0, 2.0, 2.0),
        "pixel",
        Where((0.0, 10.0, 20.0), 5.0, 15.0),
    )


def test_senseless_transforms_place_nothing(tmp_path):
    assert ome_zarr(tmp_path / "a.zarr", [("scale", [0, 2, 2]), ("translation", [5, 0, 0])]).where == UNPLACED
    short = ome_zarr(tmp_path / "b.zarr", [("scale", [4, 2, 2]), ("translation", [5])])
    assert short.where == Where(step=4.0, time_unit="second")


def ome_tiff(path, planes, **pixels):
    sizes = {f"PhysicalSize{a}": 0.5 for a in "ZYX"}
    count = VALUES.shape[0] * VALUES.shape[1]
    metadata = {"axes": "TZYX", **sizes, **pixels, "Plane": {k: [v] * count for k, v in planes.items()}}
    tifffile.imwrite(path, VALUES, photometric="minisblack", metadata=metadata)
    return open_image(path).where


def test_units_in_ome_tiff_are_minded(tmp_path):
    planes = {"DeltaT": 1500.0, "DeltaTUnit": "ms", "PositionX": 2.0, "PositionXUnit": "mm"}
    found = ome_tiff(tmp_path / "a.ome.tif", planes, TimeIncrement=0.5, TimeIncrementUnit="min")
    assert found == Where((0.0, 0.0, 2000.0), pytest.approx(0.025), 0.5, "minute")
    assert ome_tiff(tmp_path / "a.ome.tif", {"DeltaT": 3.0}, TimeIncrement=2.0) == Where(
        (0, 0, 0), 3.0, 2.0, "second"
    )


@pytest.mark.parametrize("unit", [{}, {"PositionXUnit": "reference frame"}, {"PositionXUnit": "pixel"}])
def test_places_of_a_stage_in_no_unit_of_length_are_left_out(tmp_path, unit):
    assert ome_tiff(tmp_path / "a.ome.tif", {"PositionX": 2.0, **unit}, TimeIncrement=0.0) == UNPLACED


def test_imagej_counts_in_seconds_unless_it_says_so(tmp_path):
    for more, unit in (({}, "second"), ({"tunit": "min"}, "minute")):
        metadata = {"axes": "TYX", "finterval": 2.5, **more}
        tifffile.imwrite(tmp_path / "a.tif", VALUES[:, 0], imagej=True, metadata=metadata)
        assert open_image(tmp_path / "a.tif").where == Where(step=2.5, time_unit=unit)


def test_a_part_lies_where_it_was(tmp_path):
    image = save(tmp_path / "a.ome.zarr", WHERE)
    part = cut(image, Region((1, 3), (1, 2), (4, 8), (0, 20)))
    assert part.where == Where((12.0, 7.0, -2.5), 90.0, 30.0, "second")
