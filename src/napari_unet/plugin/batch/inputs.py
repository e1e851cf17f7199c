"""The list of what goes into a batch: open layers, files, folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QCheckBox, QFileDialog, QHBoxLayout, QListWidget, QListWidgetItem

from napari_unet.plugin.batch.layers import can_go
from napari_unet.plugin.sections.base import Section, button
from napari_unet.storage.formats import SUFFIXES

IMAGES = f"Images ({' '.join(f'*{s}' for s in SUFFIXES if 'zarr' not in s)})"
HEIGHT = 96
"""Pixels of the list."""
_THING = Qt.ItemDataRole.UserRole
_CHECKED, _FREE = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class _List(QListWidget):
    """A list in which Delete takes out what is selected."""

    removing = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take out with Delete."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removing.emit()
        else:
            super().keyPressEvent(event)


class InputsSection(Section):
    """Lists the open image layers, and the files and folders that were added; what is checked goes in.

    Parameters
    ----------
    viewer
        Whose layers are offered.
    """

    added = Signal(object)
    """A path was added."""
    changed = Signal()
    """Other things are checked, or there are others."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__("Images", "What is segmented: open layers, files, folders, Zarrs with several positions.")
        self._viewer = viewer
        self.list = _List()
        self.list.setAccessibleName("Images and folders")
        self.list.setToolTip("What is checked is segmented. Space checks, Delete takes a file or folder out.")
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.list.setFixedHeight(HEIGHT)
        self.list.removing.connect(self._remove)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        self.files_button = button("Add files ...", "Add images.", self._add_files)
        self.folder_button = button(
            "Add folder ...", "Add the images of a folder, or a Zarr with all its positions.", self._add_folder
        )
        self.remove_button = button("Remove", "Take the selected files and folders out.", self._remove)
        self.recursive = QCheckBox("The folders below, too")
        self.recursive.setToolTip(
            "Take the images of all folders below; the results lie in folders of the same names."
        )
        line = QHBoxLayout()
        for made in (self.files_button, self.folder_button, self.remove_button):
            line.addWidget(made)
        self.rows.addWidget(self.list)
        self.rows.addLayout(line)
        self.recursive.toggled.connect(lambda _: self.changed.emit())
        self.rows.addWidget(self.recursive)
        self._events = viewer.layers.events.inserted, viewer.layers.events.removed
        for event in self._events:
            event.connect(self.show_layers)
        self.show_layers()

    def close_events(self) -> None:
        """Let go of the viewer."""
        for event in self._events:
            event.disconnect(self.show_layers)

    def show_layers(self, *_: object) -> None:
        """Offer the layers that there are, above files and folders; what is checked stays so."""
        before = {id(thing): state for thing, state in self._things()}
        paths = [(thing, state) for thing, state in self._things() if isinstance(thing, str)]
        self.list.clear()
        for layer in self._viewer.layers:
            if can_go(layer):
                self._append(layer, f"layer: {layer.name}", before.get(id(layer), _FREE))
        for path, state in paths:
            self._append(path, path, state)
        self.changed.emit()

    def add(self, paths: Sequence[Path]) -> None:
        """Add files and folders that are not in the list."""
        for path in paths:
            if str(path) not in [thing for thing, _ in self._things()]:
                self._append(str(path), str(path), _CHECKED)
                self.added.emit(path)
                self.changed.emit()

    def layers(self) -> list[ImageLayer]:
        """Return the layers that are checked."""
        return [thing for thing, state in self._things() if state == _CHECKED and isinstance(thing, ImageLayer)]

    def paths(self) -> list[str]:
        """Return the files and folders that are checked."""
        return [thing for thing, state in self._things() if state == _CHECKED and isinstance(thing, str)]

    def _things(self) -> list[tuple[ImageLayer | str, Qt.CheckState]]:
        items = [self.list.item(n) for n in range(self.list.count())]
        return [(item.data(_THING), item.checkState()) for item in items]

    def _append(self, thing: ImageLayer | str, text: str, state: Qt.CheckState) -> None:
        item = QListWidgetItem(text)
        item.setData(_THING, thing)
        item.setToolTip(text)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(state)
        self.list.addItem(item)

    def _add_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Add images", "", IMAGES)
        self.add([Path(path) for path in chosen])

    def _add_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Add a folder of images, or a Zarr")
        if chosen:
            self.add([Path(chosen)])

    def _remove(self) -> None:
        for item in self.list.selectedItems():
            if isinstance(item.data(_THING), str):
                self.list.takeItem(self.list.row(item))
        self.changed.emit()
