"""Trainings go along with their project, and come back with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from napari_unet.events import StepDone
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.spec import DEFAULT_CLASSES, TargetSpec, TrainingSpec, TrainSpec, UNetSpec
from napari_unet.storage.facts import KEY
from napari_unet.storage.keep import STATE
from napari_unet.storage.project import FILE, read_project
from plugin_tools import MODEL, a_preview, an_output, result
from project_tools import Window, another, made, trained, window_on


def test_the_training_goes_along_and_goes_on(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1), value=1)
    window.paint((1, 1, 5), value=2)
    window.controller.trainer.train(TrainingSpec())
    autosave = window.engine.last("train")["args"][3]
    for path in (autosave, autosave.with_suffix(".resume.safetensors")):
        path.write_bytes(b"weights")
    window.controller.on_job_finished(result("train", "stopped", path=autosave))
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    copy = tmp_path / "a.unet" / "trainings" / autosave.name
    assert window.controller.trainer.checkpoints.current == copy
    window.controller.trainer.train(TrainingSpec(), go_on=True)
    assert window.engine.last("train")["args"][3] == copy
    window.controller.on_job_finished(result("train", "stopped", path=copy))
    window.controller.trainer.train(TrainingSpec())
    assert window.engine.last("train")["args"][3].parent == copy.parent  # later ones begin there
    window.controller.on_job_finished(result("train", "failed"))
    window.controller.close()

    back = Window(tmp_path / "cache")
    back.bring(tmp_path / "a.unet")
    assert back.controller.model.there
    assert not back.controller.trainer.due  # these strokes are learnt already
    back.controller.trainer.train(TrainingSpec(), go_on=True)
    given = back.engine.last("train")
    assert (given["resume"], given["args"][3]) == (True, copy)
    back.controller.close()


def whole_slice(window: Window) -> None:
    window.controller.segment(SegmentRequest("slice", ("cells",)))


def test_another_project_brings_its_own_network(image: Path, tmp_path: Path) -> None:
    """The engine still has that of the project before."""
    folder = another(tmp_path, training=True)
    window = window_on(image, tmp_path / "cache")
    trained(window)
    window.keeper.keep_in(tmp_path / "a")
    window.bring(folder)
    controller = window.controller
    (theirs,) = (p for p in (folder / "trainings").iterdir() if not p.name.endswith(STATE))
    assert controller.trainer.going.current == theirs
    assert not controller.comparison.possible
    assert controller.model.details == ""
    z = controller.live.plane[1]
    controller.on_preview(a_preview((40, 256), z=z))  # of the network before
    assert not any(x.name == "U-Net preview" and x.data.any() for x in window.viewer.layers)
    controller.save_model(tmp_path / "saved")
    assert window.engine.count("save_model") == 0
    assert (tmp_path / "saved.safetensors").read_bytes() == theirs.read_bytes()
    controller.open_model(theirs)
    controller.on_job_finished(result("load", "failed"))
    whole_slice(window)
    assert window.engine.last("predict")["model"] == tmp_path / "saved.safetensors"
    controller.on_outputs((an_output("cells", (40, 256)),))
    controller.on_job_finished(result("predict"))
    assert controller.model.details
    whole_slice(window)
    assert window.engine.last("predict")["model"] is None  # it was read
    controller.on_job_finished(result("predict"))
    controller.close()


def test_the_engine_has_the_network_of_a_project_once_it_was_read_or_trained(image: Path, tmp_path: Path) -> None:
    folder = another(tmp_path, training=True)
    window = window_on(image, tmp_path / "cache")
    trained(window)
    controller, engine = window.controller, window.engine
    scores: list[object] = []
    controller.scored.connect(scores.append)
    window.bring(folder)
    theirs = controller.trainer.going.current
    for outcome in ("stopped", "failed"):  # before a step, so the engine has still the one of before
        controller.trainer.train(TrainingSpec(), go_on=True)
        controller.on_job_finished(result("train", outcome, path=theirs))
        assert controller.model.details == ""
        whole_slice(window)
        assert engine.last("predict")["model"] == theirs
        controller.on_job_finished(result("predict", "failed"))
    assert not scores
    z, shape = controller.live.plane[1], controller.selection.geometry.only("YX").shape
    controller.trainer.train(TrainingSpec(), go_on=True)
    controller.on_preview(a_preview(shape, z=z))
    assert controller.live.shown is None
    controller.on_event(StepDone(10, 0.5, 0.1, 1.0, 9.0))
    controller.on_preview(a_preview(shape, z=z))
    assert controller.live.shown is not None
    controller.on_job_finished(result("train", "stopped", path=theirs))
    assert (len(scores), bool(controller.model.details)) == (1, True)
    whole_slice(window)
    assert engine.last("predict")["model"] is None
    controller.on_job_finished(result("predict"))

    (tmp_path / "more").mkdir()
    window.bring(another(tmp_path / "more", training=True))
    assert controller.model.details == ""
    controller.on_job_finished(result("pack"))
    whole_slice(window)
    assert engine.last("predict")["model"] is None  # it was read to be packed
    controller.on_job_finished(result("predict"))
    controller.close()


def test_the_file_of_a_model_is_looked_with_until_a_job_has_one(image: Path, tmp_path: Path) -> None:
    folder = another(tmp_path, training=True)
    window = Window(tmp_path / "cache")
    window.bring(folder)
    controller, engine = window.controller, window.engine
    assert engine.model is None
    file = controller.model.file
    assert engine.last("set_view")["model"] == file is not None
    controller.trainer.train(TrainingSpec())
    for z in (2, 1):
        window.viewer.dims.set_current_step(0, z)
        assert engine.last("set_view")["model"] is None  # what is learnt is shown, not what was
    controller.on_job_finished(result("train", "failed"))
    assert engine.last("set_view")["model"] == file
    assert file is not None
    file.unlink()
    window.viewer.dims.set_current_step(0, 2)
    assert engine.last("set_view")["model"] is None  # no warning with every slice
    controller.close()


def test_the_model_of_one_project_is_not_seen_in_another(image: Path, tmp_path: Path) -> None:
    """The worker had it for a preview only, so the engine has said nothing of it."""
    first = another(tmp_path, training=True)
    ours = window_on(image, tmp_path / "cache1")
    ours.keeper.keep_in(tmp_path / "without")
    ours.keeper._wait()
    ours.controller.close()
    window = Window(tmp_path / "cache2")
    window.bring(first)
    controller = window.controller
    theirs = controller.model.file
    shape = controller.selection.geometry.only("YX").shape
    controller.on_preview(replace(a_preview(shape, z=controller.live.plane[1]), model=theirs))
    assert controller.live.shown is not None
    window.bring(tmp_path / "without.unet")
    assert not controller.model.there
    shape = controller.selection.geometry.only("YX").shape
    controller.on_preview(replace(a_preview(shape, z=controller.live.plane[1]), model=theirs))
    assert controller.live.shown is None
    controller.close()


def test_a_project_without_a_training_begins_without_one(image: Path, tmp_path: Path) -> None:
    folder = another(tmp_path, training=False)
    window = window_on(image, tmp_path / "cache")
    ours = trained(window)
    window.keeper.keep_in(tmp_path / "a")
    window.bring(folder)
    controller = window.controller
    window.wait()
    assert controller.trainer.going.current is None
    assert not controller.trainer.going.possible
    assert not controller.model.there
    whole_slice(window)
    assert window.engine.count("predict") == 0
    assert "There is no model yet" in window.said[-1]
    window.paint((1, 3, 3), value=2)
    window.wait()
    assert read_project(folder).training is None
    controller.trainer.start_by_itself(TrainingSpec(), TrainingSpec())
    given = window.engine.last("train")
    assert not given["resume"]
    assert given["args"][3].parent == folder / "trainings"
    assert given["args"][3].name != ours.name
    controller.on_job_finished(result("train", "failed"))
    controller.close()
    assert read_project(tmp_path / "a.unet").training == ours.name


def test_a_training_that_is_back_knows_its_settings(image: Path, tmp_path: Path) -> None:
    """As those of the model that the engine has filled in when it began."""
    window = window_on(image, tmp_path / "cache")
    path = trained(window)
    filled = TrainingSpec(
        net=UNetSpec(base=8, in_channels=1, classes=2),
        target=TargetSpec(classes=DEFAULT_CLASSES[:2]),
        train=TrainSpec(patch=(64, 64)),
    )
    history = [{"step": 20, "held_out": 0.4, "scores": {"cell": 0.9, "boundary": 0.8}}]
    info = {"seconds": 7.5, "steps": 30, "used_step": 20}
    facts = {"spec": filled.model_dump(mode="json"), "info": info, "history": history}
    save_file({"x": np.zeros(1)}, path, {KEY: json.dumps(facts)})
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    window.controller.close()
    back = Window(tmp_path / "cache")
    told: list[object] = []
    back.controller.restored.connect(told.append)
    back.bring(tmp_path / "a.unet")
    assert told == [info | {"history": history}]
    trainer = back.controller.trainer
    assert (trainer.seconds, trainer.steps) == (7.5, 30)
    same = TrainingSpec(net=UNetSpec(base=8))
    assert trainer.going.fits(same)
    assert not trainer.going.fits(TrainingSpec(net=UNetSpec(base=4)))
    assert not trainer.going.fits(same.model_copy(update={"target": TargetSpec(style="cells")}))
    assert not trainer.going.fits(same.model_copy(update={"target": TargetSpec(classes=DEFAULT_CLASSES[1:3])}))
    trainer.start_by_itself(TrainingSpec(), TrainingSpec())
    assert not back.engine.last("train")["resume"]
    back.controller.on_job_finished(result("train", "failed"))
    trainer.start_by_itself(same, same)
    assert back.engine.last("train")["resume"]
    back.controller.on_job_finished(result("train", "failed"))
    back.controller.close()


def test_a_saving_while_it_is_compared_hides_nothing(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    trained(window)
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    folder, layer = tmp_path / "a.unet", window.controller.selection.labels_layer
    assert layer is not None
    window.controller.comparison.toggle()
    assert not layer.visible
    window.paint((1, 7, 7))
    window.wait(60)
    assert read_project(folder).annotations[0].look.visible
    window.controller.comparison.toggle()
    assert layer.visible
    layer.visible = False
    window.paint((1, 8, 8))
    window.controller.close()
    assert not read_project(folder).annotations[0].look.visible


def test_no_project_is_taken_over_while_a_job_runs(image: Path, tmp_path: Path) -> None:
    folder = another(tmp_path, training=True)
    window = window_on(image, tmp_path / "cache")
    ours = trained(window)
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    window.controller.trainer.train(TrainingSpec(), go_on=True)
    window.bring(folder)
    assert "was opened while a job runs" in window.said[-1]
    assert window.keeper.folder == tmp_path / "a.unet"
    window.controller.on_job_finished(result("train", path=ours))
    assert window.controller.trainer.going.current == tmp_path / "a.unet" / "trainings" / ours.name
    window.controller.close()


def test_a_model_without_strokes_starts_no_savings(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.wait()
    window.controller.trainer.take_opened(tmp_path / "model.safetensors", MODEL)
    window.wait()
    version = window.keeper._version
    for _ in range(3):
        window.wait(60)
    assert window.keeper._version == version == window.keeper._written
    window.controller.close()


def test_a_training_outside_of_the_project_is_not_taken(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    facts = json.loads((folder / FILE).read_text())
    for name in ("../x.safetensors", str(tmp_path / "x.safetensors")):
        (folder / FILE).write_text(json.dumps(facts | {"training": name}))
        window = Window(tmp_path / "cache")
        window.bring(folder)
        assert any("not inside" in text for text in window.said)
        assert not window.controller.model.there
        window.controller.close()
