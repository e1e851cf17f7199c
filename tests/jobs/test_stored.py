"""A prediction into a file: it can end at any moment, and goes on where it was."""

import errno
import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import zarr

import napari_unet as nu
from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.events import BlockDone, Note, TileDone
from napari_unet.jobs import Request, predict_file, stored, stored_work
from napari_unet.spec import TilingSpec
from napari_unet.storage.read import open_image
from napari_unet.storage.unfinished import Unfinished, folder_of
from napari_unet.storage.write import create_output
from synthetic import classes, tissue

IMAGE, CELLS = tissue((4, 90, 120), 120)
TILING = TilingSpec(tile=72)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    nu.train(IMAGE, classes(CELLS), steps=40, base=6, depth=2, patch=(48, 48), val_fraction=0).save(path)
    return path


@pytest.fixture(scope="module")
def model(model_path):
    return nu.load(model_path)


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, IMAGE, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def words(events):
    return [e.text for e in events if isinstance(e, Note)]


def read(path):
    image = open_image(path)
    return np.asarray(image.data[...])


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
@pytest.mark.parametrize("output", ["probabilities", "boundaries", "cells"])
def test_a_file_holds_what_python_gives(model, stack, tmp_path, output, suffix):
    target = tmp_path / f"out{suffix}"
    events = list(predict_file(model, Request(stack, target, output, tiling=TILING)))
    method = {"probabilities": model.predict, "boundaries": model.boundaries, "cells": model.cells}[output]
    found = read(target)
    if output == "probabilities":
        np.testing.assert_allclose(found, method(stack), atol=1e-5)
    else:
        np.testing.assert_array_equal(found, method(stack))
    blocks = [e for e in events if isinstance(e, BlockDone)]
    assert [e.done for e in blocks] == list(range(1, blocks[-1].total + 1))
    assert not folder_of(target).exists()


def test_a_part_is_cut_out_of_the_whole_and_knows_its_place(model, stack, tmp_path):
    target = tmp_path / "part.ome.zarr"
    list(predict_file(model, Request(stack, target, tiling=TILING, part=(None, (1, 3), (11, 75), (5, 118)))))
    np.testing.assert_allclose(read(target), model.predict(stack)[:, 1:3, 11:75, 5:118], atol=1e-5)
    (level, *_) = zarr.open_group(target).attrs["ome"]["multiscales"][0]["datasets"]
    (move,) = (t["translation"] for t in level["coordinateTransformations"] if t["type"] == "translation")
    assert move == [0, 1, 11, 5]


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize("output", ["probabilities", "classes", "cells"])
def test_times_and_the_place_of_the_image_are_kept(model, tmp_path, suffix, output):
    where = Where((0.0, 10.0, 10.0), 5.0, 30.0, "second")
    source, target = tmp_path / "a.ome.zarr", tmp_path / f"out{suffix}"
    with create_output(source, (3, 90, 120), "u1", "TYX", (1, 0.5, 0.25), unit="micrometer", where=where) as out:
        out[...] = IMAGE[:3]
    list(predict_file(model, Request(source, target, output, tiling=TILING)))
    assert open_image(target).where == where
    part = ((1, 3), None, (8, 80), (4, 100))
    list(predict_file(model, Request(source, target, output, tiling=TILING, part=part)))
    assert open_image(target).where == Where((0.0, 14.0, 11.0), 35.0, 30.0, "second")


def test_an_image_that_was_moved_is_another_one(model, tmp_path):
    request = Request(tmp_path / "a.ome.zarr", tmp_path / "out.ome.zarr", tiling=TILING)
    for step in (30.0, 60.0):
        with create_output(request.image, (2, 90, 120), "u1", "TYX", where=Where(step=step)) as out:
            out[...] = IMAGE[:2]
        events = predict_file(model, request)
        next(e for e in events if isinstance(e, BlockDone))
        events.close()
    list(predict_file(model, request))
    assert open_image(request.target).where.step == 60.0


@pytest.mark.parametrize(
    ("ranges", "message"),
    [((None, (3, 3), None, None), "3:3 along Z"), (((0, 2), None, None, None), "0:2 along T")],
)
def test_a_part_that_is_not_there_is_refused(model, stack, tmp_path, ranges, message):
    with pytest.raises(UserError, match=message):
        predict_file(model, Request(stack, tmp_path / "a.tif", part=ranges))


def stop_after(events, count):
    """Take events until so many blocks are done, then stop as a user would."""
    seen = []
    for event in events:
        seen.append(event)
        if sum(isinstance(e, BlockDone) for e in seen) == count:
            break
    events.close()
    return seen


def test_a_stopped_prediction_goes_on_where_it_was(model, stack, tmp_path):
    target, whole = tmp_path / "out.tif", tmp_path / "whole.tif"
    request = Request(stack, target, tiling=TILING)
    list(predict_file(model, Request(stack, whole, tiling=TILING)))
    stop_after(predict_file(model, request), 3)
    assert not target.exists()
    kept = len(Unfinished(folder_of(target)).done())
    assert kept >= 3
    events = list(predict_file(model, request))
    total = next(e.total for e in events if isinstance(e, BlockDone))
    assert sum(isinstance(e, BlockDone) for e in events) == total - kept
    assert [e.done for e in events if isinstance(e, TileDone)][-1] == total
    assert any(f"{kept} of {total} blocks were finished before" in w for w in words(events))
    np.testing.assert_array_equal(read(target), read(whole))


def test_what_another_model_or_image_made_is_not_used(model, stack, tmp_path):
    target = tmp_path / "out.tif"
    other = nu.train(IMAGE, classes(CELLS), steps=2, base=6, depth=2, patch=(48, 48), val_fraction=0)
    stop_after(predict_file(model, Request(stack, target, tiling=TILING)), 2)
    events = stop_after(predict_file(other, Request(stack, target, tiling=TILING)), 2)
    assert any("another model" in w for w in words(events))
    tifffile.imwrite(stack, 255 - IMAGE, photometric="minisblack", metadata={"axes": "ZYX"})
    events = list(predict_file(other, Request(stack, target, tiling=TILING)))
    assert any("another image" in w for w in words(events))
    np.testing.assert_allclose(read(target), other.predict(255 - IMAGE), atol=1e-5)


def test_a_folder_in_place_of_a_mark_is_named_with_its_cure(model, stack, tmp_path):
    request = Request(stack, tmp_path / "out.tif", tiling=TILING)
    stop_after(predict_file(model, request), 2)
    in_the_way = folder_of(request.target) / "done" / "000005.json"
    in_the_way.mkdir()
    with pytest.raises(UserError, match=r"000005\.json is a folder where a file goes; remove it and start again"):
        list(predict_file(model, request))
    in_the_way.rmdir()
    list(predict_file(model, request))


def test_blocks_that_were_changed_are_made_again(model, stack, tmp_path):
    target = tmp_path / "out.ome.zarr"
    request = Request(stack, target, "classes", tiling=TILING)
    stop_after(predict_file(model, request), 4)
    unfinished = Unfinished(folder_of(target))
    work = stored_work.open_work(unfinished.folder)
    number = min(unfinished.done())
    box = work.plan.block_at(number).slices[1:]
    stored_work.open_array(unfinished.image, work)[box] = 7
    events = list(predict_file(model, request))
    assert any(w.startswith("1 of them have changed") for w in words(events))
    np.testing.assert_array_equal(read(target), model.predict(stack).argmax(axis=0) + 1)


def test_a_full_disk_loses_nothing(model, stack, tmp_path, monkeypatch):
    target = tmp_path / "out.tif"
    request = Request(stack, target, tiling=TILING)
    write, left = stored_work.StoredSink.write, itertools.count(3, -1)

    def full(self, *args):
        if next(left) <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, *args)

    monkeypatch.setattr(stored_work.StoredSink, "write", full)
    with pytest.raises(UserError, match=r"the disk of .* is full .* give the same command again"):
        list(predict_file(model, request))
    monkeypatch.undo()
    assert len(Unfinished(folder_of(target)).done()) == 3
    assert any("3 of" in w for w in words(list(predict_file(model, request))))
    np.testing.assert_allclose(read(target), model.predict(stack), atol=1e-5)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full_loses_nothing(model, stack, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", disk], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        request = Request(stack, disk / "out.ome.zarr", tiling=TILING)
        stored.budget.check_disk, check = lambda *_: None, stored.budget.check_disk
        try:
            with pytest.raises(UserError, match="is full"):
                list(predict_file(model, request))
            kept = len(Unfinished(folder_of(request.target)).done())
            assert kept > 0
            subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
            events = list(predict_file(model, request))
        finally:
            stored.budget.check_disk = check
        assert any(f"{kept} of" in w for w in words(events))
        np.testing.assert_allclose(read(request.target), model.predict(stack), atol=1e-5)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_shards_give_the_same_bits_as_one_process(model, stack, tmp_path):
    whole, target = tmp_path / "whole.ome.zarr", tmp_path / "out.ome.zarr"
    list(predict_file(model, Request(stack, whole, tiling=TILING)))
    request = Request(stack, target, tiling=TILING)
    for number in (3, 1, 2):
        assert not target.exists()
        events = list(predict_file(model, request, shard=(number, 3)))
        assert any("blocks are still missing" in w for w in words(events)) == (number != 2)
    np.testing.assert_array_equal(read(target), read(whole))


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
def test_a_shard_that_comes_when_all_is_done_does_nothing(model, stack, tmp_path, suffix):
    target = tmp_path / f"out{suffix}"
    request = Request(stack, target, tiling=TILING)
    for number in (1, 2):
        list(predict_file(model, request, shard=(number, 2)))
    before = read(target)
    events = list(predict_file(model, request, shard=(2, 2)))
    assert words(events) == [f"{target} is complete already: there is nothing left for this part to do"]
    assert not folder_of(target).exists()
    np.testing.assert_array_equal(read(target), before)
    other = Request(stack, target, output="boundaries", tiling=TILING)
    assert any(isinstance(e, TileDone) for e in predict_file(model, other, shard=(1, 2)))


def test_labels_need_little_room(model, stack, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(stored.budget, "check_disk", lambda folder, size, what: asked.update({what: size}))
    for output in ("cells", "probabilities"):
        predict_file(model, Request(stack, tmp_path / f"{output}.tif", output=output, tiling=TILING))
    whole = 4 * IMAGE.size
    assert asked[str(tmp_path / "cells.tif")] < whole / 5
    assert asked[str(tmp_path / "probabilities.tif")] >= 2 * whole


def test_killed_at_random_moments_it_still_ends_with_the_same_result(model, model_path, stack, tmp_path):
    whole, target = tmp_path / "whole.ome.zarr", tmp_path / "out.ome.zarr"
    list(predict_file(model, Request(stack, whole, tiling=TILING)))
    command = [sys.executable, "-m", "napari_unet", "predict", model_path, stack, "-o", target, "--tile", "72"]
    rng, kills = np.random.default_rng(), 0
    for _ in range(20):
        before = len(Unfinished(folder_of(target)).done())
        job = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wanted = before + int(rng.integers(1, 6)) if kills < 3 else 10**6
        while job.poll() is None and len(Unfinished(folder_of(target)).done()) < wanted:
            time.sleep(0.005)
        if job.poll() is None:
            time.sleep(float(rng.uniform(0, 0.02)))
            job.send_signal(signal.SIGKILL)
            kills += 1
        printed = job.communicate()[0].decode()
        if job.returncode == 0:
            break
        assert job.returncode == -signal.SIGKILL, printed
    assert kills
    assert "blocks were finished before" in printed
    np.testing.assert_array_equal(read(target), read(whole))


def test_a_second_process_does_not_spoil_what_the_first_has_finished(model, stack, tmp_path):
    """Both find all blocks done and want to make the file; one of them must not."""
    target = tmp_path / "out.ome.zarr"
    request = Request(stack, target, "classes", tiling=TILING)
    first, second = predict_file(model, request), predict_file(model, request)
    total = None
    for event in first:
        if isinstance(event, BlockDone):
            total = event.total
            if event.done == total:
                break
    notes = words(list(second))
    assert any("were finished before" in w for w in notes)
    assert any("another process" in w for w in words(list(first)))
    np.testing.assert_array_equal(read(target), model.predict(stack).argmax(axis=0) + 1)
    assert not folder_of(target).exists()


def test_nothing_is_begun_anew_under_the_hands_of_another_process(model, stack, tmp_path):
    target = tmp_path / "out.tif"
    other = nu.train(IMAGE, classes(CELLS), steps=2, base=6, depth=2, patch=(48, 48), val_fraction=0)
    first = predict_file(model, Request(stack, target, tiling=TILING))
    next(e for e in first if isinstance(e, BlockDone))
    with pytest.raises(UserError, match=r"another process is writing .*out\.tif with another model"):
        list(predict_file(other, Request(stack, target, tiling=TILING)))
    list(first)
    np.testing.assert_allclose(read(target), model.predict(stack), atol=1e-5)


def test_a_folder_that_was_begun_anew_gets_no_more_blocks_of_the_old_one(model, stack, tmp_path):
    target = tmp_path / "out.tif"
    first = predict_file(model, Request(stack, target, tiling=TILING))
    next(e for e in first if isinstance(e, BlockDone))
    facts = Unfinished(folder_of(target)).facts
    Unfinished(folder_of(target)).rewrite({**facts, "id": "another"})
    with pytest.raises(UserError, match="has been removed or begun anew by another process"):
        list(first)


def test_a_movie_of_probabilities_goes_on_in_zarr(model, tmp_path):
    movie, target = tmp_path / "movie.tif", tmp_path / "out.ome.zarr"
    tifffile.imwrite(movie, IMAGE.reshape(2, 2, 90, 120), photometric="minisblack", metadata={"axes": "TZYX"})
    request = Request(movie, target, axes="TZYX", tiling=TILING)
    stop_after(predict_file(model, request), 3)
    assert any("were finished before" in w for w in words(list(predict_file(model, request))))
    image = open_image(target)
    assert image.axes == "TCZYX"
    expected = model.predict(movie, "TZYX")
    np.testing.assert_allclose(np.asarray(image.data[...]), expected.transpose(1, 0, 2, 3, 4), atol=1e-5)


def test_an_image_that_was_moved_is_found(model, stack, tmp_path):
    target, moved = tmp_path / "out.tif", tmp_path / "moved.tif"
    stop_after(predict_file(model, Request(stack, target, tiling=TILING)), 2)
    stack.rename(moved)
    events = list(predict_file(model, Request(moved, target, tiling=TILING)))
    assert any("were finished before" in w for w in words(events))
    np.testing.assert_allclose(read(target), model.predict(moved), atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "told"), [(21, "1 of them have changed"), (0, "another image; starting anew")]
)
def test_a_change_beside_the_sample_costs_its_block_one_in_it_all(model, tmp_path, changed, told):
    """As docs/howto/large.md tells it: 24 of 40 slices are the sample, the first is one of them."""
    path, pixels = tmp_path / "deep.tif", np.tile(IMAGE[0, :32, :32], (40, 1, 1))
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    request = Request(path, tmp_path / "out.tif", tiling=TILING)
    stop_after(predict_file(model, request), 30)
    assert 21 not in np.linspace(0, 39, 24).round()
    pixels[changed] = 255 - pixels[changed]
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    assert any(told in w for w in words(predict_file(model, request)))


def test_pixels_that_changed_where_nobody_sampled_are_noticed(model, stack, tmp_path, monkeypatch):
    """The sample that is compared first is bounded; the hashes of the blocks see every pixel."""
    from napari_unet.arrays import intensity

    monkeypatch.setattr(intensity, "MAX_PIXELS", 100)
    target = tmp_path / "out.tif"
    stop_after(predict_file(model, Request(stack, target, tiling=TILING)), 6)
    changed = IMAGE.copy()
    changed[0, 1, 1] = 255 - changed[0, 1, 1]
    tifffile.imwrite(stack, changed, photometric="minisblack", metadata={"axes": "ZYX"})
    events = list(predict_file(model, Request(stack, target, tiling=TILING)))
    assert any("have changed, in the image or in the result" in w for w in words(events))
    found, expected = read(target), model.predict(stack)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_target_that_is_something_else_is_refused(model, stack, tmp_path):
    foreign = tmp_path / "notes.zarr"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    for target, message in (
        (foreign, "holds more than an output of this program"),
        (stack, "is or holds the image"),
        (tmp_path / "a.png", "cannot write this kind of file"),
        (tmp_path / "none" / "a.tif", "the folder .* does not exist"),
    ):
        with pytest.raises(UserError, match=message):
            predict_file(model, Request(stack, target))
    assert (foreign / "notes.txt").read_text() == "mine"


def test_a_run_that_has_begun_needs_no_room_for_what_is_there(model, stack, tmp_path, monkeypatch):
    target = tmp_path / "out.ome.zarr"
    request = Request(stack, target, tiling=TILING)
    asked = []
    monkeypatch.setattr(stored.budget, "check_disk", lambda folder, size, what: asked.append(size))
    stop_after(predict_file(model, request), 5)
    list(predict_file(model, request))
    assert asked[1] < asked[0]
