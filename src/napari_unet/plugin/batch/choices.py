"""What a batch is made with and what it makes: the model, the outputs, and what few need."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QGridLayout, QHBoxLayout, QLineEdit, QSpinBox

from napari_unet.plugin.sections.base import Rows, Section, button
from napari_unet.plugin.sections.cellform import CellForm
from napari_unet.plugin.sections.form import SpecForm
from napari_unet.plugin.sections.setting_rows import DEVICE_ROW, TILING_ROWS
from napari_unet.spec import BatchFormat, Output, TilingSpec

MODELS = "Models (*.safetensors)"
OUTPUTS: dict[Output, tuple[str, str]] = {
    "cells": ("Cells", "A number for every cell, 0 between them."),
    "boundaries": ("Boundaries", "1 on boundaries, 0 elsewhere."),
    "classes": ("Classes", "The likeliest class of every pixel, from 1."),
    "probabilities": ("Probabilities", "Of every class, as numbers from 0 to 1."),
}
FORMATS: dict[BatchFormat, str] = {
    "auto": "as the images",
    "tif": "TIFF",
    "ome.tif": "OME-TIFF",
    "zarr": "Zarr",
    "ome.zarr": "OME-Zarr",
}


class ModelSection(Section):
    """Chooses the model: a file, or what the other dock has trained or opened."""

    changed = Signal()
    from_dock = Signal()

    def __init__(self) -> None:
        super().__init__("Model", "Which network segments the images.")
        self.path = QLineEdit()
        self.path.textChanged.connect(lambda _: self.changed.emit())
        self.path.setPlaceholderText("a model file (.safetensors)")
        self.path.setAccessibleName("Model file")
        self.path.setToolTip("The file of the model that segments the images. It is read, never changed.")
        self.file_button = button("File ...", "Choose a model that was saved.", self._choose)
        self.dock_button = button(
            "From U-Net",
            "Take the model that is in the dock 'U-Net', and its settings for device, tiles and cells.\n"
            "One that is not saved yet is copied into the folder of the results.",
            self.from_dock.emit,
        )
        line = QHBoxLayout()
        line.addWidget(self.path, 1)
        line.addWidget(self.file_button)
        line.addWidget(self.dock_button)
        self.rows.addLayout(line)

    def value(self) -> Path | None:
        """Return the file."""
        return _path(self.path)

    def _choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a model", self.path.text(), MODELS)
        if chosen:
            self.path.setText(chosen)


class ResultsSection(Section):
    """Chooses what is written, and where to."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("Results", "What is written for every image. The files are named as the images.")
        self.boxes = {output: QCheckBox(title) for output, (title, _) in OUTPUTS.items()}
        grid = QGridLayout()
        for number, (output, box) in enumerate(self.boxes.items()):
            box.setToolTip(OUTPUTS[output][1])
            box.toggled.connect(lambda _: self.changed.emit())
            grid.addWidget(box, *divmod(number, 2))
        self.boxes["cells"].setChecked(True)
        self.measure = QCheckBox("Measure the cells")
        self.measure.setToolTip("A table of the cells of every image besides: size, shape, grey values (.csv).")
        self.measure.toggled.connect(lambda _: self.changed.emit())
        self.boxes["cells"].toggled.connect(self._fit)
        grid.addWidget(self.measure, 2, 0)
        self.format = QComboBox()
        self.format.addItems(list(FORMATS.values()))
        self.format.setToolTip("Format of the files; as the images: Zarr for Zarr, else TIFF.")
        self.format.setAccessibleName("Format")
        self.format.currentIndexChanged.connect(lambda _: self.changed.emit())
        grid.addWidget(self.format, 2, 1)
        self.rows.addLayout(grid)
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("a folder for the results")
        self.folder.textChanged.connect(lambda _: self.changed.emit())
        self.folder.setAccessibleName("Folder for the results")
        self.folder.setToolTip(
            "Where the results and their table (summary.csv) go. It is made if it is not there.\n"
            "The same folder again goes on with what was begun in it."
        )
        choose = button("...", "Choose the folder.", self._choose)
        choose.setAccessibleName("Choose the folder for the results")
        line = QHBoxLayout()
        line.addWidget(self.folder, 1)
        line.addWidget(choose)
        rows = Rows()
        rows.add("Folder", line)
        self.rows.addLayout(rows)

    def outputs(self) -> tuple[Output, ...]:
        """Return what is wanted."""
        return tuple(output for output, box in self.boxes.items() if box.isChecked())

    def chosen_format(self) -> BatchFormat:
        """Return the format."""
        return list(FORMATS)[self.format.currentIndex()]

    def chosen_folder(self) -> Path | None:
        """Return the folder."""
        return _path(self.folder)

    def suggest(self, folder: Path) -> None:
        """Fill in a folder, unless the user has chosen one."""
        if not self.folder.text():
            self.folder.setText(str(folder))

    def _fit(self, cells: bool) -> None:
        self.measure.setEnabled(cells)

    def measures(self) -> bool:
        """Tell whether cells are measured."""
        return self.measure.isChecked() and self.measure.isEnabled()

    def _choose(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the results", self.folder.text())
        if chosen:
            self.folder.setText(chosen)


class MoreSection(Section):
    """A part of the images, one of their channels, how boundaries become cells, and how tiles are computed."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("Options", "A part of the images, how boundaries become cells, tiles.", open=False)
        self.axes, self.t, self.z = QLineEdit(), QLineEdit(), QLineEdit()
        self.axes.setPlaceholderText("as the files say")
        for edit in (self.t, self.z):
            edit.setPlaceholderText("all")
        for edit in (self.axes, self.t, self.z):
            edit.textChanged.connect(lambda _: self.changed.emit())
        self.channel = QSpinBox()
        self.channel.setRange(-1, 99)
        self.channel.setValue(-1)
        self.channel.setSpecialValueText("all (the first is 0)")
        self.channel.valueChanged.connect(lambda _: self.changed.emit())
        rows = Rows()
        rows.add(
            "Axes", self.axes, "What each axis of the images is, such as ZYX or CZYX, if it is guessed wrongly."
        )
        rows.add("Channel", self.channel, "Only this channel of the images. The first is 0, the second 1.")
        rows.add("Times", self.t, "Only these, such as 0:5 (5 is left out), or 3.")
        rows.add("Slices", self.z, "Only these, such as 10:20 (20 is left out), or 3.")
        self.rows.addLayout(rows)
        self.cells = CellForm(at_once="")
        self.cells.changed.connect(lambda _: self.changed.emit())
        self.cells.tune_button.hide()  # it needs drawn cells
        self.rows.addWidget(self.cells)
        self.rows.addWidget(self.cells.more_button)
        self.tiling = SpecForm(TilingSpec(), (DEVICE_ROW, *TILING_ROWS))
        self.tiling.edited.connect(self.changed.emit)
        self.rows.addWidget(self.tiling)


def _path(edit: QLineEdit) -> Path | None:
    text = edit.text().strip()
    return Path(text).expanduser().absolute() if text else None
