"""Weights that a training needs: asked for first, then fetched, then the training begins."""

from __future__ import annotations

from pathlib import Path

import pooch
import pytest

from napari_unet.plugin.fetch import End, Progress
from napari_unet.storage import weights
from napari_unet.storage.weights import Weights
from plugin_tools import VGG, Desk


@pytest.fixture
def waiting(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Desk, list[Weights]]:
    """A training that needs weights that are not here; what was asked for and what is fetched."""
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    asked: list[Weights] = []
    desk.controller.trainer.weights_missing.connect(asked.append)
    monkeypatch.setattr(
        desk.controller.trainer.fetch, "start", lambda _: setattr(desk.controller.trainer.fetch, "run", 1)
    )
    return desk, asked


def test_nothing_is_downloaded_before_the_question(waiting: tuple[Desk, list[Weights]]) -> None:
    desk, asked = waiting
    desk.controller.trainer.train(VGG)
    assert "no annotation layer" in desk.said  # that comes first: no download for nothing
    assert asked == []
    desk.paint()
    before = desk.states[-1]
    desk.controller.trainer.train(VGG)
    assert asked == [weights.VGG16]
    assert (desk.engine.count("train"), desk.controller.trainer.fetch.run, desk.controller.job) == (0, 0, None)
    assert desk.states[-1] == before


@pytest.mark.parametrize(("base", "shape"), [(8, (4, 40, 50)), (64, (2, 4, 40, 50))])
def test_nothing_is_offered_that_would_not_fit(
    waiting: tuple[Desk, list[Weights]], tmp_path: Path, base: int, shape: tuple[int, ...]
) -> None:
    _, asked = waiting
    desk = Desk(tmp_path, shape)
    desk.controller.trainer.weights_missing.connect(asked.append)
    if len(shape) == 4:
        desk.controller.selection.set_axes("CZYX")
    desk.paint()
    desk.controller.trainer.train(VGG.model_copy(update={"net": VGG.net.model_copy(update={"base": base})}))
    assert (asked, desk.engine.count("train"), desk.messages[-1].kind) == ([], 0, "error")
    assert ("64 channels at the top, not 8" if base == 8 else "takes 1 channel (grey) or 3") in desk.said


def test_a_refused_download_is_said(waiting: tuple[Desk, list[Weights]]) -> None:
    desk, _ = waiting
    desk.paint()
    desk.controller.trainer.train(VGG)
    desk.controller.trainer.refuse_weights()
    assert desk.said.startswith("No training was started: ImageNet's weights are not here.")


def test_the_training_begins_when_its_weights_are_there(waiting: tuple[Desk, list[Weights]]) -> None:
    desk, asked = waiting
    desk.paint()
    desk.controller.trainer.train(VGG)
    desk.controller.trainer.fetch_weights(asked[0])
    shown = desk.states[-1]
    assert (shown.stop, shown.train, shown.pause, shown.settings) == (True, False, False, False)
    assert shown.activity == "Downloading"
    told: list[tuple[int, int]] = []
    desk.controller.trainer.fetched.connect(lambda *p: told.append(p))
    desk.controller.trainer.on_fetch_progress(Progress(1, 5, 10))
    desk.controller.trainer.on_fetch_progress(Progress(0, 9, 10))  # of a download before
    assert told == [(5, 10)]
    desk.engine.seconds_silent = 60.0
    desk.controller.watch()
    assert "silent" not in desk.said
    path = weights.places(weights.VGG16)[0]
    path.parent.mkdir(parents=True)
    path.touch()
    desk.controller.trainer.on_fetch_end(End(0))
    assert desk.engine.count("train") == 0
    desk.controller.trainer.on_fetch_end(End(1))
    assert desk.engine.last("train")["args"][2] == VGG
    assert desk.controller.job == "train"


def test_a_failed_download_is_told_and_leaves_everything(waiting: tuple[Desk, list[Weights]]) -> None:
    desk, asked = waiting
    desk.paint()
    before = desk.states[-1]
    desk.controller.trainer.train(VGG)
    desk.controller.trainer.fetch_weights(asked[0])
    desk.controller.trainer.on_fetch_end(End(1, "no connection"))
    assert (desk.said, desk.messages[-1].kind) == ("no connection", "error")
    assert desk.engine.count("train") == 0
    assert desk.states[-1] == before


def test_stop_ends_a_download_for_good(waiting: tuple[Desk, list[Weights]]) -> None:
    desk, asked = waiting
    desk.paint()
    desk.controller.trainer.train(VGG)
    desk.controller.trainer.fetch_weights(asked[0])
    desk.controller.stop()
    assert desk.controller.trainer.fetch._cancel.is_set()
    assert "stopped" in desk.said
    desk.controller.trainer.on_fetch_end(End(1))  # it was on its way
    assert (desk.engine.count("train"), desk.engine.count("stop"), desk.controller.job) == (0, 0, None)


def test_a_file_takes_the_place_of_a_download(waiting: tuple[Desk, list[Weights]], tmp_path: Path) -> None:
    desk, _ = waiting
    desk.paint()
    desk.controller.trainer.train(VGG)
    desk.controller.trainer.train_with_file(tmp_path / "mine.pth")
    spec = desk.engine.last("train")["args"][2]
    assert spec.train == VGG.train.model_copy(update={"encoder_file": tmp_path / "mine.pth"})
    assert spec.net == VGG.net
