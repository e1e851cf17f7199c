"""A batch in the real window: an open sample and a folder with a bad file; stopped, gone on with, opened."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import napari
import numpy as np
import pandas as pd
import pytest
import tifffile
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import napari_unet
from driving import rest
from napari_unet.plugin.batch.dock import BatchDock
from napari_unet.plugin.dock import UNetDock
from napari_unet.storage.samples import load_sample

pytestmark = pytest.mark.e2e
LONG = 120_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    sample = load_sample("nuclei-2")
    trained = napari_unet.train(
        sample.image, sample.labels, style="cells", dense=True, steps=30, base=6, depth=2, val_fraction=0
    )
    trained.save(path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for n in (1, 2, 4):
        tifffile.imwrite(folder / f"n{n}.tif", load_sample(f"nuclei-{n}").image[:200, :200])
    (folder / "cut.tif").write_bytes((folder / "n1.tif").read_bytes()[:9000])
    return folder


@pytest.fixture
def dock(make_napari_viewer: Callable[..., napari.Viewer]) -> Iterator[BatchDock]:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    viewer.open_sample("napari-unet-live", "nuclei-5")
    _, made = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net batch")
    assert isinstance(made, BatchDock)
    rest(300)
    yield made
    made.shut_down()


def press(widget: object) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]


def states(dock: BatchDock) -> dict[str, str]:
    return {row.name: row.status for row in dock.run.table.rows}


def choose(dock: BatchDock, model: Path, images: Path) -> None:
    """What a user does: types the model, checks the layer with Space, adds a folder."""
    QTest.keyClicks(dock.model.path, str(model))
    dock.inputs.list.setCurrentRow(0)
    QTest.keyClick(dock.inputs.list, Qt.Key.Key_Space)
    dock.inputs.add([images])


def test_from_layers_and_a_folder_to_results(dock: BatchDock, model: Path, images: Path, qtbot: QtBot) -> None:
    viewer, out = dock._viewer, images.parent / "images segmented"
    press(dock.run.button)
    assert "Choose a model" in dock.status.message.text
    choose(dock, model, images)
    assert dock.results.folder.text() == str(out)
    press(dock.results.measure)

    press(dock.run.button)
    assert "what has no file of its own is saved in" in dock.status.message.text
    assert dock.run.button.text() == "Stop"
    qtbot.waitUntil(lambda: dock.running.busy, timeout=LONG)
    qtbot.waitUntil(lambda: not dock.running.busy, timeout=LONG)
    assert states(dock) == {"nuclei-5": "done", "n1": "done", "n2": "done", "n4": "done", "cut": "failed"}
    assert "1 of 5 images failed" in dock.status.message.text
    table = pd.read_csv(out / "summary.csv").set_index("name")
    assert table["status"].to_dict() == states(dock)
    network = napari_unet.load(model)
    expected = network.cells(load_sample("nuclei-5").image)
    assert table["cells"]["nuclei-5"] == len(np.unique(expected[expected > 0]))

    # the bad one says why; a good one opens with its cells by Enter
    names = [row.name for row in dock.run.table.rows]
    dock.run.table.setCurrentCell(names.index("cut"), 0)
    assert "damaged" in dock.status.message.text
    dock.run.table.setCurrentCell(names.index("n2"), 0)
    QTest.keyClick(dock.run.table, Qt.Key.Key_Return)
    np.testing.assert_array_equal(np.asarray(viewer.layers["n2 cells"].data), network.cells(images / "n2.tif"))
    np.testing.assert_array_equal(np.asarray(viewer.layers["n2"].data), load_sample("nuclei-2").image[:200, :200])

    # the same in a terminal: the repaired image only
    press(dock.run.command_button)
    qtbot.waitUntil(lambda: dock.run.line.isVisible(), timeout=LONG)
    line = dock.run.line.toPlainText()
    assert line.startswith("napari-unet batch ")
    assert QApplication.clipboard().text() == line
    tifffile.imwrite(images / "cut.tif", load_sample("nuclei-1").image[:64, :64])
    press(dock.run.button)
    qtbot.waitUntil(lambda: dock.running.busy, timeout=LONG)
    qtbot.waitUntil(lambda: not dock.running.busy, timeout=LONG)
    assert states(dock) == dict.fromkeys(("nuclei-5", "n1", "n2", "n4"), "skipped") | {"cut": "done"}
    assert dock.status.message.kind == "good"


def test_stopped_and_gone_on_with_and_closed_at_work(
    dock: BatchDock, model: Path, images: Path, qtbot: QtBot
) -> None:
    stack = np.stack([load_sample("nuclei-2").image] * 60)
    tifffile.imwrite(images / "n9.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    (images / "cut.tif").unlink()
    QTest.keyClicks(dock.model.path, str(model))
    dock.inputs.add([images])
    press(dock.run.button)
    qtbot.waitUntil(lambda: states(dock).get("n4") == "done", timeout=LONG)
    qtbot.waitUntil(lambda: "left" in dock.run.bar.format(), timeout=LONG)
    press(dock.run.button)
    assert dock.run.button.text() == "Stopping ..."
    qtbot.waitUntil(lambda: not dock.running.busy, timeout=LONG)
    assert "Stopped. What is finished is kept" in dock.status.message.text
    assert states(dock) == {"n1": "done", "n2": "done", "n4": "done"}

    press(dock.run.button)
    qtbot.waitUntil(lambda: states(dock).get("n4") == "skipped", timeout=LONG)
    process = dock.running._process
    assert process is not None
    dock.shut_down()
    assert process.state() == process.ProcessState.NotRunning
    assert not (images.parent / "images segmented" / "n9.tif").exists()


def test_the_model_of_the_other_dock(
    dock: BatchDock, model: Path, images: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(dock.model.dock_button)
    assert "has no model" in dock.status.message.text
    _, other = dock._viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    assert isinstance(other, UNetDock)
    other.controller.open_model(model)
    qtbot.waitUntil(lambda: other.controller.model.file is not None, timeout=LONG)
    other.segment.form.more.setValue(other.segment.form.value().model_copy(update={"min_size": 77}))
    press(dock.model.dock_button)
    assert "is taken" in dock.status.message.text
    dock.inputs.add([images])
    press(dock.run.command_button)
    out = images.parent / "images segmented"
    qtbot.waitUntil(lambda: dock.run.line.isVisible(), timeout=LONG)
    words = shlex.split(dock.run.line.toPlainText())
    assert words[2] == str(model)  # it is saved: used where it is
    assert "--min-size 77" in dock.run.line.toPlainText()
    assert not out.exists()
    other.shut_down()
