"""Packages of BioImage.IO in the real window: opened, used, written, and code of others asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDialog, QFileDialog

import napari_unet as nu
from driving import OpenWindow, rest
from exchange_tools import packed, unpacked
from napari_unet.jobs.exchange import export_model
from napari_unet.learn.start import shipped
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.exchange import CardDialog, TrustDialog

pytestmark = pytest.mark.e2e
LONG = 240_000
"""Milliseconds; only reached if something hangs."""


def opened(dock: UNetDock, path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Open ..., and choose a file."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    dock.model.open_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    rest(200)


def test_a_package_is_opened_used_and_written(
    open_window: OpenWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package, written = tmp_path / "theirs.zip", tmp_path / "mine.zip"
    export_model(nu.Model(shipped()), package)
    viewer, dock = open_window("nuclei-5")
    opened(dock, package, qtbot, monkeypatch)
    assert dock.controller.model.name.startswith("theirs-")
    dock.segment.segment_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    cells = next(layer.data for layer in viewer.layers if "cells" in layer.name)
    np.testing.assert_array_equal(cells, nu.load(package).cells(viewer.layers["nuclei-5"].data))

    def fill(dialog: CardDialog) -> int:
        dialog.name.setText("My cells")
        dialog.authors.setText("Ada; Bo")
        dialog.licence.setCurrentText("MIT")
        return int(QDialog.DialogCode.Accepted)

    monkeypatch.setattr(CardDialog, "exec", fill)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(written.with_suffix("")), ""))
    dock.model.export_button.click()
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    told, _ = unpacked(written)
    assert (told["name"], told["license"]) == ("My cells", "MIT")
    assert [a["name"] for a in told["authors"]] == ["Ada", "Bo"]
    assert nu.load(written).spec == shipped().spec
    dock.shut_down()


def test_code_of_others_is_shown_and_asked_about(
    open_window: OpenWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package, marker = tmp_path / "theirs.zip", tmp_path / "marker"
    export_model(nu.Model(shipped()), package)
    told, files = unpacked(package)
    told["config"] = {}  # as of a stranger
    state = told["weights"]["pytorch_state_dict"]
    del state["architecture"]["sha256"]
    files["architecture.py"] += f"\nimport os\nos.mkdir({str(marker)!r})\n".encode()
    packed(package, told, files)
    shown: list[TrustDialog] = []
    answers = [QDialog.DialogCode.Rejected, QDialog.DialogCode.Accepted]
    monkeypatch.setattr(TrustDialog, "exec", lambda dialog: shown.append(dialog) or int(answers[len(shown) - 1]))
    _, dock = open_window("nuclei-5")

    opened(dock, package, qtbot, monkeypatch)
    qtbot.waitUntil(lambda: len(shown) == 1, timeout=LONG)
    assert "os.mkdir" in shown[0].text.toPlainText()
    assert not dock.controller.model.there
    assert not marker.exists()

    opened(dock, package, qtbot, monkeypatch)
    qtbot.waitUntil(lambda: len(shown) == 2 and dock.controller.model.there, timeout=LONG)
    assert marker.exists()  # once, by consent
    qtbot.waitUntil(lambda: dock.controller.job is None, timeout=LONG)
    assert dock.controller.engine.model is not None
    assert dock.controller.engine.model.net.kind == "onnx"
    dock.shut_down()
