"""The buttons of the section Model: which file is opened, saved or exported, and whether code in it is trusted."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unet.plugin.controller import Controller
from napari_unet.plugin.exchange import ask_for_card, ask_to_trust
from napari_unet.plugin.lifetime import later
from napari_unet.plugin.questions import completed, may_write
from napari_unet.plugin.sections.model import ModelSection
from napari_unet.storage.bioimageio.consent import Code

MODELS = "Models (*.safetensors)"
PACKAGES = "BioImage.IO packages (*.zip)"
OPENED = "Models and BioImage.IO packages (*.safetensors *.zip)"


class ModelFiles:
    """Asks for files of models.

    Parameters
    ----------
    section
        Whose buttons are pressed.
    controller
        Opens and writes.
    parent
        Of the dialogs.
    """

    def __init__(self, section: ModelSection, controller: Controller, parent: QWidget) -> None:
        self._controller, self._parent = controller, parent
        section.open_pressed.connect(self._open)
        section.save_pressed.connect(self._save)
        section.export_pressed.connect(self._export)
        controller.packages.needs_consent.connect(self._ask_for_trust)

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._parent, "Open a model", "", OPENED)
        if path:
            self._controller.open_model(Path(path))

    def _save(self) -> None:
        typed, _ = QFileDialog.getSaveFileName(self._parent, "Save the model", "model.safetensors", MODELS)
        path = completed(typed, ".safetensors")
        if typed and may_write(self._parent, Path(typed), path):
            self._controller.save_model(path)

    def _export(self) -> None:
        if not self._controller.can_pack:
            self._controller.work.say("An imported model is not exported: give its package away instead.", "error")
            return
        asked = ask_for_card(self._parent)
        if asked is None:
            return
        name = f"{asked[0].name.lower().replace(' ', '-')}.bioimageio.zip"
        typed, _ = QFileDialog.getSaveFileName(self._parent, "Export for BioImage.IO", name, PACKAGES)
        path = completed(typed, ".zip")
        if typed and may_write(self._parent, Path(typed), path):
            self._controller.pack_model(path, *asked)

    def _ask_for_trust(self, code: Code) -> None:
        """Ask whether code of a package may run, when it is told that the package could not be opened without."""
        later(self._parent, 0, partial(self._trust, code))

    def _trust(self, code: Code) -> None:
        if ask_to_trust(self._parent, code):
            self._controller.open_model(code.package, (code.sha256,))
