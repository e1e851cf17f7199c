"""The dialog that checks the machine, in the real window."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import napari
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QLabel

from napari_unet.events import Finding
from napari_unet.plugin.check_dialog import BUSY, COPIED, GOOD, MachineCheck, check_machine
from napari_unet.plugin.checking import Checking
from napari_unet.plugin.window_facts import look_at_opengl, look_at_settings

BAD = {"what": "disk", "found": "1 byte <free>", "cure": "make room", "broken": False}
WELL = {"what": "memory", "found": "8 GB free", "cure": "", "broken": False}


def printing(*lines: object, end: str = "") -> Checking:
    """A check that finds this."""
    text = "\n".join(json.dumps(line) for line in lines)
    return Checking((sys.executable, "-c", f"print({text!r})\n{end}"))


def opened(qtbot: QtBot, checking: Checking) -> MachineCheck:
    dialog = MachineCheck(None, checking, (Finding("Qt", "6.8"),))
    qtbot.addWidget(dialog)
    assert dialog.summary.text() == BUSY
    qtbot.waitUntil(lambda: dialog.summary.text() != BUSY)
    return dialog


def test_findings_are_shown_with_marks_and_copied(qtbot: QtBot) -> None:
    dialog = opened(qtbot, printing(WELL, BAD))
    assert dialog.summary.text() == "1 of 3 findings want a look."
    shown = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert shown.count("good") == 2
    assert shown.count("&nbsp;look") == 1
    assert "1 byte &lt;free&gt;" in shown
    dialog.copy_button.click()
    assert dialog.summary.text() == COPIED
    wanted = "ok   Qt: 6.8\nok   memory: 8 GB free\nLOOK disk: 1 byte <free>\n     -> make room"
    assert QGuiApplication.clipboard().text() == wanted


def test_all_well_is_said(qtbot: QtBot) -> None:
    assert opened(qtbot, printing(WELL)).summary.text() == GOOD


def test_a_check_that_breaks_off_says_why(qtbot: QtBot) -> None:
    dialog = opened(qtbot, printing(WELL, end="raise SystemExit('no torch here')"))
    assert dialog.summary.text() == "The check broke off: no torch here."
    assert [finding.what for finding in dialog.findings] == ["Qt", "memory"]


def test_a_check_that_cannot_start_says_so(qtbot: QtBot) -> None:
    dialog = MachineCheck(None, Checking(("/no/such/program",)))
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: "cannot be started" in dialog.summary.text())


def test_closing_ends_the_check(qtbot: QtBot) -> None:
    checking = printing(end="import time; time.sleep(60)")
    dialog = MachineCheck(None, checking)
    process = checking._process
    assert process.waitForStarted()
    dialog.close()
    assert process.state() == process.ProcessState.NotRunning


def test_the_command_of_napari_finds_this_machine_right(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    torch_before = "torch" in sys.modules
    dialog = check_machine()
    assert dialog.parent() is viewer.window._qt_window
    qtbot.waitUntil(lambda: dialog.summary.text() != BUSY, timeout=60_000)
    found = {finding.what: finding for finding in dialog.findings}
    assert found["self-test on cpu"].found == "2D and 3D convolutions are right"
    assert "textures up to" in found["OpenGL"].found
    assert found["Qt"].good
    assert ("torch" in sys.modules) is torch_before
    dialog.close()


@pytest.mark.parametrize(("renderer", "size", "good"), [("Intel Iris", 16384, True), ("Intel Iris", 2048, False)])
def test_small_textures_are_found(renderer: str, size: int, good: bool) -> None:
    assert look_at_opengl(renderer, "4.6", size).good is good


def test_settings_that_can_be_kept_are_well(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert look_at_settings(tmp_path_factory.mktemp("a") / "b" / "settings.yaml").good
