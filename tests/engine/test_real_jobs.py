"""The engine with the real jobs, torch and all."""

import os
import signal
import sys

import numpy as np
import pytest
import torch
import zarr

from engine_tools import Recorder, alive
from napari_unet import jobs
from napari_unet.arrays.axes import Image
from napari_unet.engine.client import Engine
from napari_unet.events import CellsDone, CheckDone, Finished, Note, StepDone
from napari_unet.spec import TrainingSpec, TrainSpec, UNetSpec
from synthetic import classes, tissue

SPEC = TrainingSpec(net=UNetSpec(base=4, depth=2), train=TrainSpec(steps=10, patch=(64, 64), batch=2, threads=1))
LONG = SPEC.model_copy(update={"train": SPEC.train.model_copy(update={"steps": 100_000, "checks": 1000})})


@pytest.fixture(scope="module")
def engine():
    engine = Engine()
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def seen(engine):
    recorder = Recorder(engine)
    yield recorder
    for name in ("event", "preview", "suggestion", "outputs", "block", "state_changed", "died", "job_finished"):
        getattr(engine, name).disconnect()


@pytest.fixture(scope="module")
def cells():
    data, instances = tissue((3, 96, 112), cells=60, seed=2)
    return Image(data, "ZYX"), Image(classes(instances), "ZYX", name="labels")


def test_what_the_worker_finds(engine, seen):
    seen.wait_state("ready")
    assert engine.worker.versions["torch"] == torch.__version__
    assert engine.worker.threads >= 1
    assert engine.worker.device


def test_train_then_predict_as_without_the_engine(engine, seen, cells, tmp_path):
    image, labels = cells
    path = tmp_path / "model.safetensors"
    engine.train(image, labels, SPEC, path, view=(0, 1))
    result = seen.wait("job_finished")
    assert result.outcome == "finished", result
    assert [c.name for c in engine.model.classes] == ["cell", "boundary"]
    assert engine.model.description["steps"] == 10
    assert seen.of("event", StepDone)[-1].step == 10
    assert seen.of("event", CheckDone)
    assert seen.of("event", Finished)
    preview = seen.of("preview")[0]
    assert preview.probabilities.shape == (2, 96, 112)
    sums = preview.probabilities.astype(int).sum(axis=0)
    assert sums.min() >= 254
    assert sums.max() <= 256

    engine.predict(image, ["probabilities", "boundaries", "cells"])
    seen.wait("job_finished", lambda r: r.job == "predict")
    arrays = {i.output: np.zeros(i.shape, i.dtype) for i in seen.of("outputs")[0]}
    for block in seen.of("block"):
        arrays[block.output][block.index] = block.array
    model = jobs.load(path)
    np.testing.assert_array_equal(arrays["boundaries"], model.boundaries(image))
    np.testing.assert_array_equal(arrays["cells"], model.cells(image))
    assert np.abs(arrays["probabilities"] / 255 - model.predict(image)).max() <= 0.5 / 255 + 1e-6
    assert [e.done for e in seen.of("event", CellsDone)] == [1, 2, 3]

    engine.set_view(0, 2, image)
    preview = seen.wait("preview", lambda p: p.z == 2)
    np.testing.assert_allclose(preview.probabilities, arrays["probabilities"][:, 2], atol=1)
    engine.clear_view()


def mean_of_mirror_images(seen, which):
    """Wait for as many previews as there are mirror images, and give the last."""
    seen.wait("preview", lambda p: sum(map(which, seen.of("preview"))) == 4)
    return [p for p in seen.of("preview") if which(p)][-1]


def test_before_a_training_that_goes_on_is_what_the_one_before_has_left(engine, seen, cells, tmp_path):
    image, labels = cells
    path = tmp_path / "model.safetensors"
    engine.train(image, labels, SPEC, path, view=(0, 1))
    seen.wait("job_finished")
    engine.set_view(0, 2, image)
    mean_of_mirror_images(seen, lambda p: p.z == 2)
    seen.items.clear()  # previews of the last step are not yet what the training leaves
    engine.set_view(0, 1)
    left = mean_of_mirror_images(seen, lambda p: (p.step, p.z) == (10, 1))
    more = SPEC.model_copy(update={"train": SPEC.train.model_copy(update={"steps": 60})})
    engine.train(image, labels, more, path, view=(0, 1), resume=True)
    seen.wait("job_finished", lambda r: engine.model.description["steps"] == 60)
    engine.set_view(0, 1, before=True)
    before = mean_of_mirror_images(seen, lambda p: p.before)
    engine.set_view(0, 1)
    now = seen.wait("preview", lambda p: p.step == 60)
    np.testing.assert_array_equal(before.probabilities, left.probabilities)
    assert (now.probabilities != before.probabilities).any()
    engine.clear_view()


def test_arrays_of_all_kinds_train_alike(engine, seen, cells, tmp_path):
    image, labels = cells
    stored = zarr.create_array(tmp_path / "a.zarr", shape=image.data.shape, chunks=(1, 40, 40), dtype="u1")
    stored[:] = image.data
    flipped = np.ascontiguousarray(image.data[::-1, ::-1])[::-1, ::-1]
    losses = []
    for data in (image.data, stored, flipped, image.data.astype(">u2")):
        seen.items.clear()
        engine.train(Image(data, "ZYX"), labels, SPEC, tmp_path / "m.safetensors")
        assert seen.wait("job_finished").outcome == "finished"
        losses.append(seen.of("event", StepDone)[-1].loss)
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-3)


def test_a_mistake_is_told_in_the_words_of_the_job(engine, seen, cells, tmp_path):
    image, _ = cells
    engine.train(image, Image(np.zeros((3, 96, 112), np.uint8), "ZYX"), SPEC, tmp_path / "m.safetensors")
    result = seen.wait("job_finished")
    assert (result.outcome, result.user, result.traceback) == ("failed", True, "")
    assert result.message


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_stop_then_kill_then_resume(engine, seen, cells, tmp_path):
    image, labels = cells
    path = tmp_path / "model.safetensors"
    engine.train(image, labels, LONG, path, view=(0, 1))
    seen.wait("event", kind=StepDone)
    engine.stop()
    assert seen.wait("job_finished").outcome == "stopped"
    before = engine.model.description["steps"]
    assert jobs.load(path).describe()["steps"] == before

    seen.items.clear()
    engine.train(image, labels, LONG, path, resume=True)
    check = seen.wait("event", kind=CheckDone)
    assert check.step > before
    pid = engine.worker.pid
    os.kill(pid, signal.SIGKILL)
    assert str(path) in seen.wait("died")
    assert not alive(pid)
    saved = jobs.load(path).describe()["steps"]
    assert saved >= check.step

    seen.items.clear()
    engine.train(image, labels, LONG, path, resume=True)
    assert seen.wait("event", kind=StepDone).step > saved
    engine.stop()
    seen.wait("job_finished")


def test_close_leaves_no_process(cells, tmp_path):
    engine = Engine()
    seen = Recorder(engine)
    engine.train(*cells, LONG, tmp_path / "m.safetensors")
    seen.wait("event", kind=StepDone)
    pid = engine.worker.pid
    engine.close()
    assert not alive(pid)
    assert (tmp_path / "m.safetensors").is_file()


def test_a_model_is_trained_further(engine, seen, cells, tmp_path):
    image, labels = cells
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    once = SPEC.model_copy(update={"train": SPEC.train.model_copy(update={"steps": 1, "learning_rate": 1e-9})})
    engine.train(image, labels, once, first)
    seen.wait("job_finished")
    engine.train(image, labels, once, second, start=first)
    seen.wait("job_finished", lambda r: r.path == second)
    before, after = (jobs.load(p).trained.network.state_dict() for p in (first, second))
    assert all(torch.allclose(before[k], after[k], atol=1e-6) for k in before if k.endswith("weight"))
    wider = once.model_copy(update={"net": UNetSpec(base=8, depth=2)})
    engine.train(image, labels, wider, second, start=first)
    refused = seen.wait("job_finished", lambda r: r.outcome == "failed")
    assert "its base is 4, here it is 8: say --base 4" in refused.message


def test_strokes_reach_the_training_that_runs(engine, seen, cells, tmp_path):
    image, labels = cells
    engine.train(image, labels, LONG, tmp_path / "live.safetensors", view=(0, 1))
    seen.wait("event", kind=StepDone)
    engine.paint(0, 2, 5, 7, np.full((20, 30), 3, labels.data.dtype))
    seen.wait("event", lambda e: e.text.startswith("new in the annotation: background"), kind=Note)
    seen.wait("preview", lambda p: len(p.classes) == 3)
    engine.stop()
    assert seen.wait("job_finished").outcome == "stopped"
    assert [c.name for c in engine.model.classes] == ["cell", "boundary", "background"]
    engine.paint(0, 2, 5, 7, np.zeros((2, 2), labels.data.dtype))  # no training: nothing happens
    assert engine.state == "ready"


def test_where_to_annotate_next_with_and_without_a_training(engine, seen, cells, tmp_path):
    image, labels = cells
    one = Image(np.where(np.arange(3)[:, None, None] == 1, labels.data, 0).astype(np.uint8), "ZYX", name="labels")
    engine.suggest(image, one, view=(0, 0), planes=((0, 1),))
    result = seen.wait("job_finished")
    assert (result.job, result.outcome) == ("suggest", "finished"), result
    (alone,) = seen.of("suggestion")
    assert alone.region.z[0] != 1  # which is annotated all over
    engine.train(image, one, LONG, tmp_path / "m.safetensors")
    seen.wait("event", kind=StepDone)
    engine.suggest(image, one, shown=(alone.region,))
    other = seen.wait("suggestion", lambda s: s is not alone)
    assert other.region != alone.region
    step = seen.of("event", StepDone)[-1].step
    seen.wait("event", lambda e: e.step > step + 2, kind=StepDone)
    engine.stop()
    seen.wait("job_finished", lambda r: r.job == "train")
