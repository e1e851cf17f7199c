"""Batches: every image by itself, whatever becomes of the others."""

import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import cli_tools
from batch_tools import pixels, rows, states, table
from napari_unet.errors import UserError
from napari_unet.events import BatchBegun, BatchProgress, Finished, ImageDone, Note
from napari_unet.jobs import batch as run
from napari_unet.jobs import batch_plan
from napari_unet.jobs.replaying import plan_replay
from napari_unet.storage.records import require_record
from napari_unet.storage.samples import load_sample
from napari_unet.storage.summary import COLUMNS


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


def test_several_outputs_are_named_and_equal_to_python(spec, model, images, tmp_path):
    image = images / "a.tif"
    outputs = ("cells", "boundaries", "probabilities")
    (row,) = rows(run(spec(inputs=(str(image),), outputs=outputs, format="ome.zarr"))).values()
    assert row.outputs == ("a-cells.ome.zarr", "a-boundaries.ome.zarr", "a-probabilities.ome.zarr")
    out = tmp_path / "out"
    np.testing.assert_array_equal(pixels(out / row.outputs[0]), model.cells(image))
    np.testing.assert_array_equal(pixels(out / row.outputs[1]), model.boundaries(image))
    np.testing.assert_allclose(pixels(out / row.outputs[2]), model.predict(image), atol=1e-5)


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


@pytest.mark.skipif(sys.platform != "linux", reason="how long a name may be differs")
def test_a_name_too_long_for_its_outputs_stops_its_image_only(spec, images):
    (images / "a.tif").rename(images / f"{'x' * 250}.tif")
    inputs = (str(images / f"{'x' * 250}.tif"), str(images / "b.tif"))
    found = rows(run(spec(inputs=inputs, outputs=("cells", "boundaries"))))
    assert {name[0]: row.status for name, row in found.items()} == {"x": "failed", "b": "done"}
    assert "name too long" in found["x" * 250].message


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


def test_planning_touches_no_file(spec, tmp_path):
    items, _ = batch_plan.plan(spec(outputs=("cells", "boundaries"), measure=True))
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


def test_results_beside_the_images_are_left_out_and_told(spec, images, tmp_path):
    source = spec(inputs=(str(images / "a.tif"),), folder=images / "earlier", outputs=("cells", "probabilities"))
    assert set(states(run(source)).values()) == {"done"}
    shutil.copy(images / "earlier" / "a-cells.tif", images / "c.tif")
    events = list(run(spec()))
    assert set(rows(events)) == {"a", "b", "cut", "day 2/a"}
    (told,) = [e.text for e in events if isinstance(e, Note) and "left out" in e.text]
    assert told == (
        "left out, as they are results and no images, 3 files: c.tif, a-cells.tif, a-probabilities.tif"
    )
    named = (str(images / "c.tif"), str(images / "earlier" / "a-probabilities.tif"))
    found = rows(run(spec(inputs=named, channel=0)))
    assert (found["c"].status, "holds labels" in found["c"].message) == ("failed", True)
    assert found["a-probabilities"].status == "done"
    assert "probabilities of a prediction" in found["a-probabilities"].message


def test_failures_are_no_progress(spec):
    (first, *_) = [e for e in run(spec()) if isinstance(e, BatchProgress)]
    assert first.images == "1 of 4 images (1 failed)"
