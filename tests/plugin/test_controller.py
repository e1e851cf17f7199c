"""What the buttons do and what follows from the engine's reports, without a window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dask.array as da
import numpy as np
import pooch
import pytest
import zarr

from napari_unet.engine.client import ModelInfo
from napari_unet.events import CellsDone, StepDone
from napari_unet.plugin import annotation
from napari_unet.plugin.fetch import End, Progress
from napari_unet.plugin.notices import BY_ITSELF, PAINT, PRESS, WELCOME
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.spec import (
    BOUNDARY,
    CELL,
    RECIPES,
    NetSpec,
    NormalisationSpec,
    TargetSpec,
    TrainingSpec,
    UNet3DSpec,
    UNetSpec,
)
from napari_unet.storage import weights
from napari_unet.storage.weights import Weights
from plugin_tools import MODEL, Desk, a_block, a_preview, an_output, result


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, scale=(3, 0.5, 0.5), translate=(1, 2, 3), units=("um", "um", "um"))


def test_training_gets_a_snapshot_and_the_plane_in_view(desk: Desk) -> None:
    desk.paint()
    desk.viewer.dims.set_current_step(0, 2)
    desk.controller.trainer.train(TrainingSpec())
    given = desk.engine.last("train")
    image, labels, _, autosave = given["args"]
    assert given["view"] == (0, 2)
    assert image.data is desk.image.data
    assert labels.data is not desk.viewer.layers["strokes"].data
    assert autosave.parent.is_dir()
    assert desk.states[-1].stop
    assert not desk.states[-1].train


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: None, "no annotation layer"),
        (lambda d: d.controller.painter.new_layer(), "paint some strokes"),
        (
            lambda d: (
                d.paint(),
                d.viewer.layers["strokes"].data.__setitem__(d.viewer.layers["strokes"].data == 2, 1),
            ),
            r"only one class is painted \(cell\)",
        ),
        (lambda d: (d.paint(), setattr(d.viewer.layers["strokes"], "scale", (3, 1, 1))), "scale"),
        (lambda d: (d.paint(), d.viewer.layers["strokes"].data.__setitem__(0, 9)), "value 9"),
        (lambda d: d.controller.painter.choose(d.viewer.add_labels(np.ones((40, 50), np.uint8))), r"\(40, 50\)"),
        (lambda d: d.controller.selection.set_axes("YXS"), "colours"),
        (lambda d: d.viewer.layers.remove(d.image), "Open an image"),
    ],
)
def test_bad_input_is_refused_before_any_work(desk: Desk, spoil: object, words: str) -> None:
    spoil(desk)  # type: ignore[operator]
    desk.controller.trainer.train(TrainingSpec())
    assert desk.engine.count("train") == 0
    assert desk.messages[-1].kind == "error"
    import re

    assert re.search(words, desk.said), desk.said
    assert "\n" not in desk.said


@pytest.mark.parametrize("kind", ["dask", "zarr", "large"])
def test_labels_that_are_not_counted_whole_are_left_to_the_engine(
    desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other class lies in a slice that was never in view."""
    labels = np.zeros((4, 40, 50), np.uint8)
    labels[desk.controller.live.plane[1], :5] = 1
    labels[0, :5] = 2
    monkeypatch.setattr(annotation, "COUNT_WHOLE", 10 if kind == "large" else annotation.COUNT_WHOLE)
    lazy = {"dask": da.from_array, "zarr": zarr.array, "large": np.asarray}[kind](labels)
    place = {"scale": desk.image.scale, "translate": desk.image.translate}
    desk.controller.painter.choose(desk.viewer.add_labels(lazy, **place))
    desk.controller.trainer.train(TrainingSpec())
    assert desk.engine.count("train") == 1, desk.said


def test_preview_shows_the_plane_in_view_only(desk: Desk) -> None:
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    layer = desk.viewer.layers["U-Net preview"]
    assert layer.data.shape == (40, 50)
    assert (layer.data == 1).all()
    np.testing.assert_array_equal(layer.scale, (0.5, 0.5))
    np.testing.assert_array_equal(layer.translate, (2, 3))
    desk.controller.on_preview(a_preview((40, 50), z=3, boundary=255))  # late: the slider is elsewhere
    assert (layer.data == 1).all()


def test_preview_follows_the_sliders(desk: Desk) -> None:
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    desk.viewer.dims.set_current_step(0, 3)
    assert desk.engine.last("set_view")["args"][:2] == (0, 3)
    assert not desk.viewer.layers["U-Net preview"].data.any()
    calls = desk.engine.count("set_view")
    desk.viewer.dims.set_point(0, desk.viewer.dims.point[0] + 0.1)  # still the same slice
    assert desk.engine.count("set_view") == calls


def test_preview_leaves_the_brush_alone(desk: Desk) -> None:
    desk.paint()
    strokes = desk.viewer.layers["strokes"]
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert desk.viewer.layers.selection.active is strokes
    assert list(desk.viewer.layers).index(strokes) > list(desk.viewer.layers).index(
        desk.viewer.layers["U-Net preview"]
    )


def test_deleting_the_preview_layer_switches_it_off(desk: Desk) -> None:
    switched = []
    desk.controller.live.switched.connect(switched.append)
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    desk.viewer.layers.remove("U-Net preview")
    assert switched == [False]
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert "U-Net preview" not in desk.viewer.layers
    desk.controller.live.switch(True)
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert "U-Net preview" in desk.viewer.layers


def test_nothing_is_removed_in_the_midst_of_a_removal(desk: Desk) -> None:
    """napari deletes the selected layers in a loop; one that went by itself ends it half-way."""
    waiting: list[Callable[[], None]] = []
    desk.controller.later = waiting.append
    desk.paint()
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    switched = []
    desk.controller.live.switched.connect(switched.append)
    desk.viewer.layers.remove(desk.image)
    assert "U-Net preview" in desk.viewer.layers
    desk.viewer.layers.remove("U-Net preview")
    for action in waiting:
        action()
    assert switched == []  # it went with its image

    waiting.clear()
    desk.viewer.add_image(desk.image.data, name="again")
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    desk.viewer.dims.ndisplay = 3
    assert "U-Net preview" in desk.viewer.layers
    waiting[-1]()
    assert "U-Net preview" not in desk.viewer.layers


def test_layers_deleted_while_training_are_told_once(desk: Desk) -> None:
    waiting: list[Callable[[], None]] = []
    desk.controller.later = waiting.append
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.viewer.layers.clear()
    for action in waiting:
        action()
    text = "'strokes' and 'stack' were deleted. The training goes on with its own copy; Stop ends it."
    assert [m.text for m in desk.messages if "deleted" in m.text] == [text]
    assert desk.said == text


def test_sentences_about_another_choice_do_not_stay(desk: Desk) -> None:
    desk.controller.trainer.train(TrainingSpec())
    assert "no annotation layer" in desk.said
    desk.paint()
    assert desk.said == PAINT + BY_ITSELF
    desk.controller.selection.set_axes("YXS")
    assert "colours" in desk.said
    desk.controller.selection.set_axes("ZYX")
    assert desk.said == PAINT + BY_ITSELF
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=UNetSpec(in_channels=2))
    desk.controller.segment(SegmentRequest("slice", ("cells",)))
    assert "needs 2 channels" in desk.said
    desk.controller.selection.choose_image(desk.viewer.add_image(np.zeros((2, 40, 50)), name="other"))
    assert desk.said.startswith("'other' is chosen")
    desk.viewer.layers.clear()
    assert "Open an image" in desk.said


def test_preview_of_another_image_is_dropped(desk: Desk) -> None:
    desk.viewer.add_image(np.zeros((4, 20, 20)), name="other")
    desk.controller.selection.choose_image(desk.viewer.layers["other"])
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    assert "U-Net preview" not in desk.viewer.layers


def segment(desk: Desk, *, slice_only: bool = True, z: int = 0, value: int = 1) -> None:
    desk.engine.model = MODEL
    desk.controller.segment(SegmentRequest("slice" if slice_only else "stack", ("boundaries", "cells")))
    desk.controller.on_outputs((an_output("boundaries", (4, 40, 50)), an_output("cells", (4, 40, 50), "int32")))
    planes = [z] if slice_only else range(4)
    for plane in planes:
        at = (plane, slice(0, 40), slice(0, 50))
        desk.controller.on_block(a_block("boundaries", at, np.ones((40, 50), np.uint8)))
        desk.controller.on_block(a_block("cells", at, np.full((40, 50), value, np.int32)))
        desk.controller.on_event(CellsDone(plane + 1, len(planes), 1))
    desk.controller.on_job_finished(result("predict"))


def eyes(desk: Desk) -> dict[str, bool]:
    return {layer.name: layer.visible for layer in desk.viewer.layers}


def test_only_one_of_preview_and_results_is_visible(desk: Desk) -> None:
    desk.paint()
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    segment(desk)
    seen = {"stack": True, "strokes": True}
    assert eyes(desk) == seen | dict.fromkeys(["U-Net preview", "boundaries"], False) | {"cells": True}
    assert [x.name for x in desk.viewer.layers][-3] == "strokes"  # below the results
    assert not desk.controller.live.on
    desk.viewer.dims.set_current_step(0, 3)
    assert not desk.viewer.layers["U-Net preview"].visible

    desk.viewer.layers["boundaries"].visible = True
    desk.controller.trainer.train(TrainingSpec(), go_on=False)
    assert desk.controller.live.on
    assert eyes(desk) == {
        "stack": True,
        "U-Net preview": True,
        "strokes": True,
        "boundaries": False,
        "cells": False,
    }
    desk.finish_training()
    segment(desk)
    assert eyes(desk) == {
        "stack": True,
        "U-Net preview": False,
        "strokes": True,
        "boundaries": True,
        "cells": True,
    }


def test_earlier_results_do_not_shine_through(desk: Desk) -> None:
    segment(desk, slice_only=False)
    segment(desk, slice_only=False)
    assert [name for name, visible in eyes(desk).items() if visible] == ["stack", "cells [1]"]


def test_the_eye_of_the_preview_is_its_switch(desk: Desk) -> None:
    switched = []
    desk.controller.live.switched.connect(switched.append)
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    layer = desk.viewer.layers["U-Net preview"]
    layer.visible = False
    assert switched == [False]
    asked = desk.engine.count("set_view")
    desk.controller.live.switch(True)
    assert layer.visible
    assert desk.engine.count("set_view") == asked + 1
    desk.paint()
    desk.controller.live.switch(False)
    desk.controller.trainer.train(TrainingSpec())
    assert not layer.visible  # switched off by the user, not by results


def test_results_lie_where_the_image_does(desk: Desk) -> None:
    segment(desk, slice_only=False)
    for name in ("boundaries", "cells"):
        layer = desk.viewer.layers[name]
        assert (np.asarray(layer.data) == 1).all()
        np.testing.assert_array_equal(layer.scale, desk.image.scale)
        np.testing.assert_array_equal(layer.translate, desk.image.translate)
        assert layer.units == desk.image.units
        assert layer.axis_labels == desk.image.axis_labels
    assert "4 cells" in desk.said


def test_the_slice_is_filled_again_but_edited_layers_are_kept(desk: Desk) -> None:
    segment(desk, z=0, value=1)
    segment(desk, z=2, value=5)
    cells = desk.viewer.layers["cells"]
    assert [int(p.max()) for p in cells.data] == [1, 0, 5, 0]
    cells.selected_label = 9
    cells.paint((0, 5, 5), 9)
    segment(desk, z=0, value=3)
    assert cells.data.max() == 9
    assert desk.viewer.layers["cells [1]"].data.max() == 3


def test_a_whole_stack_never_overwrites(desk: Desk) -> None:
    segment(desk, slice_only=False, value=1)
    segment(desk, slice_only=False, value=2)
    assert (desk.viewer.layers["cells"].data == 1).all()
    assert (desk.viewer.layers["cells [1]"].data == 2).all()


def test_layers_removed_while_a_job_runs_do_no_harm(desk: Desk) -> None:
    desk.engine.model = MODEL
    desk.controller.segment(SegmentRequest("stack", ("boundaries",)))
    desk.viewer.layers.remove(desk.image)
    desk.controller.on_outputs((an_output("boundaries", (4, 40, 50)),))
    desk.viewer.layers.remove("boundaries")
    desk.controller.on_block(a_block("boundaries", (0, slice(0, 40), slice(0, 50)), np.ones((40, 50), np.uint8)))
    desk.controller.on_job_finished(result("predict"))
    assert desk.messages[-1].kind == "good"


def test_results_come_although_the_image_is_gone_or_renamed(desk: Desk) -> None:
    desk.engine.model = MODEL
    desk.controller.segment(SegmentRequest("stack", ("boundaries",)))
    desk.image.name = "new name"
    desk.viewer.layers.remove(desk.image)
    desk.controller.on_outputs((an_output("boundaries", (4, 40, 50)),))
    np.testing.assert_array_equal(desk.viewer.layers["boundaries"].scale, (3, 0.5, 0.5))


def test_wrong_number_of_channels(desk: Desk) -> None:
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=UNetSpec(in_channels=2))
    desk.controller.segment(SegmentRequest("slice", ("cells",)))
    assert desk.engine.count("predict") == 0
    assert "needs 2 channels, 'stack' has 1" in desk.said


@pytest.mark.parametrize(("outcome", "began"), [("finished", "Trained"), ("stopped", "Stopped after")])
def test_the_end_of_a_training_tells_which_step_is_used(desk: Desk, outcome: str, began: str) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    path = desk.save_checkpoint()
    facts = {"steps": 150, "used_step": 120, "history": [{"step": 120, "held_out": 0.4}]}
    desk.engine.model = MODEL.model_copy(update={"description": facts})
    desk.controller.on_job_finished(result("train", outcome, path=path))
    assert desk.said.startswith(f"{began} 150 steps; the model of step 120 scored best")
    desk.controller.trainer.train(TrainingSpec())
    desk.controller.on_job_finished(result("train", "stopped"))  # while reading: nothing was learnt
    assert "150" not in desk.said


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
    name = desk.controller.model_name
    desk.controller.trainer.train(TrainingSpec())
    desk.controller.on_job_finished(result("train", "failed", "all that is painted is held out for testing"))
    assert desk.states[-1].go_on
    assert desk.controller.model_name == name
    desk.controller.trainer.train(TrainingSpec(), go_on=True)
    assert desk.engine.last("train")["args"][3] == path
    desk.controller.on_job_finished(result("train", "failed", "the memory is full"))
    assert desk.controller.model_name == name


def open_model(desk: Desk, path: Path, net: NetSpec | None = None) -> Path:
    desk.controller.open_model(path)
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=net or UNetSpec(base=8))
    desk.controller.on_job_finished(result("load", path=path))
    return path


SMALL = TrainingSpec(net=UNetSpec(base=8))


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
    assert (desk.controller.model_name, desk.states[-1].go_on) == ("mine.safetensors", True)
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


def test_a_folder_that_cannot_be_made_is_told(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    desk.controller.trainer.checkpoints.folder = tmp_path / "file" / "trainings"
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    assert desk.messages[-1].kind == "error"
    assert "cannot make the folder" in desk.said
    assert desk.engine.count("train") == 0


def test_death_without_a_job_is_told(desk: Desk) -> None:
    desk.controller.on_died("The engine has ended.")
    assert "started again when it is needed" in desk.said


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


VGG = RECIPES["vgg16-frozen"].spec


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


def test_labels_with_many_values_keep_the_other_options(desk: Desk) -> None:
    desk.controller.painter.set_target(TargetSpec(weight_map=True, rim=3))
    told = []
    desk.controller.painter.target_changed.connect(told.append)
    place = {"scale": desk.image.scale, "translate": desk.image.translate}
    desk.controller.painter.choose(desk.viewer.add_labels(np.full((4, 40, 50), 9), **place))
    assert told == [TargetSpec(style="cells", weight_map=True, rim=3)]


def test_stop_and_pause(desk: Desk) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.engine.state = "training"
    desk.controller.trainer.pause_or_resume()
    assert desk.engine.count("pause") == 1
    desk.engine.state = "paused"
    desk.controller.on_state_changed("paused")
    assert desk.states[-1].pause_text == "Resume"
    desk.controller.trainer.pause_or_resume()
    assert desk.engine.count("resume") == 1
    desk.controller.stop()
    desk.controller.stop()
    assert desk.engine.count("stop") == 1
    assert desk.states[-1].stop_text == "Stopping ..."


def test_model_files(desk: Desk, tmp_path: Path) -> None:
    desk.engine.model = MODEL
    desk.controller.save_model(tmp_path / "mine")
    path = tmp_path / "mine.safetensors"
    assert desk.engine.last("save_model")["args"] == (path,)
    desk.controller.on_job_finished(result("save", path=path))
    assert desk.controller.model_name == "mine.safetensors"
    desk.controller.open_model(path)
    desk.controller.on_job_finished(result("load", "failed", "mine.safetensors is damaged"))
    assert desk.said == "mine.safetensors is damaged"


def test_a_silent_engine_is_reported_once(desk: Desk) -> None:
    desk.paint()
    desk.controller.trainer.train(TrainingSpec())
    desk.engine.seconds_silent = 60.0
    desk.controller.watch()
    desk.controller.watch()
    assert sum("silent" in m.text for m in desk.messages) == 1


def test_seconds_add_up_for_going_on(desk: Desk) -> None:
    desk.controller.on_event(StepDone(10, 0.5, 1.0, 42.0, 0.0))
    assert desk.controller.trainer.seconds == 42.0


def test_close_ends_the_engine_and_lets_go(desk: Desk) -> None:
    desk.controller.close()
    assert desk.engine.closed == 1
    assert desk.controller.trainer.fetch._cancel.is_set()
    calls = len(desk.engine.calls)
    desk.viewer.dims.set_current_step(0, 0)
    desk.viewer.layers.clear()
    assert len(desk.engine.calls) == calls


def test_cells_style_goes_to_the_engine(desk: Desk) -> None:
    target = TargetSpec(style="cells", dense=True)
    desk.controller.painter.set_target(target)
    layer = desk.controller.painter.new_layer()
    assert layer is not None
    layer.data[0, :10, :10] = 4
    desk.controller.trainer.train(TrainingSpec(target=target))
    assert desk.engine.last("train")["args"][2].target == target


def test_the_hint_says_how_a_training_starts(desk: Desk) -> None:
    desk.paint()
    assert desk.said == PAINT + BY_ITSELF
    desk.controller.trainer.automatic.on = False
    desk.controller.selection.set_axes("CYX")
    assert desk.said == PAINT + PRESS
    desk.controller.selection.choose_labels(None)
    assert desk.said == WELCOME + PRESS
