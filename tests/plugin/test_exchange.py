"""The dialogs of the exchange of models."""

from __future__ import annotations

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDialog

from napari_unet.plugin.exchange import CardDialog
from napari_unet.storage.bioimageio.card import Card


def test_what_bioimageio_does_not_take_keeps_the_dialog_open(qtbot: QtBot) -> None:
    dialog = CardDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.fault.isVisible()
    dialog.name.setText("Mine")
    dialog.accept()
    assert dialog.isVisible()
    assert dialog.fault.isVisible()
    assert dialog.fault.text() == "The name 'Mine' has 4 characters: BioImage.IO takes from 5 to 128."
    dialog.name.setText("My nuclei")
    dialog.licence.setCurrentText("mine")
    dialog.accept()
    assert "'mine' is the name of no licence" in dialog.fault.text()
    dialog.licence.setCurrentText("MIT")
    dialog.accept()
    assert dialog.result() == QDialog.DialogCode.Accepted
    assert dialog.value() == (Card("My nuclei", licence="MIT"), ())
