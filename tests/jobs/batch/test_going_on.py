"""Batches that were stopped, killed or changed, and are gone on with."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import zarr

from batch_tools import pixels, rows, states, table
from napari_unet.events import BatchProgress, TileDone
from napari_unet.jobs import batch as run
from napari_unet.spec import CellSpec
from napari_unet.storage.samples import load_sample
from napari_unet.storage.unfinished import folder_of


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


def test_a_table_that_is_missing_is_written_without_the_network(spec, images, tmp_path, monkeypatch):
    wanted = spec(inputs=(str(images / "b.tif"),), measure=True)
    list(run(wanted))
    file = tmp_path / "out" / "b-cells.csv"
    before = file.read_bytes()
    file.unlink()
    monkeypatch.setitem(run.__globals__, "predict_file", None)
    assert states(run(wanted)) == {"b": "done"}
    assert file.read_bytes() == before


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
