"""Nothing that is not ours is overwritten."""

import json
import os
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow
from safetensors.numpy import save_file

from cli_tools import SHORT, good, run
from napari_unet.cli.predict import plan
from napari_unet.errors import UserError
from napari_unet.storage.read import open_image
from napari_unet.storage.write import check_output, create_output

CELLS = np.repeat(np.arange(1, 5, dtype=np.int32), 64).reshape(16, 16)


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


@pytest.fixture
def folder(loop, tmp_path, monkeypatch):
    """A model, an image and cells, and files of others: a raw image, a picture, a table, polygons, weights."""
    for name in ("model.safetensors", "image.tif"):
        shutil.copy(loop[0] / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("cells.tif", CELLS)
    tifffile.imwrite("stack.tif", np.stack([CELLS] * 2), metadata={"axes": "ZYX"})
    known = {"photometric": "minisblack", "metadata": {"axes": "CYX"}}
    tifffile.imwrite("probabilities.tif", np.full((3, 16, 16), 0.3, np.float32), **known)
    tifffile.imwrite("raw.tif", CELLS)
    tifffile.imwrite("raw.ome.tif", CELLS.astype(np.uint8), ome=True)
    tifffile.imwrite("raw_cp_masks.tif", CELLS.astype(np.uint16), imagej=True)
    Pillow.fromarray(CELLS.astype(np.uint8)).save("raw.png")
    for name in ("raw.csv", "raw.zip", "raw.geojson"):
        (tmp_path / name).write_text("a year of work")
    save_file({"a": CELLS}, "raw.safetensors")
    (tmp_path / "truth").mkdir()
    (tmp_path / "drawn").mkdir()
    shutil.copy("cells.tif", "truth/a.tif")
    shutil.copy("raw.tif", "drawn/a.tif")
    (tmp_path / "images").mkdir()
    shutil.copy("image.tif", "images/a.tif")
    return tmp_path


COMMANDS = {
    "predict": ("predict model.safetensors image.tif -o {}", "raw.tif"),
    "predict as OME": ("predict model.safetensors image.tif -o {}", "raw.ome.tif"),
    "predict a folder": ("predict model.safetensors images -o drawn", "drawn/a.tif"),
    "cells": ("cells probabilities.tif -o {}", "raw.tif"),
    "link": ("link stack.tif -o {}", "raw.tif"),
    "export": ("export cells.tif -o {}", "raw.ome.tif"),
    "export for ImageJ": ("export cells.tif -o {} --as imagej", "raw.tif"),
    "export for Cellpose": ("export cells.tif -o raw.tif --as cellpose", "raw_cp_masks.tif"),
    "export ROIs": ("export cells.tif -o {}", "raw.zip"),
    "export polygons": ("export cells.tif -o {}", "raw.geojson"),
    "export a folder": ("export truth -o drawn --as imagej", "drawn/a.tif"),
    "measure": ("measure cells.tif -o {}", "raw.csv"),
    "score": ("score cells.tif cells.tif --picture {}", "raw.tif"),
    "score as PNG": ("score cells.tif cells.tif --picture {}", "raw.png"),
    "score a folder": ("score truth truth --picture drawn", "drawn/a.tif"),
    "train": (f"train image.tif labels.tif -o {{}} {' '.join(SHORT)}", "raw.safetensors"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_of_others_is_refused_before_any_work(loop, folder, name):
    command, theirs = COMMANDS[name]
    shutil.copy(loop[0] / "labels.tif", folder)
    before, names = (folder / theirs).read_bytes(), sorted(folder.rglob("*"))
    result = run(*command.format(theirs).split())
    assert result.exit_code == 1, result.output
    assert f"{theirs}: this file was not written by napari-unet" in result.stderr
    assert "choose another name" in result.stderr
    assert (folder / theirs).read_bytes() == before
    assert sorted(folder.rglob("*")) == names


OWN = [
    "predict model.safetensors image.tif -o {}.tif",
    "predict model.safetensors image.tif -o {}.ome.tif --output cells",
    "cells probabilities.tif -o {}.tif --classes cell,boundary,background",
    "link stack.tif -o {}.tif",
    *(f"export cells.tif -o {{}}{end}" for end in (".ome.tif", "_cp_masks.tif", ".zip", ".geojson")),
    "export cells.tif -o {}.tif --as imagej",
    "measure cells.tif -o {}.csv",
    "score cells.tif cells.tif --picture {}.tif",
    "score cells.tif cells.tif --picture {}.png",
]


@pytest.mark.parametrize("command", OWN)
def test_what_was_written_here_is_replaced(folder, command):
    for _ in range(2):
        good(*command.format("own").split())


def test_an_empty_file_is_nobodys(folder):
    (folder / "new.tif").touch()  # as mktemp makes it
    good("export", "cells.tif", "-o", "new.tif")
    assert (open_image(folder / "new.tif").data == CELLS).all()


def test_a_result_that_another_program_has_saved_is_its(folder):
    good("export", "cells.tif", "-o", "own.ome.tif")
    tifffile.imwrite("own.ome.tif", tifffile.imread("own.ome.tif"))
    assert "or another program has saved it since" in run("export", "cells.tif", "-o", "own.ome.tif").stderr


def test_a_table_that_was_edited_is_not_replaced(folder):
    good("measure", "cells.tif", "-o", "own.csv")
    later = (folder / "own.csv").stat().st_mtime + 60
    (folder / "own.csv").write_text("label,my judgement\n1,dead\n")
    os.utime(folder / "own.csv", (later, later))
    assert "or another program has saved it since" in run("measure", "cells.tif", "-o", "own.csv").stderr
    assert "my judgement" in (folder / "own.csv").read_text()


def test_a_file_of_others_beside_a_table_stays(folder):
    (folder / "new.csv.json").write_text(json.dumps({"a": "year of work"}))
    result = run("measure", "cells.tif", "-o", "new.csv")
    assert "new.csv.json: this file was not written by napari-unet" in result.stderr
    assert not (folder / "new.csv").exists()


def test_a_recipe_is_written_over_a_recipe_only(loop, folder):
    (folder / "new.recipe.json").write_text("a year of work")
    shutil.copy(loop[0] / "labels.tif", folder)
    result = run("replay", "model.safetensors", "-o", "new.safetensors", "--anyway",
                 "--image", "image.tif", "--labels", "labels.tif")  # fmt: skip
    assert "new.recipe.json holds no settings of a training" in result.stderr
    assert (folder / "new.recipe.json").read_text() == "a year of work"


@pytest.mark.parametrize("name", ["nuclei-6.tif", "nuclei-6-cells.tif", "nuclei-6.png", "scores.json"])
def test_the_demo_replaces_files_of_demos_only(folder, name):
    (folder / name).write_text("a year of work")
    result = run("demo", "-o", folder, "--steps", "1")
    assert result.exit_code == 1
    assert name in result.stderr
    assert "choose another" in result.stderr
    assert (folder / name).read_text() == "a year of work"
