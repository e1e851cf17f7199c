"""Preferences, as napari keeps them for this plugin, in the docks that are open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import napari
import napari.settings
import numpy as np
import pytest
from napari._qt.dialogs.preferences_dialog import PreferencesDialog
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QListWidget

from napari_unet.plugin import keymap as module
from napari_unet.plugin import preferences
from napari_unet.plugin.cells.dock import CellsDock
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.keymap import CELL_KEYS, DEFAULTS, KEYMAP, UNET_KEYS
from napari_unet.plugin.preferences import PLUGIN, Preferences, preferred
from plugin_tools import FakeEngine

Settings = Any
Docks = tuple[UNetDock, CellsDock]


@pytest.fixture
def settings(
    plugin_settings: object, npe2pm: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """napari's settings for this plugin, in a folder of the test's own."""
    npe2pm.register(PluginManifest.from_distribution(PLUGIN))
    monkeypatch.setattr(preferences, "REST", 1)
    preferred.cache_clear()
    yield napari.settings.get_plugin_settings(PLUGIN)
    preferred.cache_clear()
    KEYMAP.take({})


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    made = make_napari_viewer(show=True)
    made.add_image(np.zeros((40, 50)), name="image")
    made.add_labels(np.ones((40, 50), int), name="cells")
    return made


@pytest.fixture
def docks(settings: Settings, viewer: napari.Viewer, tmp_path: Any) -> Iterator[Docks]:
    first = UNetDock(viewer, Controller(viewer, FakeEngine(), Checkpoints(tmp_path)))  # type: ignore[arg-type]
    second = CellsDock(viewer)
    viewer.window.add_dock_widget(first, name="U-Net")
    viewer.window.add_dock_widget(second, name="U-Net cells")
    second.choice.choose_cells("cells")
    yield first, second
    first.shut_down()
    second.shut_down()


def test_the_manifest_proposes_the_keys_of_the_docks(settings: Settings) -> None:
    proposed = {**settings.keys.model_dump(), **settings.cell_keys.model_dump()}
    assert proposed == DEFAULTS
    manifest = PluginManifest.from_distribution(PLUGIN)
    for page, keys in (("keys", UNET_KEYS), ("cell_keys", CELL_KEYS)):
        properties = manifest.contributions.configurations[page].properties
        titles = {name: found.title for name, found in properties.items()}
        assert titles == {name: key.does[0].upper() + key.does[1:] for name, key in keys.items()}


def test_what_is_not_set_is_as_the_plugin_has_it(settings: Settings) -> None:
    assert preferred().read() == Preferences()


def test_a_key_counts_without_a_restart_and_is_told(
    docks: Docks, settings: Settings, viewer: napari.Viewer, qtbot: QtBot
) -> None:
    dock, cells = docks
    assert "(key W)" in dock.preview.box.toolTip()
    settings.keys.preview = "f6"
    settings.cell_keys.merge = "Alt+Shift+M"
    qtbot.waitUntil(lambda: "(key F6)" in dock.preview.box.toolTip())
    assert cells.correct.buttons["merge"].text() == "Merge  (Shift+Alt+M)"
    assert "W" not in {str(key) for key in viewer.keymap}
    bound = {str(key): do for key, do in viewer.layers["cells"].keymap.items()}
    assert "J" not in bound
    bound["Shift+Alt+M"](viewer.layers["cells"])
    qtbot.waitUntil(lambda: cells.correct.buttons["merge"].isChecked())
    native = viewer.window._qt_viewer.canvas.native
    viewer.layers.selection.active = viewer.layers["image"]
    on = dock.preview.box.isChecked()
    qtbot.keyClick(native, Qt.Key.Key_W)
    assert dock.preview.box.isChecked() is on
    qtbot.keyClick(native, Qt.Key.Key_F6)
    assert dock.preview.box.isChecked() is not on


def test_a_bad_key_is_refused_in_words_once(docks: Docks, settings: Settings, qtbot: QtBot) -> None:
    said: list[str] = []
    notification_manager.notification_ready.connect(lambda event: said.append(event.message))
    settings.keys.train = "B"  # napari's: the brush
    settings.cell_keys.delete = "Ctrl+Z"
    settings.keys.segment = "Q"
    qtbot.waitUntil(lambda: len(said) >= 3)
    assert "Ctrl+Z is napari's key for 'undo'" in " ".join(said)
    assert "U-Net: Q is the key for 'paint with the next class' already: S stays for" in " ".join(said)
    assert "B is napari's key" in " ".join(said)
    assert KEYMAP.now == DEFAULTS
    settings.keys.train = "F7"
    qtbot.waitUntil(lambda: KEYMAP.now["train"] == "F7")
    assert len(said) == 3


def test_machine_and_preview_are_taken_over(docks: Docks, settings: Settings, qtbot: QtBot) -> None:
    dock, _ = docks
    settings.machine.device = "cpu"
    settings.machine.threads = 3
    settings.window.preview = False
    qtbot.waitUntil(lambda: not dock.preview.box.isChecked())
    spec = dock.settings.value()
    assert (spec.train.device, spec.train.threads) == ("cpu", 3)
    assert not dock.controller.live.on
    dock.settings.use_recipe("unet2015")
    spec = dock.settings.value()
    assert (spec.train.device, spec.train.threads) == ("cpu", 3)


def test_they_count_from_the_first_moment(settings: Settings, viewer: napari.Viewer, tmp_path: Any) -> None:
    settings.window.preview = False
    settings.keys.train = "F9"
    dock = UNetDock(viewer, Controller(viewer, FakeEngine(), Checkpoints(tmp_path)))  # type: ignore[arg-type]
    assert not dock.preview.box.isChecked()
    assert "(key F9: train or stop)" in dock.train.train_button.toolTip()
    dock.shut_down()
    assert "F9" not in {str(key) for key in viewer.keymap}


def test_without_plugin_preferences_all_is_as_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(napari.settings, "get_plugin_settings")  # as in napari before 0.9
    preferred.cache_clear()
    assert preferred().read() == Preferences()
    assert module.KEYMAP.now == DEFAULTS


def test_napari_shows_a_page_for_them(docks: Docks, viewer: napari.Viewer, qtbot: QtBot) -> None:
    dialog = PreferencesDialog()
    qtbot.addWidget(dialog)
    pages = dialog.findChild(QListWidget)
    names = [pages.item(row).text() for row in range(pages.count())]
    row = names.index("U-Net live")
    page = dialog._stack.widget(row)
    assert page.findChildren(QComboBox)
    assert page.findChildren(QCheckBox)
    (train,) = [edit for edit in page.findChildren(QLineEdit) if edit.text() == "T"]
    train.clear()
    qtbot.keyClicks(train, "Ctrl+Shift+T")
    qtbot.waitUntil(lambda: KEYMAP.now["train"] == "Ctrl+Shift+T")
    assert "(key Ctrl+Shift+T: train or stop)" in docks[0].train.train_button.toolTip()
