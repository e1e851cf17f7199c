"""What the window asks before a model is given away, and before code of others runs."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_unet.errors import UserError
from napari_unet.plugin.status import MARKS
from napari_unet.storage.bioimageio.card import Card
from napari_unet.storage.bioimageio.consent import Code

LICENCES = ("CC-BY-4.0", "CC0-1.0", "MIT", "BSD-3-Clause")
Buttons = QDialogButtonBox.StandardButton


class CardDialog(QDialog):
    """Asks what people are told of a model, and in which formats they get its weights."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export for BioImage.IO")
        self.name = QLineEdit(Card.name)
        self.description = QLineEdit(Card.description)
        self.authors = QLineEdit()
        self.authors.setPlaceholderText("names, with semicolons between them")
        self.licence = QComboBox()
        self.licence.addItems(["not told", *LICENCES])
        self.licence.setEditable(True)
        self.onnx = QCheckBox("ONNX, for programs without PyTorch (needs the package onnx)")
        self.torchscript = QCheckBox("TorchScript, for ImageJ and others")
        form = QFormLayout()
        form.addRow("Name", self.name)
        form.addRow("Purpose", self.description)
        form.addRow("Authors", self.authors)
        form.addRow("Licence", self.licence)
        form.addRow("Also as", self.onnx)
        form.addRow("", self.torchscript)
        words = QLabel(
            "The package holds the weights, the source of the network, which needs nothing but PyTorch, a test "
            "image (from the samples of this plugin, not yours) and a description."
        )
        words.setWordWrap(True)
        self.fault = QLabel()
        self.fault.setWordWrap(True)
        self.fault.setStyleSheet(f"color: {MARKS['error'][1]}")
        self.fault.hide()
        buttons = QDialogButtonBox(Buttons.Ok | Buttons.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(words)
        column.addLayout(form)
        column.addWidget(self.fault)
        column.addWidget(buttons)
        self.setMinimumWidth(520)

    def accept(self) -> None:
        """Close, unless BioImage.IO would not take what was typed, which is told."""
        try:
            self.value()
        except UserError as error:
            self.fault.setText(str(error)[:1].upper() + str(error)[1:] + ".")
            self.fault.show()
        else:
            super().accept()

    def value(self) -> tuple[Card, tuple[str, ...]]:
        """Return what was told, and the formats; raises `UserError` if it cannot be told so."""
        authors = tuple(a.strip() for a in self.authors.text().split(";") if a.strip())
        licence = self.licence.currentText().strip()
        card = Card(
            self.name.text().strip() or Card.name,
            self.description.text().strip() or Card.description,
            authors or Card.authors,
            None if licence in ("", "not told") else licence,
        )
        formats = {"onnx": self.onnx, "torchscript": self.torchscript}
        return card, tuple(name for name, box in formats.items() if box.isChecked())


class TrustDialog(QDialog):
    """Shows code of a package, and asks whether it may run; the answer is no unless someone says yes."""

    def __init__(self, code: Code, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Run code of others?")
        words = QLabel(
            f"<b>{escape(code.package.name)}</b> cannot be opened without running its code, which has all of "
            "your rights: it could read and change your files. It runs once; a network without code is kept."
            f"<br><br>Package: {escape(str(code.package))}<br>File: {escape(code.name)}<br>SHA-256: {code.sha256}"
        )
        words.setWordWrap(True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text = QPlainTextEdit(code.source.decode("utf-8", errors="replace"))
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.buttons = QDialogButtonBox(Buttons.Cancel)
        self.run = self.buttons.addButton("I trust this code: run it", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.button(Buttons.Cancel).setDefault(True)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(words)
        column.addWidget(self.text, 1)
        column.addWidget(self.buttons)
        self.resize(760, 560)


def ask_for_card(parent: QWidget) -> tuple[Card, tuple[str, ...]] | None:
    """Ask what is told of a model that is given away; None: it is not."""
    dialog = CardDialog(parent)
    return dialog.value() if dialog.exec() else None


def ask_to_trust(parent: QWidget, code: Code) -> bool:
    """Ask whether code may run."""
    return bool(TrustDialog(code, parent).exec())
