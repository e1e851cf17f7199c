"""Trainings that go on, those of opened models, and what is left when the engine dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet.engine.client import ModelInfo
from napari_unet.events import StepDone
from napari_unet.spec import (
    BOUNDARY,
    CELL,
    NetSpec,
    NormalisationSpec,
    TargetSpec,
    TrainingSpec,
    UNet3DSpec,
    UNetSpec,
)
from plugin_tools import MODEL, VGG, Desk, result


def test_killed_engine_offers_to_go_on(desk: Desk) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    path = desk.save_checkpoint()
    desk.engine.state = "dead"
    desk.controller.on_job_finished(result("train", "died", "The engine was killed (signal 9)."))
    desk.controller.on_died("The engine was killed (signal 9).")
    assert "killed" in desk.said
    assert "Go on" in desk.said
    assert "painting is untouched" in desk.said
    assert desk.states[-1].go_on
    assert desk.states[-1].segment  # with the checkpoint
    desk.controller.trainer.train(TrainingSpec(), go_on=True)
    assert desk.engine.last("train")["resume"] is True
    assert desk.engine.last("train")["args"][3] == path


def test_killed_before_the_first_checkpoint(desk: Desk) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.engine.state = "dead"
    desk.controller.on_job_finished(result("train", "died", "The engine was killed."))
    assert "press Train to begin again" in desk.said
    assert not desk.states[-1].go_on


def test_a_training_refused_by_the_engine_leaves_the_last_one_as_it_was(desk: Desk) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    path = desk.finish_training()
    name = desk.controller.model.name
    desk.controller.trainer.train(TrainingSpec())
    desk.controller.on_job_finished(result("train", "failed", "all that is painted is held out for testing"))
    assert desk.states[-1].go_on
    assert desk.controller.model.name == name
    desk.controller.trainer.train(TrainingSpec(), go_on=True)
    assert desk.engine.last("train")["args"][3] == path
    desk.controller.on_job_finished(result("train", "failed", "the memory is full"))
    assert desk.controller.model.name == name


SMALL = TrainingSpec(net=UNetSpec(base=8))


def open_model(desk: Desk, path: Path, net: NetSpec | None = None) -> Path:
    desk.controller.open_model(path)
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=net or UNetSpec(base=8))
    desk.controller.on_job_finished(result("load", path=path))
    return path


@pytest.mark.parametrize("trained", [False, True])
def test_go_on_trains_the_model_that_was_opened(desk: Desk, tmp_path: Path, trained: bool) -> None:
    """Not the training before, whose model it would replace."""
    desk.paint()
    if trained:
        desk.controller.trainer.train(TrainingSpec())
        desk.finish_training()
        desk.controller.on_event(StepDone(10, 0.5, 1.0, 42.0, 0.0))
    mine = open_model(desk, tmp_path / "mine.safetensors")
    assert desk.states[-1].go_on
    assert "Go on trains it further" in desk.said
    assert (desk.controller.trainer.seconds, desk.controller.trainer.steps) == (0, 0)
    began: list[tuple[str, bool]] = []
    desk.controller.work.began.connect(lambda *p: began.append(p))
    desk.controller.trainer.train(SMALL, go_on=True)
    given = desk.engine.last("train")
    assert (given["start"], given["resume"]) == (mine, False)
    assert began == [("train", False)]
    assert "Training mine.safetensors further" in desk.said
    path = desk.finish_training()
    assert path == given["args"][3] == desk.controller.trainer.checkpoints.current
    assert path != mine
    desk.controller.trainer.train(SMALL, go_on=True)
    assert desk.engine.last("train")["start"] is None
    assert (desk.engine.last("train")["resume"], desk.engine.last("train")["args"][3]) == (True, path)


def test_a_failed_start_leaves_the_opened_model_to_go_on_from(desk: Desk, tmp_path: Path) -> None:
    desk.paint()
    mine = open_model(desk, tmp_path / "mine.safetensors")
    desk.controller.trainer.train(SMALL, go_on=True)
    desk.controller.on_job_finished(result("train", "failed", "the memory is full"))
    assert (desk.controller.model.name, desk.states[-1].go_on) == ("mine.safetensors", True)
    desk.controller.trainer.train(SMALL, go_on=True)
    assert desk.engine.last("train")["start"] == mine
    desk.controller.on_job_finished(result("train", "failed", "the memory is full"))
    desk.controller.trainer.train(SMALL)
    assert (desk.engine.last("train")["start"], desk.engine.last("train")["resume"]) == (None, False)
    desk.finish_training()
    desk.controller.trainer.train(SMALL, go_on=True)
    assert desk.engine.last("train")["resume"] is True


def test_go_on_with_another_network_says_what_differs_and_where(desk: Desk, tmp_path: Path) -> None:
    desk.paint()
    open_model(desk, tmp_path / "mine.safetensors")
    desk.controller.trainer.train(TrainingSpec(), go_on=True)
    assert (desk.engine.count("train"), desk.messages[-1].kind) == (0, "error")
    assert desk.said.startswith("Go on trains mine.safetensors further: its Width is 8, now it is 16. Put it back")
    desk.controller.trainer.train(SMALL)
    desk.finish_training()
    grey = NormalisationSpec(method="percentile")
    target = TargetSpec(weight_map=True)
    desk.controller.trainer.train(SMALL.model_copy(update={"normalisation": grey, "target": target}), go_on=True)
    assert "Go on trains the last training further: its Narrow gaps is off, now it is on; its Grey" in desk.said
    assert str(tmp_path) not in desk.said
    assert desk.engine.count("train") == 1


def test_going_on_needs_no_weights_and_the_image_s_channels(desk: Desk, tmp_path: Path) -> None:
    desk.paint()
    open_model(desk, tmp_path / "mine.safetensors", VGG.net.model_copy(update={"in_channels": 3}))
    desk.controller.trainer.train(VGG, go_on=True)
    assert "needs 3 channels" in desk.said
    open_model(desk, tmp_path / "mine.safetensors", VGG.net)
    thawed = VGG.train.model_copy(update={"freeze_encoder": False})
    desk.controller.trainer.train(VGG.model_copy(update={"train": thawed}), go_on=True)
    assert desk.engine.last("train")["args"][2].train == thawed


def test_levels_of_another_plan_are_the_opened_model_s(desk: Desk, tmp_path: Path) -> None:
    desk.paint()
    net = UNet3DSpec(depth=1, strides=((1, 2, 2),), kernels=((1, 3, 3), (3, 3, 3)))
    open_model(desk, tmp_path / "mine.safetensors", net)
    desk.controller.trainer.train(TrainingSpec(net=UNet3DSpec(depth=1)), go_on=True)
    assert desk.engine.count("train") == 1


def test_seconds_add_up_for_going_on(desk: Desk) -> None:
    desk.controller.on_event(StepDone(10, 0.5, 1.0, 42.0, 0.0))
    assert desk.controller.trainer.seconds == 42.0


def test_death_without_a_job_is_told(desk: Desk) -> None:
    desk.controller.on_died("The engine has ended.")
    assert "started again when it is needed" in desk.said


def test_a_silent_engine_is_reported_once(desk: Desk) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.engine.seconds_silent = 60.0
    desk.controller.watch()
    desk.controller.watch()
    assert sum("silent" in m.text for m in desk.messages) == 1


def test_close_ends_the_engine_and_lets_go(desk: Desk) -> None:
    desk.controller.close()
    assert desk.engine.closed == 1
    assert desk.controller.trainer.fetch._cancel.is_set()
    calls = len(desk.engine.calls)
    desk.viewer.dims.set_current_step(0, 0)
    desk.viewer.layers.clear()
    assert len(desk.engine.calls) == calls


def test_model_files(desk: Desk, tmp_path: Path) -> None:
    desk.engine.model = MODEL
    desk.controller.save_model(tmp_path / "mine")
    path = tmp_path / "mine.safetensors"
    assert desk.engine.last("save_model")["args"] == (path,)
    desk.controller.on_job_finished(result("save", path=path))
    assert desk.controller.model.name == "mine.safetensors"
    desk.controller.open_model(path)
    desk.controller.on_job_finished(result("load", "failed", "mine.safetensors is damaged"))
    assert desk.said == "mine.safetensors is damaged"
