"""What a batch replaces: its own results, and nothing of anybody else's."""

import numpy as np
import pytest
import tifffile

from batch_tools import pixels, rows, states
from napari_unet.errors import UserError
from napari_unet.events import ImageDone
from napari_unet.jobs import batch as run
from napari_unet.spec import CellSpec
from napari_unet.storage.samples import load_sample
from napari_unet.storage.write import create_output


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


def test_a_target_in_the_way_is_told_alone(spec, images, tmp_path):
    only = {"inputs": (str(images / "a.tif"),), "outputs": ("cells", "boundaries")}
    list(run(spec(**only)))
    tifffile.imwrite(tmp_path / "out" / "a-cells.tif", np.ones((4, 4), np.uint8))
    (row,) = rows(run(spec(**only, measure=True))).values()
    assert row.message.endswith(
        "a-cells.tif was not made by a batch, or was changed since; move it, or choose another folder"
    )


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
