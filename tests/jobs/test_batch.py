"""Batches: every image by itself, whatever becomes of the others; stopped, killed, changed, and gone on with."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import cli_tools
import napari_unet as nu
from napari_unet.errors import UserError
from napari_unet.events import BatchBegun, BatchProgress, Finished, ImageDone, Note, TileDone
from napari_unet.jobs import batch as run
from napari_unet.jobs import batch_plan
from napari_unet.jobs.replaying import plan_replay
from napari_unet.spec import BatchSpec, CellSpec, TilingSpec
from napari_unet.storage.read import open_image
from napari_unet.storage.records import require_record
from napari_unet.storage.samples import load_sample
from napari_unet.storage.summary import COLUMNS
from napari_unet.storage.unfinished import folder_of
from napari_unet.storage.write import create_output

TILING = TilingSpec(tile=72)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    sample = load_sample("nuclei-2")
    options = {"steps": 30, "base": 6, "depth": 2, "patch": (64, 64), "val_fraction": 0}
    nu.train(sample.image, sample.labels, style="cells", dense=True, **options).save(path)
    return path


@pytest.fixture(scope="module")
def model(model_path):
    return nu.load(model_path)


@pytest.fixture
def images(tmp_path):
    """Three real images, one in a folder of its own, and a file that is cut short."""
    folder = tmp_path / "images"
    (folder / "day 2").mkdir(parents=True)
    for name, where in (("nuclei-1", "a.tif"), ("nuclei-2", "b.tif"), ("nuclei-4", "day 2/a.tif")):
        tifffile.imwrite(folder / where, load_sample(name).image[:120, :150])
    whole = (folder / "b.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def spec(model_path, images, tmp_path):
    def make(**fields):
        usual = {"inputs": (str(images),), "folder": tmp_path / "out", "recursive": True, "tiling": TILING}
        return BatchSpec(model=model_path, **{**usual, **fields})

    return make


def rows(events):
    return {e.name: e for e in events if isinstance(e, ImageDone)}


def states(events):
    return {name: row.status for name, row in rows(events).items()}


def table(folder):
    with (folder / "summary.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def pixels(path):
    return np.asarray(open_image(path).data[...])


def test_every_image_is_made_and_the_bad_one_is_told(spec, model, images, tmp_path):
    events = list(run(spec(measure=True)))
    assert states(events) == {"a": "done", "b": "done", "day 2/a": "done", "cut": "failed"}
    assert isinstance(events[0], BatchBegun)
    assert events[0].names == ("a", "b", "cut", "day 2/a")
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "4 images: 3 done, 1 failed"
    parts = [e.part for e in events if isinstance(e, BatchProgress)]
    assert parts == sorted(parts)
    assert 0.9 < parts[-1] <= 1
    out, found = tmp_path / "out", rows(events)
    for name in ("a", "b", "day 2/a"):
        expected = model.cells(images / f"{name}.tif")
        np.testing.assert_array_equal(pixels(out / f"{name}.tif"), expected)
        count = len(np.unique(expected[expected > 0]))
        assert found[name].cells == count == len(pd.read_csv(out / f"{name}-cells.csv"))
        assert found[name].pixels == expected.size
        assert table(out)[name]["cells"] == str(count)
    assert "damaged" in found["cut"].message
    assert tuple(next(iter(table(out).values()))) == COLUMNS
    assert table(out)["cut"]["status"] == "failed"
    assert table(out)["day 2/a"]["outputs"] == "day 2/a.tif; day 2/a-cells.csv"


def test_what_is_wrong_is_told_before_any_work(spec):
    kinds = [type(e) for e in run(spec()) if isinstance(e, ImageDone | BatchProgress)]
    assert kinds[0] is ImageDone  # the one cut short
    assert kinds[1] is BatchProgress


def test_the_same_again_makes_nothing_and_the_repaired_one(spec, images, tmp_path):
    first = rows(run(spec(measure=True)))
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.tif")}
    tifffile.imwrite(images / "cut.tif", load_sample("nuclei-3").image[:90, :90])
    again = rows(run(spec(measure=True)))
    assert {name: row.status for name, row in again.items()} == {
        "a": "skipped",
        "b": "skipped",
        "day 2/a": "skipped",
        "cut": "done",
    }
    assert all(p.stat().st_mtime_ns == before for p, before in files.items())
    assert again["a"].seconds == first["a"].seconds
    assert again["a"].cells == first["a"].cells


def test_changed_settings_and_images_are_made_anew(spec, images):
    inputs = (str(images / "a.tif"), str(images / "b.tif"))
    list(run(spec(inputs=inputs)))
    changed = CellSpec(min_size=400)
    assert states(run(spec(inputs=inputs, cells=changed))) == {"a": "done", "b": "done"}
    tifffile.imwrite(images / "a.tif", load_sample("nuclei-1").image[50:170, :150])
    assert states(run(spec(inputs=inputs, cells=changed))) == {"a": "done", "b": "skipped"}


def test_several_outputs_are_named_and_equal_to_python(spec, model, images, tmp_path):
    image = images / "a.tif"
    outputs = ("cells", "boundaries", "probabilities")
    (row,) = rows(run(spec(inputs=(str(image),), outputs=outputs, format="ome.zarr"))).values()
    assert row.outputs == ("a-cells.ome.zarr", "a-boundaries.ome.zarr", "a-probabilities.ome.zarr")
    out = tmp_path / "out"
    np.testing.assert_array_equal(pixels(out / row.outputs[0]), model.cells(image))
    np.testing.assert_array_equal(pixels(out / row.outputs[1]), model.boundaries(image))
    np.testing.assert_allclose(pixels(out / row.outputs[2]), model.predict(image), atol=1e-5)


def test_a_table_that_is_missing_is_written_without_the_network(spec, images, tmp_path, monkeypatch):
    wanted = spec(inputs=(str(images / "b.tif"),), measure=True)
    list(run(wanted))
    file = tmp_path / "out" / "b-cells.csv"
    before = file.read_bytes()
    file.unlink()
    monkeypatch.setitem(run.__globals__, "predict_file", None)
    assert states(run(wanted)) == {"b": "done"}
    assert file.read_bytes() == before


def test_names_that_meet_are_refused_and_the_rest_is_made(spec, images, tmp_path):
    tifffile.imwrite(images / "b.tiff", load_sample("nuclei-2").image[:80, :80])
    tifffile.imwrite(images / "good.tif", load_sample("nuclei-3").image[:80, :80])
    inputs = tuple(str(images / name) for name in ("a.tif", "b.tif", "b.tiff", "day 2/a.tif", "good.tif"))
    *bad, good = [e for e in run(spec(inputs=inputs)) if isinstance(e, ImageDone)]
    assert [e.status for e in bad] == ["failed"] * 4
    assert all("another image would be written to" in e.message for e in bad)
    assert (good.name, good.status) == ("good", "done")
    assert [p.name for p in (tmp_path / "out").glob("*.tif")] == ["good.tif"]


def test_images_are_never_overwritten(spec, images):
    kept = (images / "a.tif").read_bytes()
    (row,) = rows(run(spec(inputs=(str(images / "a.tif"),), folder=images))).values()
    assert row.status == "failed"
    assert "choose another folder" in row.message
    assert (images / "a.tif").read_bytes() == kept
    with pytest.raises(UserError, match="holds the images"):
        run(spec(folder=images))


@pytest.mark.parametrize("format", ["tif", "ome.zarr"])
def test_work_of_somebody_is_not_replaced_and_an_earlier_result_is(spec, images, tmp_path, format):
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "b.tif")), format=format)
    list(run(wanted))
    drawn = tmp_path / "out" / f"a.{format}"
    corrected = pixels(drawn) + 1
    with create_output(drawn, corrected.shape, corrected.dtype, "YX") as array:  # as the window saves it in place
        array[...] = corrected
    found = rows(run(wanted.model_copy(update={"cells": CellSpec(min_size=400)})))
    assert (found["a"].status, found["b"].status) == ("failed", "done")
    assert f"{drawn.name} was not made by a batch, or was changed since; move it" in found["a"].message
    np.testing.assert_array_equal(pixels(drawn), corrected)


@pytest.mark.parametrize("length", [0, 4, 8, 100])
def test_a_damaged_result_stops_its_image_only(spec, images, tmp_path, length):
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "b.tif")))
    list(run(wanted))
    damaged = tmp_path / "out" / "a.tif"
    damaged.write_bytes(damaged.read_bytes()[:length])
    (tmp_path / "out" / "b.tif").unlink()
    found = rows(run(wanted))
    assert (found["a"].status, found["b"].status) == ("failed", "done")
    assert "a.tif was not made by a batch, or was changed since; move it" in found["a"].message
    assert damaged.stat().st_size == length


@pytest.mark.skipif(sys.platform != "linux", reason="how long a name may be differs")
def test_a_name_too_long_for_its_outputs_stops_its_image_only(spec, images):
    (images / "a.tif").rename(images / f"{'x' * 250}.tif")
    inputs = (str(images / f"{'x' * 250}.tif"), str(images / "b.tif"))
    found = rows(run(spec(inputs=inputs, outputs=("cells", "boundaries"))))
    assert {name[0]: row.status for name, row in found.items()} == {"x": "failed", "b": "done"}
    assert "name too long" in found["x" * 250].message


def test_what_is_corrected_during_the_batch_is_not_replaced(spec, images, tmp_path):
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "b.tif")))
    target = tmp_path / "out" / "b.tif"
    found = {}
    for event in run(wanted):
        if isinstance(event, ImageDone):
            found[event.name] = event.status
            if event.name == "a":
                tifffile.imwrite(target, np.ones((4, 4), np.uint8))
    assert found == {"a": "done", "b": "failed"}
    assert tifffile.imread(target).shape == (4, 4)


def test_a_table_of_somebody_is_not_replaced_and_an_earlier_one_is(spec, images, tmp_path):
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "b.tif")), measure=True)
    list(run(wanted))
    changed = tmp_path / "out" / "a-cells.csv"
    changed.write_text("label,kind\n1,round\n")
    before = (tmp_path / "out" / "b-cells.csv").read_bytes()
    assert states(run(wanted)) == {"a": "skipped", "b": "skipped"}
    found = rows(run(wanted.model_copy(update={"cells": CellSpec(min_size=400)})))
    assert (found["a"].status, found["b"].status) == ("failed", "done")
    assert "a-cells.csv was not made by a batch, or was changed since" in found["a"].message
    assert changed.read_text() == "label,kind\n1,round\n"
    assert (tmp_path / "out" / "b-cells.csv").read_bytes() != before


def test_an_image_that_was_written_later_is_made_anew_whatever_its_sample_says(
    spec, images, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_unet.jobs.stored.fingerprint", lambda image: "the same sample")
    zarr.create_array(images / "c.zarr", data=load_sample("nuclei-1").image[:90, :90], dimension_names="yx")
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "b.tif"), str(images / "c.zarr")))
    list(run(wanted))
    assert set(states(run(wanted)).values()) == {"skipped"}
    tifffile.imwrite(images / "a.tif", load_sample("nuclei-4").image[:120, :150])
    zarr.open_array(images / "c.zarr")[:50] = 0
    assert states(run(wanted)) == {"a": "done", "b": "skipped", "c": "done"}


def test_a_table_that_a_spreadsheet_saves_meanwhile_waits(spec, images, tmp_path):
    summary = tmp_path / "out" / "summary.csv"
    kept, said = b"", []
    for event in run(spec()):
        if isinstance(event, ImageDone) and event.name == "a":
            kept = summary.read_bytes()
            summary.write_bytes(kept.replace(b",", b";").replace(b"done", "f\xfcr".encode("cp1252")))
        elif isinstance(event, ImageDone) and event.name == "b":
            summary.write_bytes(kept)
        elif isinstance(event, Note) and event.warning:
            said.append(event.text)
    assert set(table(tmp_path / "out")) == {"a", "b", "cut", "day 2/a"}
    assert len(said) == 1
    assert "waits with its new rows" in said[0]
    assert "spreadsheet" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode here")
def test_a_name_that_is_not_utf_8(spec, images, tmp_path):
    odd = images / os.fsdecode(b"caf\xe9.tif")
    (images / "b.tif").rename(odd)
    wanted = spec(inputs=(str(images / "a.tif"), str(odd)), measure=True)
    found = rows(run(wanted))
    assert (found["a"].status, found[odd.stem].status) == ("done", "failed")
    assert "not text in UTF-8, which its outputs need; rename it" in found[odd.stem].message
    assert b"caf\xe9.tif" in (tmp_path / "out" / "summary.csv").read_bytes()
    assert states(run(wanted)) == {"a": "skipped", odd.stem: "failed"}


def test_an_image_has_one_row_however_it_is_typed(spec, images, tmp_path, monkeypatch):
    list(run(spec(inputs=(str(images / "a.tif"),))))
    monkeypatch.chdir(images)
    assert states(run(spec(inputs=("a.tif",)))) == {"a": "skipped"}
    assert len((tmp_path / "out" / "summary.csv").read_text().splitlines()) == 2


def test_what_measuring_warns_of_is_in_the_row(spec, images, monkeypatch):
    real = run.__globals__["measure_cells"]

    def warning(*args, **more):
        yield Note("2 cells are too large", warning=True)
        yield from real(*args, **more)

    monkeypatch.setitem(run.__globals__, "measure_cells", warning)
    (row,) = rows(run(spec(inputs=(str(images / "a.tif"),), measure=True))).values()
    assert row.status == "done"
    assert "2 cells are too large" in row.message


def test_another_table_of_that_name_is_left_alone(spec, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.csv").write_text("gene,count\nactb,3\n")
    with pytest.raises(UserError, match="another table"):
        run(spec())
    assert (tmp_path / "out" / "summary.csv").read_text().startswith("gene")


def test_a_fault_of_the_program_stops_one_image_only(spec, images, monkeypatch, caplog):
    real = run.__globals__["predict_file"]

    def faulty(model, request, **more):
        if request.image.name == "a.tif":
            raise ZeroDivisionError("what nobody has foreseen")
        return real(model, request, **more)

    monkeypatch.setitem(run.__globals__, "predict_file", faulty)
    inputs = (str(images / "a.tif"), str(images / "b.tif"))
    found = rows(run(spec(inputs=inputs)))
    assert found["a"].message == "ZeroDivisionError: what nobody has foreseen"
    assert found["b"].status == "done"
    assert "Traceback" in caplog.text


def test_shards_share_the_images_and_the_table(spec, tmp_path):
    first = rows(run(spec(), shard=(1, 2)))
    second = rows(run(spec(), shard=(2, 2)))
    assert not set(first) & set(second)
    assert set(table(tmp_path / "out")) == set(first) | set(second) == {"a", "b", "cut", "day 2/a"}


def test_positions_and_ranges_and_a_channel(spec, model, tmp_path):
    cube = np.stack([load_sample(f"nuclei-{n}").image[:100, :110] for n in (1, 2, 4)])
    path = tmp_path / "two.zarr"
    zarr.create_group(path).attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for number, data in enumerate((cube, cube[::-1])):
        array = zarr.create_array(
            path / str(number), data=np.stack([data * 0, data], axis=1), dimension_names="zcyx"
        )
        assert array.shape == (3, 2, 100, 110)
    wanted = spec(inputs=(str(path),), z=(1, 3), channel=1, measure=True)
    found = rows(run(wanted))
    assert {name: row.status for name, row in found.items()} == {"two/0": "done", "two/1": "done"}
    expected = model.cells(cube, axes="ZYX")[1:3]
    got = pixels(tmp_path / "out" / "two" / "0.zarr")
    # the normalisation is fitted on the channel alone, as of the plain image
    np.testing.assert_array_equal(got, expected)
    measured = pd.read_csv(tmp_path / "out" / "two" / "0-cells.csv")
    count = sum(len(np.unique(plane[plane > 0])) for plane in expected)
    assert len(measured) == count == found["two/0"].cells
    some = measured.iloc[0]
    plane = cube[1:3][int(some["z"])]
    mask = got[int(some["z"])] == some["label"]
    assert some["intensity_mean"] == pytest.approx(plane[mask].mean())
    table_of_cells = tmp_path / "out" / "two" / "0-cells.csv"
    record = require_record(table_of_cells)
    assert f"those of a part of {path / '0'} (--channel 1 --z 1:3)" in record.not_repeated[0]
    with pytest.raises(UserError, match="was in no file: save it, and name the file with --grey"):
        plan_replay(record, table_of_cells, tmp_path / "again.csv")
    tifffile.imwrite(tmp_path / "grey.tif", cube[1:3], photometric="minisblack")
    plan = plan_replay(record, table_of_cells, tmp_path / "again.csv", grey=tmp_path / "grey.tif")
    assert plan.differences == ()
    assert plan.words[-3:-1] == ("--image", str(tmp_path / "grey.tif"))
    done = cli_tools.run(*plan.words[1:])
    assert done.exit_code == 0, done.output
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again.csv"), measured)
    assert states(run(wanted)) == {"two/0": "skipped", "two/1": "skipped"}
    assert states(run(wanted.model_copy(update={"channel": 0, "outputs": ("boundaries",), "measure": False}))) == {
        "two/0": "done",
        "two/1": "done",
    }


def test_a_channel_that_is_not_there(spec, images):
    (row,) = rows(run(spec(inputs=(str(images / "a.tif"),), channel=1))).values()
    assert "has no channel 1: it has 1" in row.message


def test_an_image_that_fails_now_tells_of_its_earlier_result(spec, images, tmp_path):
    only = {"inputs": (str(images / "a.tif"), str(images / "b.tif"))}
    list(run(spec(**only)))
    (images / "a.tif").write_bytes((images / "cut.tif").read_bytes())
    (tmp_path / "out" / "b.tif").unlink()
    (images / "b.tif").write_bytes((images / "cut.tif").read_bytes())
    made = rows(run(spec(**only)))
    assert made["a"].message.endswith("; the folder still holds a.tif of an earlier batch")
    assert made["b"].status == "failed"
    assert "earlier" not in made["b"].message


def test_a_target_in_the_way_is_told_alone(spec, images, tmp_path):
    only = {"inputs": (str(images / "a.tif"),), "outputs": ("cells", "boundaries")}
    list(run(spec(**only)))
    tifffile.imwrite(tmp_path / "out" / "a-cells.tif", np.ones((4, 4), np.uint8))
    (row,) = rows(run(spec(**only, measure=True))).values()
    assert row.message.endswith(
        "a-cells.tif was not made by a batch, or was changed since; move it, or choose another folder"
    )


def test_an_image_that_fails_late_tells_what_is_not_made_anew(spec, images, tmp_path, monkeypatch):
    only = {"inputs": (str(images / "a.tif"),), "outputs": ("boundaries", "cells"), "measure": True}
    list(run(spec(**only)))
    (images / "cut.tif").replace(images / "c.bad")
    whole = (images / "a.tif").read_bytes()
    (images / "a.tif").write_bytes((images / "c.bad").read_bytes())
    (row,) = rows(run(spec(**only))).values()
    assert row.message.endswith(
        "; the folder still holds a-boundaries.tif, a-cells.tif, a-cells.csv of an earlier batch"
    )
    (images / "a.tif").write_bytes(whole)
    real = run.__globals__["predict_file"]

    def failing(model, request, **more):
        yield from real(model, request, **more)
        if request.output == "boundaries":
            monkeypatch.setitem(run.__globals__, "check_target", full)

    def full(target):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(run.__globals__, "predict_file", failing)
    changed = spec(**only, cells=CellSpec(min_size=400))
    (row,) = rows(run(changed)).values()
    assert row.message.endswith("No space left on device; the folder still holds a-cells.tif of an earlier batch")


def test_a_failure_leaves_the_table_as_its_image_is_tried_again(spec, images, tmp_path):
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "cut.tif")))
    other = spec(inputs=(str(images / "day 2"), str(images / "a.tiff")))
    list(run(wanted))
    list(run(other))
    assert table(tmp_path / "out")["cut"]["status"] == "failed"
    (tmp_path / "out" / "a.tif").unlink()
    (images / "cut.tif").write_bytes((images / "b.tif").read_bytes())
    events = run(wanted)
    for event in events:
        if isinstance(event, BatchProgress):
            break
    events.close()  # before an image was made
    assert "cut" not in table(tmp_path / "out")
    assert "a.tiff" in table(tmp_path / "out")  # of another batch


def test_moved_images_keep_one_row_each(spec, images, tmp_path):
    first = rows(run(spec()))
    new = tmp_path / "new"
    new.mkdir()
    images.rename(new / "images")
    (tmp_path / "out").rename(new / "out")
    again = rows(run(spec(inputs=(str(new / "images"),), folder=new / "out")))
    assert {name: row.status for name, row in again.items()} == {
        "a": "skipped",
        "b": "skipped",
        "cut": "failed",
        "day 2/a": "skipped",
    }
    assert again["a"].seconds == first["a"].seconds > 0
    lines = (new / "out" / "summary.csv").read_text().splitlines()
    assert len(lines) == 5
    assert all(f"{new / 'images'}" in line for line in lines[1:])


def test_failures_of_files_that_are_away_stay_in_the_table(spec, images, tmp_path):
    list(run(spec(inputs=(str(images / "cut.tif"), str(images / ("x" * 300))))))
    (images / "cut.tif").rename(images / "cut.away")
    list(run(spec(inputs=(str(images / "a.tif"),))))
    assert "cut" in table(tmp_path / "out")


def test_a_misspelt_name_leaves_the_table_when_it_is_mended(spec, images, tmp_path):
    list(run(spec(inputs=(str(images / "a.tiff"), str(images / "cut.tif")))))
    assert set(table(tmp_path / "out")) == {"a.tiff", "cut"}
    list(run(spec(inputs=(str(images / "a.tiff"), str(images / "a.tif")))))
    assert set(table(tmp_path / "out")) == {"a.tiff", "a", "cut"}  # still named
    list(run(spec(inputs=(str(images / "a.tif"),))))
    assert set(table(tmp_path / "out")) == {"a", "cut"}


def test_stopped_between_two_tiles_it_goes_on_there(spec, images, tmp_path, monkeypatch):
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "b.tif")))
    events = run(wanted)
    for event in events:
        if isinstance(event, BatchProgress) and event.name == "b" and event.part > 0.6:
            break
    events.close()
    out = tmp_path / "out"
    assert (out / "a.tif").exists()
    assert not (out / "b.tif").exists()
    assert folder_of(out / "b.tif").exists()
    assert table(out).keys() == {"a"}
    assert states(run(wanted)) == {"a": "skipped", "b": "done"}
    assert not folder_of(out / "b.tif").exists()


def test_killed_in_the_middle_it_goes_on_and_gives_the_same(spec, images, model, tmp_path):
    big = np.tile(load_sample("nuclei-2").image, (3, 3))
    tifffile.imwrite(images / "b.tif", big)
    wanted = spec(inputs=(str(images / "a.tif"), str(images / "b.tif")), outputs=("boundaries",))
    target = tmp_path / "out" / "b.tif"
    code = "import sys; from napari_unet.spec import BatchSpec; from napari_unet.jobs import batch\n"
    code += "for _ in batch(BatchSpec.model_validate_json(sys.argv[1])): pass"
    process = subprocess.Popen([sys.executable, "-c", code, wanted.model_dump_json()])
    deadline = time.monotonic() + 120
    while not list((folder_of(target) / "done").glob("*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not target.exists()
    done = len(list((folder_of(target) / "done").glob("*.json")))
    tiles = []
    real = run.__globals__["predict_file"]

    def watched(*args, **more):
        for event in real(*args, **more):
            if isinstance(event, TileDone):
                tiles.append(event)
            yield event

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(run.__globals__, "predict_file", watched)
        assert states(run(wanted)) == {"a": "skipped", "b": "done"}
    assert len(tiles) <= tiles[-1].total - done + 1
    np.testing.assert_array_equal(pixels(target), model.boundaries(images / "b.tif"))


def test_planning_touches_no_file(spec, tmp_path):
    items = batch_plan.plan(spec(outputs=("cells", "boundaries"), measure=True))
    assert [p.name for p in items[0].targets] == ["a-cells.tif", "a-boundaries.tif", "a-cells.csv"]
    assert not (tmp_path / "out").exists()


def test_odd_images_are_made_with_a_warning(spec, tmp_path, images):
    grey = load_sample("nuclei-2").image[:120, :150].astype(np.float32)
    some = grey.copy()
    some[:10, :10] = np.nan
    place = tmp_path / "odd"
    place.mkdir()
    for name, data in (("some", some), ("none", grey * np.nan), ("same", grey * 0), ("plain", grey)):
        tifffile.imwrite(place / f"{name}.tif", data)
    with tifffile.TiffWriter(place / "several.tif") as file:
        for data in (grey[:50, :60], grey):
            file.write(data, metadata=None)
    found = rows(run(spec(inputs=(str(place),), measure=True)))
    assert {row.status for row in found.values()} == {"done"}
    assert {name: row.message for name, row in found.items()} == {
        "some": "100 pixels are not finite",
        "none": "no pixel is finite",
        "same": "all pixels are the same",
        "plain": "",
        "several": "the file holds 2 images: only the largest, 120 x 150, is used",
    }
    assert table(tmp_path / "out")["some"]["message"] == "100 pixels are not finite"
