"""Advanced: a recipe, or the network, how it is trained, and how images are cut into tiles by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_unet.plugin.sections.base import Rows, Section, align, button, note
from napari_unet.plugin.sections.choice import Choice
from napari_unet.plugin.sections.form import SpecForm
from napari_unet.plugin.sections.net_form import NetForm
from napari_unet.plugin.sections.setting_rows import (
    ENCODER_ROWS,
    MACHINE_ROWS,
    NORMALISATION_ROWS,
    TARGET_ROWS,
    TILING_ROWS,
    TRAIN_ROWS,
)
from napari_unet.plugin.settings import ENCODER, without_encoder
from napari_unet.spec import RECIPES, WITH_ENCODER, TilingSpec, TrainingSpec

_PATCHES: dict[int, Sequence[tuple[int, ...]]] = {
    2: ((96, 96), (128, 128), (192, 192), (256, 256), (384, 384)),
    3: ((16, 64, 64), (24, 80, 80), (32, 96, 96), (64, 128, 128)),
}
_VALID_PATCHES = ((284, 284), (380, 380), (476, 476), (572, 572))
"""Lengths that the published U-Net can take: 188 and multiples of 16."""
WRONG = "#D55E00"
CHECK_TIP = (
    "Look at graphics card, driver, memory, disk and versions, compute a little as a test,\n"
    "and say what to do where something is wrong."
)


class AdvancedSection(Section):
    """Forms of the network, the training and the tiles."""

    edited = Signal()
    target_edited = Signal()
    recipe_chosen = Signal(str)
    open_pressed = Signal()
    save_pressed = Signal()
    check_pressed = Signal()

    def __init__(self) -> None:
        super().__init__("Advanced", "Settings that rarely need a change.", open=False)
        spec = TrainingSpec()
        self.net = NetForm()
        self.encoder = SpecForm(spec.train, ENCODER_ROWS)
        self.train = SpecForm(spec.train, TRAIN_ROWS)
        self.target = SpecForm(spec.target, TARGET_ROWS)
        self.normalisation = SpecForm(spec.normalisation, NORMALISATION_ROWS)
        self.machine = SpecForm(spec.train, MACHINE_ROWS)
        self.tiling = SpecForm(TilingSpec(), TILING_ROWS)
        self._make_top()
        self.rows.addWidget(self.net)
        self.rows.addWidget(self.encoder)
        self._part("Learning", "How it is trained.", (self.train,))
        self._part("Image and annotation", "What it is trained on.", (self.normalisation, self.target))
        self.check_button = button("Check this machine ...", CHECK_TIP, self.check_pressed.emit)
        computer = (self.machine, self.tiling, self.check_button)
        self._part("Computer and tiles", "What computes, and in which pieces.", computer)
        for form in (self.net, self.encoder, self.train, self.normalisation, self.machine):
            form.edited.connect(self._edited)
        self.target.edited.connect(self.target_edited)
        self.setValue(spec)
        self.show_recipe("default")
        self.show_problem("")

    def tiling_there(self) -> TilingSpec:
        """Give how tiles are computed, on the device that is chosen."""
        return self.tiling.value().model_copy(update={"device": self.machine.value().device})

    def _make_top(self) -> None:
        self.recipe = Choice("(settings of your own)")
        self.recipe.chosen.connect(lambda name: self.recipe_chosen.emit(name) if name else None)
        self.purpose = note()
        self.problem = note()
        self.open_button = button(
            "Open settings ...", "Take settings from a file (.json).", self.open_pressed.emit
        )
        self.save_button = button(
            "Save settings ...",
            "Write all settings, the time and the annotation style too, to a file (.json).\n"
            "'napari-unet train --recipe' takes it as well.",
            self.save_pressed.emit,
        )
        self._grid = Rows()
        self._grid.add(
            "Recipe",
            self.recipe,
            "The whole combination that a paper or a well-known implementation describes:\n"
            "network, loss, optimiser, augmentation and time. What you have painted stays.",
        )
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self.open_button)
        line.addWidget(self.save_button)
        line.addStretch()
        self.rows.addLayout(self._grid)
        for part in (self.purpose, self.problem):
            self.rows.addWidget(part)
        self.rows.addLayout(line)

    def _part(self, title: str, tooltip: str, forms: Sequence[QWidget]) -> None:
        part = Section(title, tooltip, open=False)
        part.rows.setContentsMargins(0, 0, 0, 2)
        for form in forms:
            part.rows.addWidget(form)
        self.rows.addWidget(part)

    def value(self) -> TrainingSpec:
        """Return all settings but the time, as edited.

        Raises
        ------
        pydantic.ValidationError
            If they do not fit together.
        """
        net = self.net.value()
        start, machine = self.encoder.value(), self.machine.value()
        update = {field: getattr(start, field) for field in ENCODER}
        update |= {row.field: getattr(machine, row.field) for row in MACHINE_ROWS}
        train = without_encoder(self.train.value().model_copy(update=update), net)
        return TrainingSpec(
            target=self.target.value(), net=net, train=train, normalisation=self.normalisation.value()
        )

    def setValue(self, spec: TrainingSpec) -> None:
        """Show settings."""
        self.net.setValue(spec.net)
        for form in (self.train, self.encoder, self.machine):
            form.setValue(spec.train)
        self.target.setValue(spec.target)
        self.normalisation.setValue(spec.normalisation)
        self._fit_to_network()

    def show_recipe(self, name: str | None) -> None:
        """Show which recipe the settings are; None: no recipe."""
        self.recipe.show_names(list(RECIPES), name)
        first = self.recipe.count() - len(RECIPES)
        for index, recipe in enumerate(RECIPES.values(), start=first):
            self.recipe.setItemData(index, recipe.purpose, Qt.ItemDataRole.ToolTipRole)
        self.purpose.setText(RECIPES[name].purpose if name is not None else "")
        self.purpose.setVisible(name is not None)

    def show_problem(self, text: str) -> None:
        """Show what is wrong with the settings; empty if nothing is."""
        sign = f"<span style='background:{WRONG}; color:black'><b>&nbsp;✕&nbsp;</b></span>"
        self.problem.setText(f"{sign} {escape(text)}")
        self.problem.setVisible(bool(text))

    def showEvent(self, event: QShowEvent) -> None:
        """Align the forms, as their font is known now."""
        super().showEvent(event)
        own = (self.encoder, self.train, self.target, self.normalisation, self.machine, self.tiling)
        forms: list[SpecForm[Any]] = [*own, *self.net.forms.values()]
        align([self._grid, self.net.grid, *(form.grid for form in forms)])

    def _edited(self) -> None:
        self._fit_to_network()
        self.edited.emit()

    def _fit_to_network(self) -> None:
        """Show how the encoder starts if there is one, and offer patches of as many dimensions as the network."""
        kind = self.net.kind.currentText()
        self.encoder.setVisible(kind in WITH_ENCODER)
        ndim = self.net.forms[kind].shown.ndim
        sizes = _VALID_PATCHES if kind == "unet2015" else _PATCHES[ndim]
        others = {*_VALID_PATCHES, *_PATCHES[2], *_PATCHES[3]} - set(sizes)
        train = self.train.value()
        if train.patch is not None and (len(train.patch) != ndim or train.patch in others):
            self.train.setValue(train.model_copy(update={"patch": None}))
        self.train.offer("patch", [None, *sizes], ["automatic", *(" x ".join(map(str, size)) for size in sizes)])
