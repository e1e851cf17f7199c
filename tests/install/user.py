"""What a person does in napari, in the Python where napari is installed: ``python user.py install|use|uninstall``.

It is a program of its own and knows nothing of the checkout: the plugin is there only once it was installed.
The environment variable HUB names the address that stands in for napari's hub, PICTURES a folder for screenshots.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMenu, QWidget

NAME, TITLE = "napari-unet-live", "U-Net live"
LEFT = Qt.MouseButton.LeftButton
PATIENCE = float(os.environ.get("PATIENCE", "120"))


def say(text: str) -> None:
    """Tell those who started this."""
    sys.stdout.write(text + "\n")


def rest(milliseconds: int) -> None:
    """Let the window run for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait(condition: Callable[[], Any], what: str) -> Any:
    """Let the window run until something is so."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"waited {PATIENCE:.0f} s in vain: {what}")
        rest(100)
    return found


def shoot(widget: QWidget, name: str) -> None:
    """Keep a picture if somebody wants it."""
    if folder := os.environ.get("PICTURES"):
        rest(300)
        widget.screen().grabWindow(0).save(str(Path(folder, f"{name}.png")))


def click(widget: QWidget) -> None:
    """Click at a widget."""
    QTest.mouseClick(widget, LEFT)


def entries(menu: QMenu) -> dict[str, Any]:
    """The entries of a menu and of what is in it, by their words."""
    menu.aboutToShow.emit()
    found = {}
    for action in menu.actions():
        inside = action.menu()
        found |= {action.text(): action} | (entries(inside) if inside is not None else {})
    return found


def close_questions() -> None:
    """Answer dialogs that block, such as the advice to restart napari."""
    box = QApplication.activeModalWidget()
    if box is not None and type(box).__name__ == "RestartWarningDialog":
        box.accept()


def open_manager(viewer: napari.Viewer) -> Any:
    """Open the plugin manager by its entry in the menu Plugins; the hub is ours."""
    from napari_plugin_manager import npe2api

    hub = os.environ["HUB"]
    npe2api.EXTENDED_SUMMARY_URL, npe2api.CONDA_URL = f"{hub}/api/extended_summary", f"{hub}/api/conda"
    window = viewer.window._qt_window
    next(
        a for text, a in entries(viewer.window.plugins_menu).items() if text.startswith("Install/Uninstall")
    ).trigger()
    manager = wait(lambda: getattr(window, "_plugin_manager_dialog", None), "the plugin manager")
    wait(lambda: manager._plugin_data, "the list of the hub")
    return manager


def row_of(rows: Any) -> Any:
    """The plugin's row in a list of the plugin manager; None if it is not shown."""
    shown = [rows.item(n) for n in range(rows.count())]
    return next((item.widget for item in shown if item.widget.name == NAME and not item.isHidden()), None)


def install(viewer: napari.Viewer) -> None:
    """Search the plugin, press Install, wait."""
    assert TITLE not in entries(viewer.window.plugins_menu), "it is there already"
    manager = open_manager(viewer)
    codes: list[int] = []
    manager.installer.allFinished.connect(codes.extend)
    QTest.keyClicks(manager.packages_search, "u-net")
    row = wait(lambda: row_of(manager.available_list), "the plugin among those of the hub")
    manager.show_status_btn.click()
    shoot(manager, "1-found")
    click(row.action_button)
    wait(lambda: codes, "the installation")
    say(manager.stdout_text.toPlainText())
    assert codes == [0], f"the installer ended with {codes}"
    wait(lambda: row_of(manager.installed_list), "the plugin among those that are installed")
    shoot(manager, "2-installed")
    manager.modified_set = set()
    manager.close()


def use(viewer: napari.Viewer) -> dict[str, Any]:
    """Open a sample and the dock by the menus, paint, train, look at the preview; tells what came of it."""
    plugins, samples = entries(viewer.window.plugins_menu), entries(viewer.window.file_menu)
    entry = next(text for text in samples if text.startswith("Nuclei 5"))
    samples[entry].trigger()
    wait(lambda: len(viewer.layers) == 2, "the sample")
    (opener,) = [action for text, action in plugins.items() if text in ("U-Net", "U-Net (U-Net live)")]
    opener.trigger()
    dock = wait(lambda: _dock(viewer), "the dock")
    truth = viewer.layers[1].data
    click(dock.annotate.new_button)
    dock.train.by_itself.setChecked(False)
    strokes = wait(lambda: next((x for x in viewer.layers if x.name == "strokes"), None), "the layer for strokes")
    strokes.data[truth > 0] = 1
    strokes.data[::9][truth[::9] == 0] = 3
    strokes.refresh()
    dock.controller.painter.edited.emit()
    dock.train.budget.unit.setCurrentText("steps")
    dock.train.budget.steps.setValue(5)  # however busy the machine is
    seen = []
    dock.controller.engine.event.connect(lambda event: seen.append(type(event).__name__))
    previews = []
    dock.controller.engine.preview.connect(previews.append)
    click(dock.train.train_button)
    wait(lambda: seen.count("StepDone") >= 5, f"five steps of training ({dock.status.message.text})")
    wait(lambda: previews, "a preview")
    wait(lambda: dock.controller.job is None, "the end of the training")
    shoot(viewer.window._qt_window, "3-used")
    found = {
        "steps": seen.count("StepDone"),
        "preview": list(previews[-1].probabilities.shape),
        "torch": "torch" in sys.modules,
        "message": dock.status.message.text,
        "layers_menu": sorted(t for t in entries(viewer.window.layers_menu) if t.endswith("(U-Net live)")),
    }
    dock.shut_down()
    return found


def _dock(viewer: napari.Viewer) -> Any:
    return next((w for w in QApplication.allWidgets() if type(w).__name__ == "UNetDock"), None)


def uninstall(viewer: napari.Viewer) -> None:
    """Press Uninstall, wait."""
    manager = open_manager(viewer)
    codes: list[int] = []
    manager.installer.allFinished.connect(codes.extend)
    row = wait(lambda: row_of(manager.installed_list), "the plugin among those that are installed")
    click(row.action_button)
    wait(lambda: codes, "the end of it")
    say(manager.stdout_text.toPlainText())
    assert codes == [0], f"the installer ended with {codes}"
    wait(lambda: row_of(manager.installed_list) is None, "the plugin to go from the list")
    shoot(manager, "4-gone")
    manager.modified_set = set()
    manager.close()


def look(viewer: napari.Viewer) -> dict[str, Any]:
    """Tell what the menus offer of the plugin."""
    menus = (viewer.window.plugins_menu, viewer.window.file_menu, viewer.window.layers_menu)
    return {"entries": [text for menu in menus for text in entries(menu) if "U-Net" in text or "Nuclei" in text]}


def main() -> None:
    """Do what the first argument says."""
    deeds = {"install": install, "use": use, "uninstall": uninstall, "look": look}
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1400, 900)
    watching = QTimer()
    watching.timeout.connect(close_questions)
    watching.start(200)
    rest(300)
    told = deeds[sys.argv[1]](viewer)
    viewer.close()
    say(f"TOLD {json.dumps(told)}")


if __name__ == "__main__":
    main()
