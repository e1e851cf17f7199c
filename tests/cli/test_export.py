"""``napari-unet export``: cells as other programs expect them."""

import json

import numpy as np
import pytest
import tifffile
import zarr

from cli_tools import run
from napari_unet.arrays.lines import outline
from napari_unet.cli import progress
from napari_unet.storage.cell_files import Cells, write_cells
from napari_unet.storage.read import open_labels, read_whole
from napari_unet.storage.samples import load_sample


@pytest.fixture
def cells(tmp_path):
    """A stack of cells with its size of pixels."""
    data = load_sample("nuclei-3d").labels[10:14].astype(np.int32)
    write_cells(Cells(data, "ZYX", (2.0, 0.5, 0.5), "micrometer"), tmp_path / "cells.ome.tif", "cells")
    return data


@pytest.mark.parametrize(
    ("name", "kind", "written"),
    [
        ("a.tif", "imagej", "a.tif"),
        ("a.tif", "cellpose", "a_cp_masks.tif"),
        ("a_cp_masks.tif", None, "a_cp_masks.tif"),
        ("a.zarr", "outlines", "a.zarr"),
        ("a.ome.zarr", None, "a.ome.zarr"),
        ("a.geojson", None, "a.geojson"),
    ],
)
def test_cells_become_what_is_asked_for(tmp_path, cells, name, kind, written):
    options = ["--as", kind] if kind else []
    result = run("export", tmp_path / "cells.ome.tif", "-o", tmp_path / name, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"saved {tmp_path / written}\n"
    beside = [f"{written}.json"] if written.endswith(".geojson") else []
    assert {p.name for p in tmp_path.iterdir()} == {"cells.ome.tif", written, *beside}
    if written.endswith("json"):
        numbers = {f["properties"]["cell"] for f in json.loads((tmp_path / written).read_text())["features"]}
        assert numbers == set(np.unique(cells)[1:].tolist())
        return
    found = open_labels(tmp_path / written)
    expected = np.stack([outline(p) for p in cells]) if kind == "outlines" else cells
    np.testing.assert_array_equal(read_whole(found), expected)
    if written != "a_cp_masks.tif":
        assert found.spacing == (2.0, 0.5, 0.5)
    if kind == "imagej":
        with tifffile.TiffFile(tmp_path / written) as file:
            assert file.imagej_metadata["slices"] == 4


def test_a_folder_becomes_a_folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("nuclei-1", "nuclei-2"):
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", load_sample(name).labels)
    result = run("export", tmp_path / "in", "-o", tmp_path / "out", "--as", "cellpose")
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "nuclei-1_cp_masks.tif",
        "nuclei-2_cp_masks.tif",
    ]
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out" / "nuclei-2_cp_masks.tif"), load_sample("nuclei-2").labels
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("cells.ome.tif -o a.ply", "end the name in .tif, .ome.tif, .zarr, .ome.zarr, .zip (ImageJ's ROIs) or"),
        ("cells.ome.tif -o cells.ome.tif", "is or holds the image"),
        ("cells.ome.tif -o cells.ome.tif --as imagej", "is or holds the image"),
        ("cells.ome.tif -o a.zip --as geojson", "end the name in .geojson or .json"),
        ("cells.ome.tif -o foreign.zarr", "holds more than an output"),
        ("cells.ome.tif -o no/a.tif", "make it first"),
        ("missing.tif -o a.tif", "no such file"),
        ("grey.tif -o a.tif", "labels must be whole numbers"),
        ("colours.tif -o a.tif", "cells have no channels"),
        (". -o .", "choose another folder"),
        (". -o a.tif", "the output must be a folder too"),
    ],
)
def test_mistakes_are_said_and_nothing_is_overwritten(tmp_path, cells, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("grey.tif", np.zeros((8, 8), np.float32))
    tifffile.imwrite(
        "colours.tif", np.ones((2, 8, 8), np.uint8), photometric="minisblack", metadata={"axes": "CYX"}
    )
    zarr.open_group("foreign.zarr", mode="w").create_array("mine", data=np.zeros((4, 4), np.uint8))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    result = run("export", *arguments.split())
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_file_goes_into_a_folder(tmp_path, cells):
    (tmp_path / "masks").mkdir()
    result = run("export", tmp_path / "cells.ome.tif", "-o", tmp_path / "masks", "--as", "cellpose")
    assert result.exit_code == 0, result.output
    assert [p.name for p in (tmp_path / "masks").iterdir()] == ["cells_cp_masks.tif"]


def test_an_older_file_is_replaced_when_the_new_one_is_whole(tmp_path, cells):
    for _ in range(2):
        result = run("export", tmp_path / "cells.ome.tif", "-o", tmp_path / "a.geojson")
        assert result.exit_code == 0
    assert json.loads((tmp_path / "a.geojson").read_text())["type"] == "FeatureCollection"


def test_a_file_without_cells_is_warned_of(tmp_path):
    write_cells(Cells(np.zeros((2, 9, 9), np.uint8), "ZYX"), tmp_path / "none.ome.tif", "cells")
    result = run("export", tmp_path / "none.ome.tif", "-o", tmp_path / "a.geojson")
    assert result.exit_code == 0
    warning = f"warning: {tmp_path / 'none.ome.tif'} holds no cells: all its pixels are 0"
    assert result.stderr.splitlines()[0] == warning
    assert (tmp_path / "a.geojson").exists()


def test_progress_that_is_shown_ends(monkeypatch, capsys):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    with progress.telling("a.tif", "writing") as tell:
        for part in (0.0, 0.5, 0.999):
            tell(part)
    lines = [f"a.tif: {percent}%, writing\n" for percent in (50, 99, 100)]
    assert capsys.readouterr().err == "".join(lines)
    monkeypatch.setattr(progress, "INTERVAL", 60.0)
    with progress.telling("a.tif", "writing") as tell:
        for part in (0.0, 0.5, 0.999):
            tell(part)
    assert capsys.readouterr().err == lines[0] + lines[-1]
