"""Results tell how they were made, and can be made again: every format, every command."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import pytest
import tifffile

import napari_unet as nu
from cli_tools import good, run
from napari_unet.jobs import Model
from napari_unet.jobs.replaying import compare
from napari_unet.learn.modelfile import read_tensors, write_tensors
from napari_unet.learn.precision import has_bfloat16
from napari_unet.learn.start import shipped
from napari_unet.spec import CellSpec, MakingCells, Predicting, TilingSpec
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.records import read_record, require_record
from napari_unet.storage.samples import load_sample

FORMATS = [".tif", ".ome.tif", ".zarr", ".ome.zarr"]
PART = ["--y", "20:84", "--x", "-90:"]
CELLS = ["--output", "cells", "--method", "watershed", "--threshold", "0.45", "--beta", "0.4"]
CELLS += ["--min-size", "12", "--grow", "3", "--threads", "1", "--device", "cpu", "--axes", "yx"]
SETTINGS = Predicting(
    output="cells",
    tiling=TilingSpec(device="cpu", threads=1),
    cells=CellSpec(method="watershed", threshold=0.45, beta=0.4, min_size=12, grow=3),
    part=(None, None, (20, 84), (-90, None)),
    axes="yx",
)


def pixels(path: Path) -> Any:
    return read_whole(open_image(path))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a real image, and what was predicted of a part of it, in every format."""
    folder = tmp_path_factory.mktemp("made, ünd more")
    Model(shipped()).save(folder / "model.safetensors")
    tifffile.imwrite(folder / "image.tif", load_sample("nuclei-2").image)
    for ending in FORMATS:
        target = folder / f"cells{ending}"
        good("predict", folder / "model.safetensors", folder / "image.tif", "-o", target, *CELLS, *PART)
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    """A copy of it, in another place."""
    return shutil.copytree(made, tmp_path / "copy")


@pytest.mark.parametrize("ending", FORMATS)
def test_a_result_tells_model_image_settings_and_versions(made: Path, ending: str) -> None:
    record = require_record(made / f"cells{ending}")
    assert record.settings == SETTINGS
    assert record.model is not None
    sha256 = read_tensors(made / "model.safetensors")[1]["sha256"]
    assert (record.model.sha256, record.model.path) == (sha256, str(made / "model.safetensors"))
    source = record.source
    assert (source.path, source.shape, source.dtype, source.axes) == (
        str(made / "image.tif"),
        (256, 256),
        "uint8",
        "YX",
    )
    assert {"napari-unet-live", "torch", "numpy"} <= record.versions.keys()
    assert json.loads(good("info", made / f"cells{ending}")) == record.model_dump(mode="json", exclude_none=True)
    assert json.loads(good("info", made / "model.safetensors"))["weights_sha256"] == sha256


@pytest.mark.parametrize("ending", FORMATS)
def test_a_replay_gives_the_same_pixels_and_the_same_record(made: Path, tmp_path: Path, ending: str) -> None:
    result, again = made / f"cells{ending}", tmp_path / f"again{ending}"
    said = good("replay", result, "-o", again)
    assert len(np.unique(pixels(result))) > 3
    assert np.array_equal(pixels(again), pixels(result))
    assert f"{again} equals {result}" in said
    record, second = require_record(result), require_record(again)
    assert second == record.model_copy(update={"date": second.date})
    assert shlex.join(record.words(again)) in said


def test_one_channel_is_replayed(made: Path, tmp_path: Path) -> None:
    image = tifffile.imread(made / "image.tif")
    tifffile.imwrite(tmp_path / "two.tif", np.stack([image[::-1], image]), photometric="minisblack")
    options = ["--axes", "C" + "ZYX"[-image.ndim :], "--channel", "1", "--output", "classes"]
    good("predict", made / "model.safetensors", tmp_path / "two.tif", "-o", tmp_path / "a.tif", *options)
    said = good("replay", tmp_path / "a.tif", "-o", tmp_path / "b.tif")
    assert "--channel 1" in said
    assert f"equals {tmp_path / 'a.tif'}" in said


def test_a_dry_run_prints_the_command_line_and_does_nothing(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.tif"
    words = shlex.split(good("replay", made / "cells.tif", "-o", out, "--dry-run"))
    assert not out.exists()
    assert words[:6] == [
        "napari-unet",
        "predict",
        *(str(made / n) for n in ("model.safetensors", "image.tif")),
        "-o",
        str(out),
    ]
    good(*words[1:])
    assert np.array_equal(pixels(out), pixels(made / "cells.tif"))


def test_a_changed_image_is_refused_but_for_anyway(work: Path) -> None:
    image = tifffile.imread(work / "image.tif")
    known = require_record(work / "cells.tif").source.fingerprint
    image[100, 100] ^= 1
    tifffile.imwrite(work / "image.tif", image)
    arguments = "replay", work / "cells.tif", "-o", work / "new.tif", "--image", work / "image.tif"
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "image.tif is another image: its fingerprint is " in refused.stderr
    assert (
        f"that of the record {known[:12]}; give the right one with --image, or run it with --anyway"
        in refused.stderr
    )
    assert not (work / "new.tif").exists()
    assert "warning: " in good(*arguments, "--anyway")
    assert require_record(work / "new.tif").source.fingerprint != known
    tifffile.imwrite(work / "image.tif", image[:200])
    assert "its shape is (200, 256), that of the record (256, 256)" in run(*arguments).stderr


def test_a_changed_model_is_refused_but_for_anyway(work: Path) -> None:
    path, known = work / "model.safetensors", require_record(work / "cells.tif").model
    assert known is not None
    tensors, facts = read_tensors(path)
    write_tensors(path, {name: 1.01 * t if t.is_floating_point() else t for name, t in tensors.items()}, facts)
    new = read_tensors(path)[1]["sha256"]
    arguments = "replay", work / "cells.tif", "-o", work / "new.tif", "--model", path
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert f"begins with {new[:12]}, that of model.safetensors began with {known.sha256[:12]}" in refused.stderr
    good(*arguments, "--anyway")
    again = require_record(work / "new.tif").model
    assert again is not None
    assert again.sha256 == new


def test_a_chain_of_results_names_the_model(made: Path, tmp_path: Path) -> None:
    model, image = made / "model.safetensors", made / "image.tif"
    good("predict", model, image, "-o", tmp_path / "p.zarr", *PART, "--threads", 1)
    good(
        "cells",
        tmp_path / "p.zarr",
        "-o",
        tmp_path / "c.tif",
        "--beta",
        "0.3",
        "--classes",
        "cell,boundary,background",
    )
    record = require_record(tmp_path / "c.tif")
    assert record.settings == MakingCells(cells=CellSpec(beta=0.3), classes=("cell", "boundary", "background"))
    assert record.source.record == read_record(tmp_path / "p.zarr")
    assert record.source.record is not None
    assert record.source.record.model == require_record(made / "cells.tif").model
    good("replay", tmp_path / "c.tif", "-o", tmp_path / "again.ome.zarr")
    assert np.array_equal(pixels(tmp_path / "again.ome.zarr"), pixels(tmp_path / "c.tif"))
    shutil.rmtree(tmp_path / "p.zarr")
    said = run("replay", tmp_path / "c.tif", "-o", tmp_path / "again.tif").stderr
    assert f"it was made by: napari-unet predict {model} {image}" in said


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tif", "imagej"),
        ("a_cp_masks.tif", "cellpose"),
        ("a.zarr", "outlines"),
        ("a.geojson", "geojson"),
        ("a.ome.tif", "cells"),
    ],
)
def test_exports_tell_where_they_come_from(made: Path, tmp_path: Path, name: str, kind: str) -> None:
    cells = made / "cells.ome.zarr"
    good("export", cells, "-o", tmp_path / name, "--as", kind)
    record = require_record(tmp_path / name)
    assert (record.settings.command, record.source.path) == ("export", str(cells))
    assert record.source.record == read_record(cells)
    again = tmp_path / f"again_{name}"
    said = good("replay", tmp_path / name, "-o", again)
    assert f"{again} equals {tmp_path / name}" in said
    if kind == "geojson":
        assert again.read_text() == (tmp_path / name).read_text()
    else:
        assert np.array_equal(pixels(again), pixels(tmp_path / name))


def test_linked_and_measured_cells_can_be_made_again(tmp_path: Path) -> None:
    data = load_sample("nuclei-3d")
    tifffile.imwrite(tmp_path / "cells.tif", data.labels[8:12].astype(np.int32), photometric="minisblack")
    tifffile.imwrite(tmp_path / "grey.tif", data.image[8:12], photometric="minisblack")
    linked, table = tmp_path / "linked.tif", tmp_path / "a.csv"
    good("link", tmp_path / "cells.tif", "-o", linked, "--along", "z", "--least-overlap", "0.6", "--gap", "0")
    good("replay", linked, "-o", tmp_path / "again.tif")
    assert np.array_equal(pixels(tmp_path / "again.tif"), pixels(linked))
    assert require_record(tmp_path / "again.tif").settings == require_record(linked).settings
    options = ["--image", tmp_path / "grey.tif", "--spacing", "2,0.5,0.3", "--channels", "DAPI", "--per-slice"]
    good("measure", linked, "-o", table, *options)
    good("replay", table, "-o", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == table.read_text()
    (tmp_path / "grey.tif").rename(tmp_path / "moved.tif")  # with another name
    lost = run("replay", table, "-o", tmp_path / "more.csv")
    assert f"is not at {tmp_path / 'grey.tif'}: tell where it is now with --grey" in lost.stderr
    said = good("replay", table, "-o", tmp_path / "more.csv", "--grey", tmp_path / "moved.tif")
    assert f"--image {tmp_path / 'moved.tif'}" in said
    assert f"{tmp_path / 'more.csv'} equals {table}" in said
    assert require_record(tmp_path / "more.csv").settings.options()[1] == str(tmp_path / "moved.tif")
    assert (
        "no grey values were measured" in run("replay", linked, "-o", tmp_path / "x.tif", "--grey", table).stderr
    )
    tifffile.imwrite(tmp_path / "grey.tif", data.image[8:12] + 1, photometric="minisblack")
    refused = run("replay", table, "-o", tmp_path / "more.csv").stderr
    assert "grey.tif is another image" in refused
    assert "give the right one with --grey" in refused


def test_what_holds_no_record_is_told(made: Path, tmp_path: Path) -> None:
    for command in (["info"], ["replay", "-o", tmp_path / "new.tif"]):
        refused = run(*command, made / "image.tif")
        assert refused.exit_code == 1
        assert "image.tif does not tell how it was made" in refused.stderr
    assert "no such file" in run("replay", tmp_path / "none.tif", "-o", tmp_path / "new.tif").stderr
    assert "name the new file with --out" in run("replay", made / "cells.tif").stderr
    itself = run("replay", made / "cells.tif", "-o", made / "cells.tif")
    assert "is the result itself" in itself.stderr


@pytest.mark.parametrize("command", ["info", "replay"])
@pytest.mark.parametrize("left", [0, 100, 3000])
def test_a_damaged_image_is_told(made: Path, tmp_path: Path, command: str, left: int) -> None:
    cut = tmp_path / "cut.tif"
    cut.write_bytes((made / "image.tif").read_bytes()[:left])
    refused = run(command, cut, *(["-o", tmp_path / "new.tif"] if command == "replay" else []))
    assert refused.exit_code == 1
    assert f"{cut}: not a readable TIFF, it may be damaged" in refused.stderr
    assert "does not tell how it was made" not in refused.stderr


def test_the_table_of_a_batch_names_a_result_to_ask_about(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    good("batch", made / "model.safetensors", made / "image.tif", "-o", out)
    for path in (out, out / "summary.csv"):
        refused = run("info", path)
        assert refused.exit_code == 1
        assert f"{out / 'summary.csv'} is the table of a batch" in refused.stderr
        assert f"name one of its results, such as {out / 'image.tif'}" in refused.stderr
    assert "is the table of a batch" in run("replay", out / "summary.csv", "-o", tmp_path / "a.csv").stderr
    assert json.loads(good("info", out / "image.tif"))["settings"]["output"] == "cells"
    (out / "summary.csv").write_text("mouse,weight\n1,20\n")
    assert "is a folder: name one file" in run("info", out).stderr
    assert "does not tell how it was made" in run("info", out / "summary.csv").stderr


def test_a_record_of_another_version_is_refused_but_its_pixels_are_used(made: Path, work: Path) -> None:
    text = (work / "cells.zarr" / "zarr.json").read_text()
    (work / "cells.zarr" / "zarr.json").write_text(text.replace('"format": 1', '"format": 2'))
    refused = run("info", work / "cells.zarr")
    assert refused.exit_code == 1
    assert "was written by another version: update napari-unet-live" in refused.stderr
    good("export", work / "cells.zarr", "-o", work / "again.tif")
    assert np.array_equal(pixels(work / "again.tif"), pixels(work / "cells.zarr"))


def test_a_training_can_be_run_again(tmp_path: Path) -> None:
    sample = load_sample("nuclei-2")
    tifffile.imwrite(tmp_path / "image.tif", sample.image[:96, :96])
    tifffile.imwrite(tmp_path / "labels.tif", sample.labels[:96, :96])
    model, again = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    options = ["--style", "cells", "--dense", "--steps", 3, "--base", 4, "--depth", 2, "--patch", 48]
    options += ["--device", "cpu", "--threads", 1, "--seed", 7]
    good("train", tmp_path / "image.tif", tmp_path / "labels.tif", "-o", model, *options)
    said = good("replay", model, "-o", again)
    assert f"{again} equals {model}" in said
    assert read_tensors(again)[1]["sha256"] == read_tensors(model)[1]["sha256"]
    *told, line = good("replay", model, "-o", tmp_path / "c.safetensors", "--dry-run").splitlines()
    assert any("it was trained with bfloat16 numbers" in words for words in told) == has_bfloat16()
    (note,) = [words for words in told if "settings of this training" in words]
    words = shlex.split(line)
    assert words[:4] == ["napari-unet", "train", str(tmp_path / "image.tif"), str(tmp_path / "labels.tif")]
    recipe = tmp_path / "c.recipe.json"
    assert words[words.index("--recipe") + 1] == str(recipe)
    assert note.startswith(f"# {recipe}: the settings of this training; replay without --dry-run writes it")
    assert not recipe.exists()
    tifffile.imwrite(tmp_path / "labels.tif", sample.labels[:96, :96] * (np.arange(96) > 40))
    assert f"{again} differs from {model}: other labels" in good("replay", model, "-o", again)
    tifffile.imwrite(tmp_path / "image.tif", sample.image[:96, :96] // 2)
    refused = run("replay", model, "-o", tmp_path / "c.safetensors")
    assert refused.exit_code == 1
    assert "image.tif is another image: its fingerprint is " in refused.stderr
    assert not recipe.exists()
    (tmp_path / "labels.tif").unlink()
    assert run("replay", model, "-o", again, "--anyway").exit_code == 1


def test_a_model_of_arrays_says_that_they_are_in_no_files(tmp_path: Path) -> None:
    sample = load_sample("nuclei-2")
    image, labels = sample.image[:64, :64], sample.labels[:64, :64]
    model = nu.train(image, labels, style="cells", dense=True, steps=1, base=4, depth=2, patch=32, val_fraction=0)
    model.save(tmp_path / "a.safetensors")
    refused = run("replay", tmp_path / "a.safetensors", "--dry-run")
    assert refused.exit_code == 1
    assert "the images of this training were in no files: save them, and name them with --image" in refused.stderr


def test_a_model_that_tells_no_images_cannot_be_trained_again(made: Path, tmp_path: Path) -> None:
    for more in ([], ["--dry-run"]):
        refused = run("replay", made / "model.safetensors", "-o", tmp_path / "new.safetensors", *more)
        assert refused.exit_code == 1
        assert "this model does not tell what it has learnt from" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_model_tells_of_itself_whatever_lies_beside_it(work: Path) -> None:
    (work / "model.safetensors.json").write_text('{"mine": 1}')
    assert json.loads(good("info", work / "model.safetensors"))["weights_sha256"]


@pytest.mark.parametrize(("name", "what"), [("a.csv", "1 of 3 lines"), ("a.zip", "1 of 2 files")])
def test_texts_and_archives_are_compared(tmp_path: Path, name: str, what: str) -> None:
    first, second = tmp_path / name, tmp_path / f"new_{name}"
    _write(first, "3", 2001)
    _write(second, "3", 2002)
    assert compare(first, second) == f"{second} equals {first}"
    _write(second, "4", 2002)
    assert compare(first, second) == f"{second} differs from {first} in {what}"
    assert "was not compared" in compare(first, tmp_path / "a.tif")


def _write(path: Path, content: str, year: int) -> None:
    if path.suffix == ".csv":
        path.write_text(f"label\n1\n{content}\n")
        return
    with ZipFile(path, "w") as file:
        for name, text in (("1.roi", "1"), ("2.roi", content)):
            file.writestr(ZipInfo(name, (year, 1, 1, 0, 0, 0)), text)
