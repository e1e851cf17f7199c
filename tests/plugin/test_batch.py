"""The parts of the dock for batches, without a window of napari's."""

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels
from napari.layers._source import layer_source
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.events import BatchBegun, Finished, ImageDone
from napari_unet.plugin.batch import running as running_module
from napari_unet.plugin.batch.choices import MoreSection, ResultsSection
from napari_unet.plugin.batch.dock import BatchDock
from napari_unet.plugin.batch.inputs import InputsSection
from napari_unet.plugin.batch.layers import can_go, copying, layers_of, looking
from napari_unet.plugin.batch.preparing import copy_model, preparing
from napari_unet.plugin.batch.running import Running
from napari_unet.plugin.batch.table import BatchTable
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.spec import BatchSpec, TilingSpec, batch_arguments
from napari_unet.storage.held import find_in_file
from napari_unet.storage.read import open_image
from napari_unet.storage.samples import FOLDER, load_sample
from napari_unet.storage.write import create_output


def open_layer(path: Path, data: np.ndarray, name: str = "layer") -> ImageLayer:
    """An image layer as napari opens a file."""
    with layer_source(path=str(path)):
        return ImageLayer(data, name=name)


def tell(_: float) -> None:
    pass


def test_a_layer_that_shows_its_whole_file_needs_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    image = load_sample("nuclei-1").image
    tifffile.imwrite(path, image)
    layer = open_layer(path, image)
    assert looking(layer)() == path
    layer.data = layer.data + 1
    assert looking(layer)() is None


def test_a_channel_of_a_file_and_a_sample_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    both = np.stack([load_sample("nuclei-1").image, load_sample("nuclei-2").image])
    tifffile.imwrite(path, both, metadata={"axes": "CYX"})
    channels = [open_layer(path, both[0], "two"), open_layer(path, both[1], "two")]
    layers = [*channels, ImageLayer(both[0], name="a/b: c")]
    files = preparing(layers, Path("m"), tmp_path / "out", passing=False)(tell).files
    assert [p.name for p in files] == ["two.ome.zarr", "two-2.ome.zarr", "a_b_ c.ome.zarr"]
    for file, pixels in zip(files, (both[0], both[1], both[0]), strict=True):
        np.testing.assert_array_equal(np.asarray(open_image(file).data[...]), pixels)


@pytest.mark.parametrize(
    ("shape", "axes", "found"),
    [((3, 4, 20, 30), None, "CZYX"), ((20, 30, 3), None, "CYX"), ((2, 5, 2, 20, 30), "tzcyx", "TCZYX")],
)
def test_copies_keep_axes_and_voxel_size(
    tmp_path: Path, shape: tuple[int, ...], axes: str | None, found: str
) -> None:
    data = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    more = {"axis_labels": tuple(axes)} if axes else {}
    layer = ImageLayer(data, rgb=shape[-1] == 3, **more)
    layer.scale = [0.5 if n in (layer.ndim - 1, layer.ndim - 2) else 1.0 for n in range(layer.ndim)]
    layer.units = ["micrometer"] * layer.ndim
    layer.translate = [0] * (layer.ndim - 1) + [7]
    if axes:
        layer.scale, layer.units = [30, *layer.scale[1:]], ["minute", *layer.units[1:]]
    copy = tmp_path / "in" / "x.ome.zarr"
    copying(layer)(copy, tell)
    written = (copy / "zarr.json").stat()
    copying(layer)(copy, tell)  # the same: it is not written again
    assert (copy / "zarr.json").stat() == written
    image = open_image(copy)
    assert image.axes == found
    assert (image.spacing[1:], image.unit) == ((0.5, 0.5), "micrometer")
    assert image.where == Where((0.0, 0.0, 7.0), *((0.0, 30.0, "minute") if axes else ()))
    given = data
    if found == "CYX":
        given = np.moveaxis(data, -1, 0)
    elif axes:
        given = np.moveaxis(data, 2, 1)
    np.testing.assert_array_equal(np.asarray(image.data[...]), given)
    data[(-1,) * data.ndim] += 1
    layer.data = data
    copying(layer)(copy, tell)
    assert np.asarray(open_image(copy).data[...]).max(initial=0) == data.max()
    assert (copy / "zarr.json").stat() != written


def test_an_unsaved_model_is_copied_once_and_takes_no_other_s_place(tmp_path: Path) -> None:
    model, saved = tmp_path / "training.safetensors", tmp_path / "out" / "model.safetensors"
    saved.parent.mkdir()
    saved.write_bytes(b"somebody's")
    model.write_bytes(b"one")
    first = copy_model(model, tmp_path / "out")
    assert first.name == "model-7692c3ad3540.safetensors"  # by its SHA-256
    before = first.stat().st_mtime_ns
    assert copy_model(model, tmp_path / "out").stat().st_mtime_ns == before
    model.write_bytes(b"two")
    assert copy_model(model, tmp_path / "out").read_bytes() == b"two"
    assert (first.read_bytes(), saved.read_bytes()) == (b"one", b"somebody's")


def test_only_models_of_trainings_are_passing(tmp_path: Path) -> None:
    trainings = Checkpoints(tmp_path / "trainings")
    cached = trainings.new()
    assert trainings.holds(cached)
    assert not trainings.holds(tmp_path / "saved.safetensors")
    trainings.move(tmp_path / "project")
    assert trainings.holds(cached)
    assert trainings.holds(trainings.new())


@pytest.fixture
def dock(qtbot: QtBot, tmp_path: Path) -> Iterator[BatchDock]:
    """The dock with what it needs, without a window."""
    (tmp_path / "m.safetensors").write_bytes(b"a model")
    made = BatchDock(ViewerModel())
    qtbot.addWidget(made)
    made.model.path.setText(str(tmp_path / "m.safetensors"))
    made.inputs.add([FOLDER])
    made.results.folder.setText(str(tmp_path / "out"))
    yield made
    made.shut_down()


@pytest.fixture
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that says nothing and hears nothing."""
    script = tmp_path / "deaf"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(running_module.sys, "executable", str(script))


@pytest.mark.skipif(sys.platform == "win32", reason="a script of a shell")
@pytest.mark.usefixtures("deaf")
def test_a_batch_that_does_not_stop_is_stopped_now(dock: BatchDock, qtbot: QtBot) -> None:
    dock._patience.setInterval(50)
    QTest.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.running.busy)
    QTest.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    assert (dock.run.button.text(), dock.run.button.isEnabled()) == ("Stopping ...", False)
    qtbot.waitUntil(lambda: dock.run.button.text() == "Stop now")
    assert dock.running.busy
    QTest.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.running.busy)
    assert dock.run.button.text() == "Run"
    assert dock.status.message.text.startswith("Stopped. What is finished is kept")  # though it had not begun


def test_files_are_looked_at_in_a_thread(
    dock: BatchDock, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = load_sample("nuclei-1").image
    tifffile.imwrite(tmp_path / "a.tif", image)
    dock._viewer.add_layer(open_layer(tmp_path / "a.tif", image, "a"))
    dock._viewer.add_image(image, name="made")
    for number in range(2):
        dock.inputs.list.item(number).setCheckState(Qt.CheckState.Checked)
    opened = []

    def watched(*arguments: Any) -> Any:
        opened.append(threading.current_thread())
        return find_in_file(*arguments)

    monkeypatch.setattr("napari_unet.plugin.batch.layers.find_in_file", watched)
    QTest.mouseClick(dock.run.command_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(dock.run.line.toPlainText()))
    assert opened
    assert threading.main_thread() not in opened
    copy = tmp_path / "out" / "inputs" / "made.ome.zarr"
    words = shlex.split(dock.run.line.toPlainText())
    assert words[2:6] == [str(tmp_path / "m.safetensors"), str(tmp_path / "a.tif"), str(copy), str(FOLDER)]


def test_nothing_is_copied_for_a_batch_that_cannot_be(dock: BatchDock, tmp_path: Path) -> None:
    dock.more.z.setText("a:b")
    QTest.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    assert dock.status.message.text.startswith("Slices 'a:b' must be a number")
    assert not (tmp_path / "out").exists()
    dock.more.z.clear()
    assert "at once" not in dock.more.cells.method.toolTip()  # nothing is made anew by a change here


def _check_layer(dock: BatchDock) -> None:
    dock._viewer.add_image(np.zeros((4, 4)), name="one")
    dock.inputs.list.item(0).setCheckState(Qt.CheckState.Checked)


Change = Callable[[BatchDock], object]
FREE, CHECKED = Qt.CheckState.Unchecked, Qt.CheckState.Checked
CHANGES: dict[str, tuple[Change, Change]] = {
    "model": (lambda d: d.model.path.clear(), lambda d: d.model.path.setText(str(FOLDER))),
    "check": (
        lambda d: d.inputs.list.item(0).setCheckState(FREE),
        lambda d: d.inputs.list.item(0).setCheckState(CHECKED),
    ),
    "add": (lambda d: d.inputs.list.item(0).setCheckState(FREE), lambda d: d.inputs.add([FOLDER.parent])),
    "layer comes": (
        lambda d: d.inputs.list.item(0).setCheckState(FREE),
        lambda d: d._viewer.add_image(np.zeros((4, 4))),
    ),
    "layer goes": (
        lambda d: (_check_layer(d), d.results.folder.clear()),
        lambda d: d._viewer.layers.remove("one"),
    ),
    "recursive": (lambda d: d.results.folder.clear(), lambda d: d.inputs.recursive.toggle()),
    "folder": (lambda d: d.results.folder.clear(), lambda d: d.results.folder.setText("out")),
    "outputs": (
        lambda d: d.results.boxes["cells"].setChecked(False),
        lambda d: d.results.boxes["classes"].setChecked(True),
    ),
    "measure": (lambda d: d.results.folder.clear(), lambda d: d.results.measure.toggle()),
    "format": (lambda d: d.results.folder.clear(), lambda d: d.results.format.setCurrentIndex(1)),
    "axes": (lambda d: d.results.folder.clear(), lambda d: d.more.axes.setText("YX")),
    "channel": (lambda d: d.results.folder.clear(), lambda d: d.more.channel.setValue(1)),
    "times": (lambda d: d.more.t.setText("x"), lambda d: d.more.t.clear()),
    "slices": (lambda d: d.more.z.setText("5:2"), lambda d: d.more.z.clear()),
    "cells": (lambda d: d.results.folder.clear(), lambda d: d.more.cells.amount.setValue(70)),
    "tiling": (
        lambda d: d.results.folder.clear(),
        lambda d: d.more.tiling.editor("mirrors").setCurrentIndex(2),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_error_goes_when_something_is_changed(dock: BatchDock, change: str) -> None:
    spoil, mend = CHANGES[change]
    spoil(dock)
    dock.run.button.click()
    assert dock.status.message.kind == "error", dock.status.message
    mend(dock)
    assert dock.status.message.kind == "info"


def test_how_tiles_are_computed_is_told_to_the_batch(dock: BatchDock, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    assert dock.value([], model).tiling == TilingSpec()
    dock.more.tiling.setValue(TilingSpec(mirrors=2, tile=512, halo="auto"))
    said = " ".join(batch_arguments(dock.value([], model)))
    assert said.endswith("--tile 512 --halo auto --mirrors 2")


def test_how_a_batch_ended_stays_when_something_is_changed(dock: BatchDock) -> None:
    dock.running.ended.emit("The computing process ended by itself (exit code 139)")
    dock.more.z.setText("1:3")
    assert "exit code 139" in dock.status.message.text
    assert dock.status.message.kind == "error"


@pytest.mark.parametrize(
    ("number", "words"), [(1, "go to its row to see why"), (2, "go to their rows to see why")]
)
def test_how_many_failed_is_said_in_words(dock: BatchDock, number: int, words: str) -> None:
    names = tuple("abc"[:number])
    dock._follow(BatchBegun(names))
    for name in names:
        dock._follow(ImageDone(name, f"{name}.tif", "failed", message="cut short"))
    dock._follow(Finished("", number))
    assert words in dock.status.message.text


def test_results_open_in_their_place(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 99, (4, 2, 20, 30)).astype(np.uint16)
    group = zarr.create_array(tmp_path / "a.zarr", data=array, dimension_names="zcyx")
    assert group.shape == array.shape
    tifffile.imwrite(tmp_path / "a-cells.tif", np.ones((2, 20, 30), np.int32), metadata={"axes": "ZYX"})
    spec = BatchSpec(model="m", inputs=("a.zarr",), folder=tmp_path, z=(1, 3))
    row = ImageDone("a", str(tmp_path / "a.zarr"), "done", ("a-cells.tif",))
    first, second, cells = layers_of(row, spec)
    assert isinstance(cells, Labels)
    assert cells.translate.tolist() == [1, 0, 0]
    for channel, layer in enumerate((first, second)):
        assert not can_go(layer)
        np.testing.assert_array_equal(np.asarray(layer.data), array[:, channel])
    only = BatchSpec(model="m", inputs=("a.zarr",), folder=tmp_path, channel=1)
    image, _ = layers_of(row, only)
    np.testing.assert_array_equal(np.asarray(image.data), array[:, 1])
    with pytest.raises(UserError):
        layers_of(ImageDone("b", str(tmp_path / "gone.tif"), "done"), spec)


def test_results_open_with_the_times_of_their_frames(tmp_path: Path) -> None:
    """They lie as napari's readers show the image: from 0, whatever its file says of its place."""
    for name in ("a", "a-cells"):
        where = Where((0.0, 10.0, 10.0), 0.0, 30.0, "second")
        with create_output(tmp_path / f"{name}.zarr", (3, 8, 9), "u1", "TYX", (1, 0.5, 0.5), where=where) as out:
            out[...] = 1
    spec = BatchSpec(model="m", inputs=("a.zarr",), folder=tmp_path, t=(1, 3), x=(2, 8))
    for layer in layers_of(ImageDone("a", str(tmp_path / "a.zarr"), "done", ("a-cells.zarr",)), spec):
        assert layer.scale.tolist() == [30.0, 0.5, 0.5]
        assert str(layer.units[0]) == "second"
        assert layer.translate.tolist() == ([30.0, 0.0, 1.0] if isinstance(layer, Labels) else [0.0] * 3)


def test_the_list_keeps_what_is_checked(qtbot: QtBot, tmp_path: Path) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 4)), name="one")
    viewer.add_labels(np.zeros((4, 4), int))
    inputs = InputsSection(viewer)
    qtbot.addWidget(inputs)
    assert (inputs.layers(), inputs.paths()) == ([], [])
    inputs.add([tmp_path, tmp_path, FOLDER])
    inputs.list.item(0).setCheckState(Qt.CheckState.Checked)
    viewer.add_image(np.zeros((4, 4)), name="two")
    assert [x.name for x in inputs.layers()] == ["one"]
    assert inputs.paths() == [str(tmp_path), str(FOLDER)]
    viewer.layers.remove("one")
    assert inputs.layers() == []
    inputs.list.setCurrentRow(1)
    QTest.keyClick(inputs.list, Qt.Key.Key_Delete)
    assert inputs.paths() == [str(FOLDER)]
    inputs.close_events()
    viewer.layers.clear()
    assert inputs.list.count() == 2  # it does not listen any more


def test_only_cells_are_measured(qtbot: QtBot) -> None:
    results = ResultsSection()
    qtbot.addWidget(results)
    results.measure.setChecked(True)
    assert (results.outputs(), results.measures()) == (("cells",), True)
    results.boxes["cells"].setChecked(False)
    results.boxes["classes"].setChecked(True)
    assert (results.outputs(), results.measures()) == (("classes",), False)
    results.suggest(Path("one"))
    results.suggest(Path("two"))
    assert results.chosen_folder() == Path("one").absolute()


def test_the_table_fills(qtbot: QtBot) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    table.show_names(("a", "twin", "twin"))
    opened: list[ImageDone] = []
    table.opened.connect(opened.append)
    table.cellActivated.emit(0, 0)
    assert opened == []  # it waits
    table.show_at_work("a")
    assert table.item(0, 1).text() == "at work"
    table.show_stopped()
    assert table.item(0, 1).text() == "waiting"
    done = ImageDone("a", "a.tif", "done", ("a.tif",), 7, 1.0, 16)
    twins = [ImageDone("twin", f, "failed", message="both would be written there") for f in ("1.tif", "2.tif")]
    for row in (done, *twins):
        table.show_row(row)
    assert [table.item(n, 1).text() for n in range(3)] == ["done", "✗ failed", "✗ failed"]
    assert table.item(2, 0).toolTip() == "both would be written there"
    assert table.rows == [done, *twins]
    table.show_names((os.fsdecode(b"caf\xe9"),))  # a name that is no text is shown somehow
    assert table.item(0, 0).text().startswith("caf")
    table.show_names(("a", "twin", "twin"))
    table.show_row(done)
    table.setCurrentCell(0, 0)
    QTest.keyClick(table, Qt.Key.Key_Return)
    assert opened == [done]


def test_what_few_need_starts_as_usual(qtbot: QtBot) -> None:
    more = MoreSection()
    qtbot.addWidget(more)
    usual = BatchSpec.model_fields
    assert more.cells.value() == usual["cells"].get_default(call_default_factory=True)
    assert more.channel.value() == -1


def test_a_batch_that_cannot_begin_says_why(qtbot: QtBot, tmp_path: Path) -> None:
    running = Running()
    (tmp_path / "m.safetensors").write_bytes(b"no model")
    reasons: list[str] = []
    running.ended.connect(reasons.append)
    running.start(BatchSpec(model=tmp_path / "m.safetensors", inputs=(str(FOLDER),), folder=tmp_path / "out"))
    assert running.busy
    qtbot.waitUntil(lambda: bool(reasons), timeout=60_000)
    assert "m.safetensors" in reasons[0]
    assert "Traceback" not in reasons[0]
    assert not running.busy
