"""Keeping a project: what is saved when, what comes back, and what is said when it cannot."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from npe2 import PluginManager, PluginManifest
from safetensors.numpy import save_file

from cli_tools import run
from napari_unet.errors import UserError
from napari_unet.events import StepDone
from napari_unet.plugin import opening, unnamed
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.opening import read
from napari_unet.plugin.project import AFTER, AGAIN, UNNAMED
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.results import Store
from napari_unet.spec import DEFAULT_CLASSES, TargetSpec, TrainingSpec, TrainSpec, UNetSpec
from napari_unet.storage import copies
from napari_unet.storage.claim import Claim
from napari_unet.storage.facts import KEY
from napari_unet.storage.keep import STATE
from napari_unet.storage.project import FILE, read_project
from napari_unet.storage.samples import load_sample
from plugin_tools import MODEL, FakeEngine, a_preview, an_output, result

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def manifest(npe2pm: Any) -> Iterator[None]:
    """The manifest of this checkout, and napari's own readers."""
    with npe2pm.tmp_plugin(package="napari"):
        npe2pm.register(PluginManifest.from_file(ROOT / "src" / "napari_unet" / "napari.yaml"))
        yield


class Window:
    """A viewer with all of the dock but Qt; its clock is moved by hand."""

    def __init__(self, cache: Path) -> None:
        self.viewer, self.engine, self.time = ViewerModel(), FakeEngine(), 100.0
        self.controller = Controller(self.viewer, self.engine, Checkpoints(cache / "trainings"), Store())  # type: ignore[arg-type]
        self.keeper = self.controller.keeper
        self.keeper._clock = lambda: self.time
        self.pending: list[Any] = []
        self.controller.later = self.pending.append
        self.said: list[str] = []
        self.controller.work.said.connect(lambda m: self.said.append(m.text))
        self.opened: list[Any] = []
        self.keeper.opened.connect(self.opened.append)

    def open(self, path: Path, **more: Any) -> None:
        self.viewer.open(str(path), plugin="napari", **more)

    def paint(self, *places: tuple[int, ...], value: int = 1) -> npt.NDArray[Any]:
        if self.controller.selection.labels_layer is None:
            self.controller.painter.new_layer()
        layer = self.controller.selection.labels_layer
        assert layer is not None
        for place in places:
            layer.data_setitem(tuple(np.array([i]) for i in place), value)
        return layer.data

    def wait(self, seconds: float = AFTER + 1) -> None:
        """Let time pass."""
        self.time += seconds
        self.keeper.tick()
        self.keeper._wait()

    def bring(self, folder: Path) -> None:
        self.viewer.open(str(folder), plugin="napari-unet-live")
        for action in self.pending:
            action()
        self.pending.clear()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "cells ü.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, load_sample("nuclei-3d").image)
    return path


def window_on(image: Path, cache: Path) -> Window:
    window = Window(cache)
    window.open(image, scale=(2, 0.5, 0.5), translate=(4, 1, 0), colormap="magma", axis_labels=("z", "y", "x"))
    window.viewer.layers[0].units = ("um", "um", "um")
    window.viewer.layers[0].contrast_limits = (3, 99)
    return window


def test_all_comes_back_the_next_day(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    painted = window.paint((2, 5, 5), (7, 9, 9), value=2)
    window.viewer.dims.set_current_step(0, 7)
    point = window.viewer.dims.point
    spec = TrainingSpec(target=TargetSpec(style="cells"), train=TrainSpec(steps=7))
    window.keeper.take_settings(spec)
    window.keeper.keep_in(tmp_path / "mine")
    window.keeper._wait()
    assert window.keeper.state == "mine.unet: saved just now"
    window.paint((3, 1, 1), value=3)
    window.viewer.layers.clear()  # as a viewer does that is closed
    window.controller.close()
    folder = tmp_path / "mine.unet"

    next_day = Window(tmp_path / "cache")
    next_day.bring(folder)
    selection = next_day.controller.selection
    assert [x.name for x in next_day.viewer.layers] == ["cells ü", "strokes"]
    back, strokes = next_day.viewer.layers
    np.testing.assert_array_equal(back.data, load_sample("nuclei-3d").image)
    np.testing.assert_array_equal(strokes.data, painted)
    assert strokes.data[3, 1, 1] == 3
    assert strokes.data.dtype == painted.dtype
    for layer in (back, strokes):
        assert layer.scale.tolist() == [2, 0.5, 0.5]
        assert layer.translate.tolist() == [4, 1, 0]
        assert [str(u) for u in layer.units] == ["micrometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
    assert (back.colormap.name, back.contrast_limits) == ("magma", [3, 99])
    assert (selection.image_layer, selection.labels_layer) == (back, strokes)
    assert next_day.viewer.dims.point == point
    assert TrainingSpec.model_validate(next_day.opened[0].settings) == spec
    assert "is as it was left" in next_day.said[-1]

    strokes.data_setitem((np.array([9]), np.array([2]), np.array([2])), 5)
    next_day.wait()
    assert read(str(folder))[1][0][9, 2, 2] == 5
    next_day.controller.close()


def test_saving_waits_for_the_brush_and_writes_only_when_something_changed(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    file = tmp_path / "a.unet" / FILE
    before = file.read_bytes()
    for n in range(5):
        window.paint((1, 1, n))
        window.wait(AFTER / 2)
    assert file.read_bytes() == before
    window.wait()
    assert len(read_project(file.parent).annotations[0].blocks) == 1
    after = file.stat().st_mtime_ns
    window.wait(60)
    assert file.stat().st_mtime_ns == after
    assert window.keeper.state == "a.unet: saved 1 min 0 s ago"
    window.controller.close()
    assert read_project(file.parent).closed


def test_sliders_are_no_strokes_and_undo_is_one(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    layer = window.controller.selection.labels_layer
    assert layer is not None
    window.wait()

    def is_edit(action: Callable[[], object]) -> bool:
        before = window.keeper._version
        action()
        return window.keeper._version > before

    dims = window.viewer.dims
    for z in range(5):
        assert not is_edit(lambda z=z: dims.set_current_step(0, z))  # type: ignore[misc]
    assert not is_edit(lambda: dims.set_point(0, dims.point[0] + 0.1))
    assert not is_edit(lambda: setattr(dims, "ndisplay", 3))
    assert not is_edit(lambda: setattr(dims, "ndisplay", 2))
    assert is_edit(layer.undo)
    assert is_edit(layer.redo)
    layer.visible = False
    assert not is_edit(lambda: dims.set_current_step(0, 8))  # napari does not even show it
    layer.undo()
    layer.visible = True
    assert is_edit(lambda: layer.paint((8, 9, 9), 2))
    layer.data[3, 3, 3] = 1
    assert is_edit(layer.refresh)  # of another plugin
    window.controller.close()


def test_a_layer_that_is_closed_is_kept_but_not_opened_again(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    window.viewer.layers.remove("strokes")
    window.wait()
    window.paint((2, 2, 2))
    window.wait(30)
    window.controller.close()
    first, second = read_project(tmp_path / "a.unet").annotations
    assert (first.is_open, second.is_open) == (False, True)
    assert (tmp_path / "a.unet" / first.blocks["1-0-0"].file).is_file()
    back = Window(tmp_path / "cache")
    back.bring(tmp_path / "a.unet")
    assert len(back.viewer.layers) == 2
    assert back.viewer.layers[1].data[2, 2, 2] == 1
    back.controller.close()
    assert len(read_project(tmp_path / "a.unet").annotations) == 2


def test_images_in_memory_are_copied_and_label_files_are_not(tmp_path: Path) -> None:
    window = Window(tmp_path / "cache")
    pixels = load_sample("epithelium").image
    window.viewer.add_image(pixels, name="computed")
    labels = zarr.open_array(
        tmp_path / "labels.zarr", mode="w", shape=pixels.shape, chunks=(64, 64), dtype="int32"
    )
    layer = window.viewer.add_labels(labels, name="big")
    window.controller.painter.choose(layer)
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    window.controller.close()
    assert not (tmp_path / "a.unet" / "annotations").exists()
    back = Window(tmp_path / "cache")
    back.bring(tmp_path / "a.unet")
    np.testing.assert_array_equal(back.viewer.layers["computed"].data, pixels)
    back.viewer.layers["big"].data[3, 4] = 8
    assert zarr.open_array(tmp_path / "labels.zarr", mode="r")[3, 4] == 8
    back.controller.close()


@pytest.fixture
def lazy_labels(npe2pm: Any, tmp_path: Path) -> Iterator[tuple[Path, npt.NDArray[Any]]]:
    """A file of another plugin's with labels that are read as they are looked at."""
    sample = load_sample("nuclei-3d").image
    labels = (sample > sample.mean()).astype(np.uint16)
    file = tmp_path / "masks.lazy"
    file.touch()

    with npe2pm.tmp_plugin(name="lazy") as plugin:

        @plugin.contribute.reader(filename_patterns=["*.lazy"])
        def get_reader(path: str) -> Any:
            def layers(_: str) -> list[Any]:
                return [
                    (da.zeros_like(labels), {"name": "others"}, "labels"),
                    (da.from_array(labels), {"name": "masks"}, "labels"),
                ]

            return layers

        yield file, labels


def paint_lazily(layer: Any) -> None:
    """As newer versions of napari do; older ones cannot paint on dask."""
    layer.data[2, 1, 1] = 9
    layer._append_to_undo_history([])


def test_labels_that_nobody_paints_are_neither_read_nor_copied(
    image: Path, tmp_path: Path, lazy_labels: tuple[Path, npt.NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, labels = lazy_labels
    window = window_on(image, tmp_path / "cache")
    window.viewer.open(str(file), plugin="lazy")
    with monkeypatch.context() as patch:
        patch.setattr(da.Array, "__array__", lambda *_, **__: pytest.fail("all labels were read"))
        window.keeper._join(window.viewer.layers["masks"])
        window.keeper._now.annotation = window.keeper._now.members[-1].id
        window.wait()
        window.keeper.keep_in(tmp_path / "data" / "a")
        window.keeper._wait()
    folder = tmp_path / "data" / "a.unet"
    assert window.keeper.state == "a.unet: saved just now"
    assert not (folder / "annotations").exists()
    (kept,) = read_project(folder).annotations
    assert (kept.as_opened, kept.path, kept.reader) == (True, str(file), "lazy")
    window.controller.close()

    back = Window(tmp_path / "cache")
    back.bring(folder)
    layer = back.viewer.layers["masks"]
    assert isinstance(layer.data, da.Array)
    np.testing.assert_array_equal(layer.data, labels)
    paint_lazily(layer)
    back.wait()
    back.controller.close()
    assert not read_project(folder).annotations[0].as_opened
    assert read(str(folder))[1][0][2, 1, 1] == 9  # what was painted is in the project

    file.rename(tmp_path / "gone")
    assert len(read(str(folder))) == 2


def test_labels_whose_file_is_gone(
    image: Path, tmp_path: Path, lazy_labels: tuple[Path, npt.NDArray[Any]]
) -> None:
    file, _ = lazy_labels
    window = window_on(image, tmp_path / "cache")
    window.viewer.open(str(file), plugin="lazy")
    window.controller.painter.choose(window.viewer.layers["masks"])
    window.keeper.keep_in(tmp_path / "a")
    window.controller.close()
    folder = tmp_path / "a.unet"
    moved = file.rename(tmp_path / "moved.lazy")
    with pytest.raises(UserError, match="needs the label image 'masks', which is not there"):
        read(str(folder), where=lambda *_: None)
    assert len(read(str(folder), where=lambda *_: moved)) == 2
    facts = json.loads((folder / FILE).read_text())
    facts["annotations"][0]["dtype"] = "int32"
    (folder / FILE).write_text(json.dumps(facts))
    with pytest.raises(UserError, match="does not hold the labels 'masks'"):
        read(str(folder), where=lambda *_: moved)


def test_computed_labels_are_copied_up_to_a_size(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "LARGEST", 1000)
    window = window_on(image, tmp_path / "cache")
    shape = load_sample("nuclei-3d").image.shape
    layer = window.viewer.add_labels(da.ones(shape, dtype=np.uint8), name="computed")
    window.controller.painter.choose(layer)
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    assert "'computed' is in memory only, and too large" in window.said[-1]
    assert not read_project(tmp_path / "a.unet").annotations
    paint_lazily(layer)
    window.wait(60)
    (kept,) = read_project(tmp_path / "a.unet").annotations
    assert len(kept.blocks) == shape[0]  # strokes are never left out
    window.controller.close()


def test_too_large_an_image_in_memory_is_asked_to_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "LARGEST", 1000)
    window = Window(tmp_path / "cache")
    window.viewer.add_image(load_sample("epithelium").image, name="computed")
    window.paint((3, 3))
    window.keeper.keep_in(tmp_path / "a")
    assert "'computed' is in memory only, and too large to be copied: save it as a file" in window.said[-1]
    window.controller.close()
    with pytest.raises(UserError, match=r"needs the image 'computed'.*was never saved as a file"):
        read(str(tmp_path / "a.unet"), where=lambda *_: None)


def made(image: Path, tmp_path: Path) -> Path:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.keeper.keep_in(image.parent / "a")
    window.controller.close()
    return image.parent / "a.unet"


def test_images_that_have_moved_or_changed(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(image, tmp_path)
    warned: list[str] = []
    monkeypatch.setattr(opening, "show_warning", warned.append)
    moved = tmp_path / "elsewhere"
    shutil.move(image.parent, moved)
    assert len(read(str(moved / "a.unet"), where=lambda *_: None)) == 2  # both together
    other = (moved / image.name).rename(tmp_path / "other.tif")
    with pytest.raises(UserError, match=r"needs the image 'cells ü', which is not there.*cells ü\.tif"):
        read(str(moved / "a.unet"), where=lambda *_: None)
    (data, more, _), _ = read(str(moved / "a.unet"), where=lambda *_: other)
    np.testing.assert_array_equal(data, tifffile.imread(other))
    assert more["metadata"][opening.NOTE]["path"] == str(other)
    assert not warned
    pixels = tifffile.imread(other)
    pixels[0, 0, 0] += 1
    tifffile.imwrite(other, pixels)
    read(str(moved / "a.unet"), where=lambda *_: other)
    assert "its pixels differ" in warned[0]
    tifffile.imwrite(other, pixels[:3], photometric="minisblack")
    with pytest.raises(UserError, match="is not the image"):
        read(str(moved / "a.unet"), where=lambda *_: other)
    assert not folder.exists()


@pytest.mark.parametrize(
    "look",
    [
        {"name": "a", "scale": [0, 0, 0]},
        {"name": "a", "units": ["nonsense", "um", "um"]},
        {"name": "a", "blending": "x"},
    ],
)
def test_looks_that_cannot_be(image: Path, tmp_path: Path, look: dict[str, Any]) -> None:
    file = made(image, tmp_path) / FILE
    facts = json.loads(file.read_text())
    facts["annotations"][0]["look"] = look
    file.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"project\.json is damaged: 'a' cannot be shown"):
        read(str(file.parent))


def test_a_full_disk_is_said_once_and_tried_again(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = window_on(image, tmp_path / "cache")
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    painted = window.paint((1, 1, 1))

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(tifffile, "imwrite", no_space)
        window.wait()
        window.wait(AGAIN + 1)
    assert sum("is full: make room" in text for text in window.said) == 1
    assert "the disk of" in window.keeper.state
    window.wait(AGAIN + 1)
    assert window.keeper.state == "a.unet: saved just now"
    np.testing.assert_array_equal(read(str(tmp_path / "a.unet"))[1][0], painted)
    window.controller.close()


def test_two_windows_on_one_project(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    first, second = Window(tmp_path / "cache"), Window(tmp_path / "cache")
    first.bring(folder)
    second.bring(folder)
    assert f"open in another window (process {os.getpid()})" in second.said[-1]
    assert not second.keeper.is_named
    first.controller.close()
    third = Window(tmp_path / "cache")
    third.bring(folder)
    assert third.keeper.folder == folder
    for window in (second, third):
        window.controller.close()


def test_a_name_that_is_taken_is_refused(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    before = (folder / FILE).read_bytes()
    window = window_on(image, tmp_path / "cache")
    window.keeper.keep_in(folder)
    assert "is there already: open it with 'Open ...'" in window.said[-1]
    assert (folder / FILE).read_bytes() == before
    window.controller.close()


# Without a name


def test_a_crash_before_a_folder_was_chosen_loses_no_stroke(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.wait()
    assert not (tmp_path / "cache" / "unnamed").exists()  # nothing is painted
    painted = window.paint((1, 1, 1), (5, 5, 5))
    window.wait()
    assert window.keeper.state == UNNAMED
    assert window.keeper.lost() == []
    claim = window.keeper._now.claim
    assert claim is not None
    claim.release()  # as the system does when a process dies
    after = Window(tmp_path / "cache")
    (lost,) = after.keeper.lost()
    after.bring(lost)
    np.testing.assert_array_equal(after.viewer.layers["strokes"].data, painted)
    assert not after.keeper.is_named
    after.keeper.keep_in(tmp_path / "named")
    after.keeper._wait()
    np.testing.assert_array_equal(read(str(tmp_path / "named.unet"))[1][0], painted)
    assert not lost.exists()
    after.viewer.add_labels(np.zeros((2, 2), np.uint8))
    assert after.keeper.folder == tmp_path / "named.unet"
    after.controller.close()
    window.controller.close()


def test_the_last_ones_without_a_name_are_kept(image: Path, tmp_path: Path) -> None:
    for _ in range(unnamed.KEPT + 2):
        window = window_on(image, tmp_path / "cache")
        window.paint((1, 1, 1))
        window.controller.close()
    window = window_on(image, tmp_path / "cache")
    assert window.keeper.lost() == []  # they ended as they should
    assert len(list((tmp_path / "cache" / "unnamed").iterdir())) == unnamed.KEPT
    window.controller.close()


def test_layers_that_were_closed_go_along_into_a_folder(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.viewer.add_image(load_sample("nuclei-3d").image + 1, name="computed")
    window.controller.selection.choose_image(window.viewer.layers["computed"])
    window.paint((1, 1, 1))
    window.wait()
    for name in ("strokes", "computed"):
        window.viewer.layers.remove(name)
        window.wait(60)
    painted = window.paint((2, 2, 2))
    window.wait(60)
    nameless = window.keeper._now.folder
    window.controller.close()

    again = Window(tmp_path / "cache")
    again.bring(nameless)
    assert len(again.viewer.layers) == 2
    again.keeper.keep_in(tmp_path / "kept")
    again.wait()
    again.controller.close()
    assert not nameless.exists()
    folder = tmp_path / "kept.unet"
    file = folder / FILE
    file.write_text(file.read_text().replace('"is_open": false', '"is_open": true'))
    (computed, first, _), _, (closed, second, _), (still, third, _) = read(str(folder))
    assert [first["name"], second["name"], third["name"]] == ["computed", "strokes", "strokes"]
    np.testing.assert_array_equal(computed, load_sample("nuclei-3d").image + 1)
    assert closed[1, 1, 1] == 1
    np.testing.assert_array_equal(still, painted)


def test_a_folder_that_cannot_take_everything_is_not_taken(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.wait()
    window.viewer.layers.remove("strokes")
    window.wait()
    nameless = window.keeper._now.folder
    window.controller.close()
    again = Window(tmp_path / "cache")
    again.bring(nameless)

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", no_space)
        again.keeper.keep_in(tmp_path / "kept")
    assert "Not everything could be copied" in again.said[-1]
    assert not (tmp_path / "kept.unet").exists()
    assert not again.keeper.is_named
    assert nameless.exists()
    again.controller.close()


def test_the_project_that_gets_a_name_is_not_tidied_away_before_it_is_copied(image: Path, tmp_path: Path) -> None:
    oldest = window_on(image, tmp_path / "cache")
    oldest.paint((1, 1, 1))
    oldest.wait()
    folder = oldest.keeper._now.folder
    for _ in range(unnamed.KEPT + 1):
        window = window_on(image, tmp_path / "cache")
        window.paint((1, 1, 1))
        window.controller.close()
    seen = []
    oldest.keeper.moved.connect(lambda _: seen.append(folder.exists()))
    oldest.keeper.keep_in(tmp_path / "kept")
    assert seen == [True]
    oldest.controller.close()
    assert not folder.exists()


def test_a_claim_that_was_refused_is_asked_for_again(image: Path, tmp_path: Path) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    folder = window.keeper._now.folder
    folder.mkdir(parents=True)
    other = Claim(folder)
    other.take()
    window.wait()
    assert "open in another window" in window.keeper.state
    window.wait(AGAIN + 1)
    assert not (folder / FILE).exists()
    other.release()
    window.wait(AGAIN + 1)
    assert (folder / FILE).exists()
    window.controller.close()


# Trainings


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
    assert back.controller.has_model
    assert not back.controller.trainer.due  # these strokes are learnt already
    back.controller.trainer.train(TrainingSpec(), go_on=True)
    given = back.engine.last("train")
    assert (given["resume"], given["args"][3]) == (True, copy)
    back.controller.close()


def trained(window: Window) -> Path:
    """Train as the engine does; returns the model."""
    window.paint((1, 1, 1), value=1)
    window.paint((1, 1, 5), value=2)
    window.controller.trainer.train(TrainingSpec())
    path: Path = window.engine.last("train")["args"][3]
    for file in (path, path.with_suffix(STATE)):
        file.write_bytes(b"weights of " + path.name.encode())
    window.controller.on_event(StepDone(1, 1.0, 0.1, 1.0, 9.0))
    window.engine.model = MODEL
    window.controller.on_job_finished(result("train", path=path))
    return path


def another(tmp_path: Path, *, training: bool) -> Path:
    """Make a project of another image."""
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, load_sample("nuclei-3d").image[:, :40])
    window = window_on(other, tmp_path / "elsewhere")
    if training:
        trained(window)
    window.paint((1, 2, 2))
    window.keeper.keep_in(tmp_path / "b")
    window.controller.close()
    return tmp_path / "b.unet"


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
    assert controller.model_details == ""
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
    assert controller.model_details
    whole_slice(window)
    assert window.engine.last("predict")["model"] is None  # it was read
    controller.on_job_finished(result("predict"))
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
    assert not controller.has_model
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
    facts = {"spec": filled.model_dump(mode="json"), "info": {"seconds": 7.5, "steps": 30}}
    save_file({"x": np.zeros(1)}, path, {KEY: json.dumps(facts)})
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    window.controller.close()
    back = Window(tmp_path / "cache")
    back.bring(tmp_path / "a.unet")
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


def test_new_trainings_of_a_project_without_a_name_are_not_saved_in_the_one_before(
    image: Path, tmp_path: Path
) -> None:
    window = window_on(image, tmp_path / "cache")
    window.paint((1, 1, 1))
    window.wait()
    nameless = window.keeper._now.folder
    window.controller.close()
    window = Window(tmp_path / "cache")
    window.bring(another(tmp_path, training=False))
    window.bring(nameless)
    assert window.controller.trainer.checkpoints.folder == tmp_path / "cache" / "trainings"
    window.controller.close()


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
        assert not window.controller.has_model
        window.controller.close()


def test_claims_are_given_back(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    claim = Claim(folder)
    claim.take()
    claim.release()
    assert PluginManager.instance().get_manifest("napari-unet-live").contributions.readers


def test_the_command_line_tells_what_is_in_a_project(image: Path, tmp_path: Path) -> None:
    folder = made(image, tmp_path)
    shown = run("info", str(folder))
    assert json.loads(shown.stdout)["images"][0]["path"] == str(image)
    (folder / FILE).write_text("{")
    assert run("info", str(folder)).exit_code == 1
