"""What the window asks before it does something that the user may not want."""

from __future__ import annotations

from typing import Literal

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_unet.storage.weights import Weights


def ask_for_weights(parent: QWidget, missing: Weights) -> Literal["download", "file", "no"]:
    """Show size, source and licence of weights that are not on this machine, and ask what to do."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("U-Net")
    box.setText(f"The encoder's ImageNet weights are not on this machine. Download {missing.size / 1e6:.0f} MB?")
    box.setInformativeText(missing.words)
    download = box.addButton("Download", QMessageBox.ButtonRole.AcceptRole)
    file = box.addButton("From file ...", QMessageBox.ButtonRole.ActionRole)
    box.setEscapeButton(box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole))
    box.setDefaultButton(download)
    box.exec()
    pressed = box.clickedButton()
    return "download" if pressed is download else "file" if pressed is file else "no"
