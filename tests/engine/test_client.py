"""The engine against a real worker process whose jobs are small stand-ins, see fake_worker.py."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from engine_tools import FAKE, alive
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.engine.client import Engine
from napari_unet.errors import UserError
from napari_unet.events import CheckDone, Finished, Note, StepDone
from napari_unet.spec import TrainingSpec, TrainSpec

LONG = TrainingSpec(train=TrainSpec(steps=100_000))
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def names(recorder):
    return [name for name, _ in recorder.items]


ONE = Region((1, 2), (2, 3), (0, 8), (0, 8))


def test_a_training_from_start_to_end(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, spec, tmp_path / "ä model", view=(0, 1))
    assert engine.busy
    result = seen.wait("job_finished")
    assert (result.job, result.outcome, result.path) == ("train", "finished", tmp_path / "ä model")
    assert engine.model.description == {"steps": 30}
    assert not engine.busy
    assert (engine.worker.versions, engine.worker.threads) == ({"fake": "1"}, 3)
    assert seen.of("state_changed") == ["starting", "training", "ready"]
    assert seen.of("event")[0] == Note("learning")
    assert [c.step for c in seen.of("event", CheckDone)] == [10, 20, 30]
    assert seen.of("event")[-1] == Finished("done", 30)
    for step in seen.of("event", StepDone):
        expected = image.data[0].ravel()[step.step] if step.step > 1 else np.nan
        np.testing.assert_equal(step.loss, expected)
    assert len(engine._loans.server) == 1  # the image that is looked at; the labels are let go


def test_previews_show_the_plane_that_is_looked_at(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, LONG, tmp_path / "m", view=(0, 1))
    for z in (1, 2, 0):
        engine.set_view(0, z)
        preview = seen.wait("preview", lambda p, z=z: p.z == z)
        np.testing.assert_array_equal(preview.probabilities, [image.data[z], 255 - image.data[z]])
        assert preview.step > 0
    engine.stop()
    seen.wait("job_finished")
    engine.set_view(0, 2)
    preview = seen.wait("preview", lambda p: p.z == 2 and p is not seen.of("preview")[1])
    np.testing.assert_array_equal(preview.probabilities[0], image.data[2])
    other = Image(255 - image.data, "ZYX")
    engine.set_view(5, 99, other)
    preview = seen.wait("preview", lambda p: (p.probabilities[0] == other.data[2]).all())
    assert (preview.t, preview.z) == (0, 2)
    engine.clear_view()
    assert len(engine._loans.server) == 0


def levels(seen, *, before=False, last=4):
    """What the previews showed, in tenths, of an image whose mirror images are seen as 0 to 3 tenths."""
    return [p.probabilities.max() / 25.5 for p in seen.of("preview") if p.before == before][-last:]


def test_a_preview_is_the_mean_of_mirror_images(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    mirrors = Image(image.data, "ZYX", name="mirrors")
    engine.train(mirrors, labels, LONG, tmp_path / "m", view=(0, 1))
    seen.wait("preview", lambda p: len(seen.of("preview")) == 5)
    assert levels(seen, last=5) == pytest.approx([0, 0.5, 1, 1.5, 1.5], abs=0.05)
    engine.paint(0, 1, 0, 0, np.ones((2, 2), labels.data.dtype))  # what was seen before does not count any more
    seen.wait("preview", lambda p: not p.probabilities.any() and len(seen.of("preview")) > 5)
    engine.stop()
    seen.wait("job_finished")
    seen.wait("preview", lambda p: levels(seen) == pytest.approx([0, 0.5, 1, 1.5], abs=0.05))
    engine.set_view(0, 2)
    seen.wait("preview", lambda p: p.z == 2 and levels(seen) == pytest.approx([0, 0.5, 1, 1.5], abs=0.05))
    count = len(seen.of("preview"))
    engine.set_view(0, 2)  # the same again is known already
    seen.wait(
        "preview",
        lambda p: len(seen.of("preview")) > count and levels(seen, last=1) == pytest.approx([1.5], abs=0.05),
    )


def test_a_preview_wants_no_more_than_the_file_of_the_model(make_engine, image, labels, spec, tmp_path):
    """A worker is started for it, and another one if that has died."""
    engine, seen = make_engine()
    engine.set_view(0, 1, image)
    assert engine.state == "off"
    (tmp_path / "m").write_text("30")
    for z in (1, 2):
        engine.set_view(0, z, image, model=tmp_path / "m")
        preview = seen.wait("preview", lambda p, z=z: p.z == z)
        np.testing.assert_array_equal(preview.probabilities[0], image.data[z])
        assert (preview.step, preview.model) == (30, tmp_path / "m")
        if z == 1:
            os.kill(engine.worker.pid, signal.SIGKILL)
            seen.wait("died")
    (tmp_path / "other").write_text("40")  # of another project
    engine.set_view(0, 2, image, model=tmp_path / "other")
    assert seen.wait("preview", lambda p: p.step == 40).model == tmp_path / "other"
    engine.set_view(0, 0, image, model=tmp_path / "gone")
    assert "no preview of this plane" in seen.wait("event", lambda e: isinstance(e, Note) and e.warning).text


def steps_saved(engine, seen, path):
    """The steps of the model that a job would take."""
    engine.save_model(path)
    assert seen.wait("job_finished", lambda r: r.path == path).outcome == "finished"
    return int(path.read_text())


def test_a_model_that_is_looked_with_takes_the_place_of_none(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    for name, steps in (("old", 7), ("opened", 40)):
        (tmp_path / name).write_text(str(steps))
    engine.set_view(0, 1, image, model=tmp_path / "old")
    assert seen.wait("preview").step == 7
    engine.save_model(tmp_path / "none.safetensors")
    assert "there is no model yet" in seen.wait("job_finished").message
    engine.load_model(tmp_path / "opened")
    seen.wait("preview", lambda p: (p.step, p.model) == (40, None))
    engine.set_view(0, 2, image, model=tmp_path / "old")  # was on its way
    seen.wait("preview", lambda p: (p.step, p.model, p.z) == (7, tmp_path / "old", 2))
    assert steps_saved(engine, seen, tmp_path / "a.safetensors") == 40
    spec = TrainingSpec(train=TrainSpec(steps=60))
    engine.train(image, labels, spec, tmp_path / "m", view=(0, 1))
    seen.wait("preview", lambda p: p.z == 1)
    engine.set_view(0, 0, image, model=tmp_path / "old")
    assert seen.wait("job_finished", lambda r: r.job == "train").outcome == "finished"
    assert seen.wait("preview", lambda p: p.z == 0 and p.step > 7).model is None
    assert steps_saved(engine, seen, tmp_path / "b.safetensors") == 60
    engine.set_view(0, 0, image, before=True)
    seen.wait("preview", lambda p: p.before)


def test_a_training_that_is_stopped_before_its_first_step_leaves_the_model(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    (tmp_path / "opened").write_text("40")
    engine.load_model(tmp_path / "opened")
    seen.wait("job_finished")
    engine.train(Image(image.data, "ZYX", name="no step"), labels, LONG, tmp_path / "m")
    seen.wait("event", lambda e: "still" in e.text)
    engine.stop()
    assert seen.wait("job_finished", lambda r: r.job == "train").outcome == "stopped"
    assert steps_saved(engine, seen, tmp_path / "a.safetensors") == 40


def test_a_training_that_goes_on_gets_what_was_taken_before(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    (tmp_path / "m").write_text("3")
    spec = TrainingSpec(train=TrainSpec(steps=6))
    part = (0, 1, 2, 3, np.array([[0, 2]], np.uint8))
    for taken, told in (([part], str([(0, 1, 2, 3, [[0, 2]])])), ([], None)):
        engine.train(image, labels, spec, tmp_path / "m", resume=True, taken=taken)
        assert seen.wait("job_finished", lambda r: r.job == "train").outcome == "finished"
        seen.items.clear()
        file = tmp_path / "taken"
        assert (file.read_text() if file.exists() else None) == told
        file.unlink(missing_ok=True)


def test_a_paused_training_looks_through_all_mirror_images(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    engine.train(Image(image.data, "ZYX", name="mirrors"), labels, LONG, tmp_path / "m", view=(0, 1))
    seen.wait("preview")
    engine.pause()
    seen.wait_state("paused")
    engine.set_view(0, 2)
    seen.wait("preview", lambda p: [q.z for q in seen.of("preview")].count(2) == 4)
    assert levels(seen) == pytest.approx([0, 0.5, 1, 1.5], abs=0.05)


def test_a_slow_preview_is_not_done_again(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, spec, tmp_path / "m")
    seen.wait("job_finished")
    engine.set_view(0, 1, Image(image.data.copy(), "ZYX", name="slow"))
    seen.wait("preview", lambda p: p.z == 1)
    engine.set_view(0, 2, image)
    seen.wait("preview", lambda p: p.z == 2)
    assert [p.z for p in seen.of("preview")].count(1) == 1


def test_the_network_as_it_was_is_previewed_once_and_the_training_goes_on(
    make_engine, image, labels, spec, tmp_path
):
    engine, seen = make_engine()
    engine.train(image, labels, LONG, tmp_path / "m")
    seen.wait("event", lambda e: isinstance(e, StepDone) and e.step > 3)
    engine.set_view(0, 2, before=True)
    preview = seen.wait("preview", lambda p: p.before)
    assert (preview.z, preview.step) == (2, 0)
    seen.wait("preview", lambda p: sum(q.before for q in seen.of("preview")) == 4)
    step = seen.of("event", StepDone)[-1].step
    seen.wait("event", lambda e: isinstance(e, StepDone) and e.step > step + 150)
    assert sum(p.before for p in seen.of("preview")) == 4  # once through every mirror image
    assert seen.of("preview")[-1].before  # nor any other meanwhile
    engine.set_view(0, 2)
    assert seen.wait("preview", lambda p: not p.before and p.z == 2).step > step
    engine.stop()
    seen.wait("job_finished")

    engine.set_view(0, 1, before=True)  # of the training that has ended
    assert seen.wait("preview", lambda p: p.before and p.z == 1).step == 0
    engine.load_model(tmp_path / "m")
    seen.wait("job_finished", lambda r: r.job == "load")
    note = seen.wait("event", lambda e: isinstance(e, Note) and e.warning)
    assert "before the last training is not known" in note.text


def test_pause_resume_stop(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, LONG, tmp_path / "m")
    seen.wait("event", lambda e: isinstance(e, StepDone))
    engine.pause()
    seen.wait_state("paused")
    count = len(seen.of("event"))
    engine.set_view(0, 2)
    seen.wait("preview", lambda p: p.z == 2)
    assert len(seen.of("event")) == count
    assert engine.seconds_without_progress == 0
    engine.resume()
    seen.wait("state_changed", lambda s: s == "training" and seen.of("state_changed").count("training") == 2)
    engine.pause()
    seen.wait_state("paused")
    engine.stop()
    result = seen.wait("job_finished")
    assert result.outcome == "stopped"
    assert seen.of("event", CheckDone)[-1].loss == 0.25  # of what was learnt since the score before
    steps = int((tmp_path / "m").read_text())
    assert engine.model.description == {"steps": steps}
    assert 0 < steps < 100_000
    assert engine.state == "ready"


def test_orders_without_a_job_do_nothing(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine()
    for order in (engine.pause, engine.resume, engine.stop, engine.clear_view, engine.close):
        order()
    engine.set_view(0, 0)
    assert engine.state == "off"
    engine.start()
    engine.stop()
    engine.start()
    seen.wait_state("ready")
    engine.train(image, labels, spec, tmp_path / "m")
    assert seen.wait("job_finished").outcome == "finished"


def test_one_job_at_a_time(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, LONG, tmp_path / "m")
    with pytest.raises(UserError, match="a training is still in progress"):
        engine.predict(image, ["cells"])
    engine.stop()
    seen.wait("job_finished")
    assert len(seen.of("job_finished")) == 1


def test_a_prediction_comes_in_blocks(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine()
    models = []
    engine.outputs.connect(lambda _: models.append(engine.model))
    (tmp_path / "m").write_text("12")
    engine.predict(
        Image(da.from_array(image.data, chunks=20), "ZYX"), ["probabilities", "cells"], model=tmp_path / "m"
    )
    result = seen.wait("job_finished")
    assert (result.outcome, result.model.description) == ("finished", {"steps": 12})
    assert names(seen).index("outputs") < names(seen).index("block")
    assert models[0].description == {"steps": 12}, "listeners need the classes of a model that was loaded just now"
    arrays = {i.output: np.zeros(i.shape, i.dtype) for i in seen.of("outputs")[0]}
    for block in seen.of("block"):
        arrays[block.output][block.index] = block.array
    assert arrays["cells"].dtype == np.int32
    np.testing.assert_array_equal(arrays["cells"], image.data)
    np.testing.assert_array_equal(arrays["probabilities"], [image.data, 255 - image.data])
    assert len(engine._loans.server) == 0


def test_a_prediction_begins_with_the_plane_in_view(make_engine, tmp_path):
    engine, seen = make_engine()
    (tmp_path / "m").write_text("12")
    stack = Image(np.ones((3, 8, 8), np.uint8), "ZYX")
    engine.predict(stack, ["classes"], model=tmp_path / "m", view=(0, 2))
    seen.wait("job_finished")
    assert [block.index[0] for block in seen.of("block")] == [2, 0, 1]


def test_a_prediction_of_some_planes_can_be_stopped(make_engine, tmp_path):
    engine, seen = make_engine()
    (tmp_path / "m").write_text("12")
    engine.predict(
        Image(np.ones((2, 3, 8, 8), np.uint8), "TZYX"),
        ["classes"],
        model=tmp_path / "m",
        region=ONE,
    )
    seen.wait("job_finished")
    assert [b.index[:2] for b in seen.of("block")] == [(1, 2)]
    seen.items.clear()
    engine.predict(Image(np.ones((5000, 8, 8), np.uint8), "ZYX"), ["classes"])
    seen.wait("block")
    engine.stop()
    assert seen.wait("job_finished").outcome == "stopped"
    assert len(seen.of("block")) < 5000


def test_save_and_load(make_engine, tmp_path):
    engine, seen = make_engine()
    (tmp_path / "m").write_text("12")
    engine.load_model(tmp_path / "m")
    assert seen.wait("job_finished").model.description == {"steps": 12}
    engine.save_model(tmp_path / "copy")
    assert seen.wait("job_finished", lambda r: r.job == "save").path == tmp_path / "copy"
    assert (tmp_path / "copy").read_text() == "12"


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (lambda e, i, p: e.load_model(p / "none"), "there is no model at"),
        (lambda e, i, p: e.save_model(p / "none"), "there is no model yet: train one or load one first"),
        (lambda e, i, p: e.predict(i, ["cells"]), "there is no model yet"),
        (
            lambda e, i, p: e.train(i, Image(np.zeros((3, 40, 50), int), "ZYX"), LONG, p / "m"),
            "nothing is painted",
        ),
    ],
)
def test_mistakes_are_told_in_words(make_engine, image, tmp_path, order, message):
    engine, seen = make_engine()
    order(engine, image, tmp_path)
    result = seen.wait("job_finished")
    assert (result.outcome, result.user, result.traceback) == ("failed", True, "")
    assert message in result.message
    assert engine.state == "ready"


def test_a_runtime_error_of_torch_is_told_and_the_worker_lives(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine()
    engine.train(Image(image.data, "ZYX", name="torch error"), labels, spec, tmp_path / "m")
    result = seen.wait("job_finished")
    assert (result.outcome, result.user) == ("failed", False)
    assert result.message == "RuntimeError: shapes do not match"
    assert "fake_worker.py" in result.traceback
    pid = engine.worker.pid
    engine.train(image, labels, spec, tmp_path / "m")
    assert seen.wait("job_finished", lambda r: r.outcome != "failed").outcome == "finished"
    assert engine.worker.pid == pid


def broken_plane(block, block_info=None):
    if block_info[0]["chunk-location"][0] == 2:
        raise OSError("the network drive is gone")
    return block


@pytest.fixture
def broken(image):
    data = da.from_array(image.data, chunks=(1, 40, 50)).map_blocks(broken_plane, dtype=np.uint8)
    return Image(data, "ZYX", name="brain.zarr")


def test_a_block_that_cannot_be_read_is_named(make_engine, broken, tmp_path):
    engine, seen = make_engine()
    (tmp_path / "m").write_text("12")
    engine.predict(broken, ["classes"], model=tmp_path / "m")
    result = seen.wait("job_finished")
    assert (result.outcome, result.user) == ("failed", True)
    assert "could not read brain.zarr at [2:3, :, :] (tried twice): OSError: the network drive" in result.message
    assert [b.index[0] for b in seen.of("block")] == [0, 1]


def test_a_preview_that_fails_is_a_warning(make_engine, broken, labels, spec, tmp_path):
    engine, seen = make_engine()
    engine.train(broken, labels, spec, tmp_path / "m", view=(0, 2))
    assert seen.wait("job_finished").outcome == "finished"
    notes = [e for e in seen.of("event", Note) if e.warning]
    assert notes
    assert "no preview of this plane: could not read brain.zarr" in notes[0].text


class Slow:
    """An array on a network drive that stalls."""

    shape, dtype = (3, 40, 50), np.dtype(np.uint8)

    def __getitem__(self, key):
        time.sleep(30)


def test_a_stalled_read_can_be_stopped(make_engine, labels, spec, tmp_path):
    engine, seen = make_engine()
    engine.train(Image(np.ones((3, 40, 50), np.uint8), "ZYX"), Image(Slow(), "ZYX"), spec, tmp_path / "m")
    seen.wait_state("training")
    engine.stop()
    assert seen.wait("job_finished", timeout=20).outcome == "stopped"


def test_a_listener_that_fails_does_not_stop_the_engine(make_engine, image, labels, spec, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("threading.excepthook", shown.append)
    engine, seen = make_engine()

    def fail(event):
        raise KeyError("window")

    engine.event.connect(fail)
    engine.train(image, labels, spec, tmp_path / "m")
    assert seen.wait("job_finished").outcome == "finished"
    assert shown


@posix
def test_a_killed_worker_is_told_and_its_training_resumed(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, LONG, tmp_path / "m")
    seen.wait("event", lambda e: isinstance(e, CheckDone))
    os.kill(engine.worker.pid, signal.SIGKILL)
    message = seen.wait("died")
    assert "killed by SIGKILL" in message
    assert f"The last saved model is {tmp_path / 'm'}" in message
    assert "a library prints" in message
    assert "and a C library as well" in message
    assert [r.outcome for r in seen.of("job_finished")] == ["died"]
    assert engine.state == "dead"
    assert not engine.busy
    assert engine.model is None
    steps = int(engine.autosave.read_text())
    assert steps >= 10
    seen.items.clear()
    engine.train(image, labels, TrainingSpec(train=TrainSpec(steps=steps + 5)), engine.autosave, resume=True)
    assert seen.wait("job_finished").model.description == {"steps": steps + 5}
    assert min(e.step for e in seen.of("event", StepDone)) == steps + 1


@posix
def test_the_place_of_a_crash_is_told(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine((FAKE[0], "-X", "faulthandler", *FAKE[1:]))
    engine.train(Image(image.data, "ZYX", name="segfault"), labels, spec, tmp_path / "m")
    message = seen.wait("died")
    assert "SIGSEGV" in message
    assert "fake_worker.py" in message


def test_a_program_that_talks_no_frames_is_told(make_engine):
    engine, seen = make_engine((sys.executable, "-c", "print('Hello, world'); import time; time.sleep(60)"))
    engine.start()
    assert "no frame starts with" in seen.wait("died")
    assert engine.state == "dead"


def test_a_worker_that_cannot_import_is_told(make_engine):
    engine, seen = make_engine((sys.executable, "-c", "import no_such_module"))
    engine.start()
    assert "No module named 'no_such_module'" in seen.wait("died")


def test_close_saves_and_leaves_no_process(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, LONG, tmp_path / "m")
    step = seen.wait("event", lambda e: isinstance(e, StepDone) and e.step > 3)
    pid = engine.worker.pid
    engine.close()
    assert not alive(pid)
    assert int((tmp_path / "m").read_text()) >= step.step
    assert (engine.state, engine.busy, len(engine._loans.server)) == ("off", False, 0)
    engine.close()
    assert seen.of("died") == []
    assert seen.of("job_finished") == []


@posix
def test_close_ends_a_worker_that_hangs(make_engine, image, labels, spec, tmp_path):
    engine, seen = make_engine()
    engine.train(Image(image.data, "ZYX", name="frozen"), labels, spec, tmp_path / "m")
    seen.wait_state("training")
    pid = engine.worker.pid
    os.kill(pid, signal.SIGSTOP)
    engine.close(timeout=0.4)
    assert not alive(pid)


@posix
def test_silence_is_measured(make_engine):
    engine, seen = make_engine()
    assert engine.seconds_silent == 0
    engine.start()
    seen.wait_state("ready")
    time.sleep(1.5)
    assert engine.seconds_silent < 1.4
    os.kill(engine.worker.pid, signal.SIGSTOP)
    time.sleep(1.5)
    assert engine.seconds_silent > 1.4


@posix
@pytest.mark.parametrize("name", ["image", "frozen"])
def test_no_orphan_when_the_window_is_killed(tmp_path, name):
    script = f"""
import numpy as np, sys, time
from pathlib import Path
from napari_unet.arrays.axes import Image
from napari_unet.engine.client import Engine
from napari_unet.spec import TrainingSpec, TrainSpec
engine = Engine({FAKE!r})
ones = Image(np.ones((3, 40, 50), np.uint8), "ZYX", name={name!r})
engine.train(ones, ones, TrainingSpec(train=TrainSpec(steps=100000)), Path({str(tmp_path / "m")!r}))
while engine.state != "training":
    time.sleep(0.01)
print(engine.worker.pid, flush=True)
time.sleep(60)
"""
    window = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(window.stdout.readline())
    assert alive(pid)
    window.kill()
    window.wait()
    window.stdout.close()
    end = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < end, "the worker outlives the window"
        time.sleep(0.02)


def test_a_program_that_forgets_to_close_ends_all_the_same(tmp_path):
    script = f"""
import time
from napari_unet.engine.client import Engine
engine = Engine({FAKE!r})
engine.start()
while engine.state != "ready":
    time.sleep(0.01)
print(engine.worker.pid, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert not alive(int(done.stdout))


def test_the_client_needs_no_torch():
    code = "import sys, napari_unet.engine.client; assert not {'torch', 'napari_unet.jobs'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_listens_on_a_port(make_engine):
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("needs Linux's list of sockets")
    engine, seen = make_engine()
    engine.start()
    seen.wait_state("ready")
    for pid in (engine.worker.pid,):
        links = [os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir() if f.is_symlink()]
        assert not [link for link in links if link.startswith("socket:")]


def test_an_engine_that_was_never_started():
    engine = Engine()
    assert (engine.state, engine.seconds_silent, engine.seconds_without_progress) == ("off", 0, 0)
    engine.close()


def test_a_suggestion_is_a_job_of_its_own_while_nothing_runs(make_engine, image, labels):
    engine, seen = make_engine()
    shown = (Region((0, 1), (1, 2), (0, 1), (0, 1)),)
    engine.suggest(image, labels, view=(0, 1), shown=shown, planes=((0, 1),))
    assert engine.busy
    result = seen.wait("job_finished")
    assert (result.job, result.outcome) == ("suggest", "finished")
    (found,) = seen.of("suggestion")
    assert found.region == Region((0, 1), (1, 2), (1, 2), (0, 1))
    assert (found.unsure, found.unlike, found.stands_for) == (0.5, 1.0, 0.25)
    assert (found.planes, found.of, found.again) == (1, 3, False)
    assert names(seen).index("suggestion") < names(seen).index("job_finished")
    assert len(engine._loans.server) == 0
    engine.suggest(Image(image.data, "ZYX", name="unfit"), None)
    result = seen.wait("job_finished", lambda r: r.outcome == "failed")
    assert (result.user, result.message) == (True, "the image has another number of channels")


def test_a_suggestion_comes_while_a_training_runs_or_is_paused(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, LONG, tmp_path / "m")
    seen.wait("event", kind=StepDone)
    engine.suggest(image, labels, view=(0, 2))
    assert seen.wait("suggestion").region.z == (2, 3)
    engine.pause()
    seen.wait_state("paused")
    engine.suggest(image, labels, view=(0, 1))
    assert seen.wait("suggestion", lambda s: s.region.z == (1, 2))
    engine.resume()
    seen.wait_state("training")
    engine.stop()
    assert seen.wait("job_finished").outcome == "stopped"


def test_a_suggestion_that_was_begun_is_given_before_the_training_ends(make_engine, image, labels, tmp_path):
    engine, seen = make_engine()
    engine.train(image, labels, TrainingSpec(train=TrainSpec(steps=1)), tmp_path / "m")
    engine.suggest(image, labels)
    seen.wait("job_finished")
    assert len(seen.of("suggestion")) == 1
