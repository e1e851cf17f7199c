"""What the window asks and shows of a project; what happens is the keeper's."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unet.errors import UserError
from napari_unet.plugin.arriving import BUSY
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.preferences import PLUGIN, preferred
from napari_unet.plugin.sections.project import ProjectRow
from napari_unet.storage.project import SUFFIX, is_project, read_project

EVERY = 1000
"""Milliseconds between two looks at whether something is to be saved."""


class Projects(QObject):
    """Connects the line above the sections with the keeper.

    Parameters
    ----------
    row
        The line.
    controller
        Has the keeper.
    parent
        Of dialogs.
    """

    def __init__(self, row: ProjectRow, controller: Controller, parent: QWidget) -> None:
        super().__init__(parent)
        self._row, self._controller, self._keeper, self._parent = row, controller, controller.keeper, parent
        self._lost: list[Path] = []
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY)
        self._timer.timeout.connect(self._keeper.tick)
        self._keeper.changed.connect(self._show)
        row.keep_pressed.connect(self._keep)
        row.open_pressed.connect(self._open)
        row.back_pressed.connect(self._bring_back)

    def start(self) -> None:
        """Begin to save, go on with a project that is open in the viewer, and offer what was lost."""
        self._timer.start()
        self._keeper.arrivals.look()
        self._lost = self._keeper.lost()
        if self._lost:
            self._row.show_lost(_words(self._lost[0]))
        self._show()

    def close(self) -> None:
        """Save by itself no longer."""
        self._timer.stop()
        self._keeper.changed.disconnect(self._show)

    def open(self, folder: Path) -> None:
        """Open a project's layers; the keeper goes on with it when they are there."""
        if not is_project(folder):
            self._controller.work.say(
                f"{folder} holds no project: choose a folder that ends in {SUFFIX}.", "error"
            )
            return
        if self._controller.job is not None:
            self._controller.work.say(f"{folder.name} is not opened yet: {BUSY}, then open it.", "error")
            return
        try:
            self._controller.viewer.open(str(folder), plugin=PLUGIN)
        except UserError as error:
            self._controller.work.say(f"{error}.", "error")

    def _keep(self) -> None:
        image = self._controller.selection.image
        suggested = str(
            Path(preferred().now.folder, f"{Path(image.name).stem if image is not None else 'project'}{SUFFIX}")
        )
        path, _ = QFileDialog.getSaveFileName(self._parent, "Keep in a folder", suggested, f"Projects (*{SUFFIX})")
        if path:
            self._keeper.keep_in(Path(path))

    def _open(self) -> None:
        title = f"Open a project (a folder that ends in {SUFFIX})"
        path = QFileDialog.getExistingDirectory(self._parent, title, preferred().now.folder)
        if path:
            self.open(Path(path))

    def _bring_back(self) -> None:
        self._row.show_lost("")
        self.open(self._lost[0])

    def _show(self) -> None:
        keeper = self._keeper
        self._row.show_state(keeper.state, str(keeper.folder or ""), named=keeper.is_named)


def _words(folder: Path) -> str:
    """Say what was lost."""
    try:
        project = read_project(folder)
    except UserError:
        return ""
    name = next((i.look.name for i in project.images if i.id == project.image), "an image")
    return f"A window that ended without notice had painted on '{name}'."
