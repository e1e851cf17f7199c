"""Advanced: a recipe, or the network, how it is trained, and how images are cut into tiles by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, get_args

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_unet.plugin.sections.base import SPACE, Rows, Section, align, button, note
from napari_unet.plugin.sections.choice import Choice
from napari_unet.plugin.sections.form import Editor, Row, SpecForm, file_or, number, one_of, switch, whole
from napari_unet.plugin.settings import ENCODER, without_encoder
from napari_unet.spec import (
    RECIPES,
    WITH_ENCODER,
    AugmentSpec,
    NetSpec,
    TilingSpec,
    TrainingSpec,
    UNet3DSpec,
)

NETS: dict[str, type[Any]] = {
    c.model_fields["kind"].default: c for c in get_args(get_args(NetSpec)[0]) if c.trainable
}
"""Every network that can be trained, by its name."""

NO_AUGMENT = AugmentSpec(
    flip=False, rotate90=False, rotation=0, scale=0, elastic=0, contrast=0, brightness=0, noise=0, probability=0
)
_DEVICES = (
    ("auto", "cpu", "cuda", "mps"),
    ("automatic", "processor (CPU)", "NVIDIA GPU (cuda)", "Apple GPU (mps)"),
)
_PATCHES: dict[int, Sequence[tuple[int, ...]]] = {
    2: ((96, 96), (128, 128), (192, 192), (256, 256), (384, 384)),
    3: ((16, 64, 64), (24, 80, 80), (32, 96, 96), (64, 128, 128)),
}
_VALID_PATCHES = ((284, 284), (380, 380), (476, 476), (572, 572))
"""Lengths that the published U-Net can take: 188 and multiples of 16."""
_LOSSES = (
    (None, "cross-entropy", "binary-cross-entropy", "dice", "dice+cross-entropy"),
    ("the network's own", "cross-entropy", "binary cross-entropy", "Dice", "Dice + cross-entropy"),
)

WRONG = "#D55E00"

MakeEditor = Callable[[type[NetSpec], str], Callable[[], Editor]]


def _bounds(kind: type[NetSpec], field: str, low: int, high: int) -> tuple[int, int]:
    """Narrow a range to what a field allows."""
    facts = kind.model_fields[field].metadata
    lows = [int(f.ge) for f in facts if hasattr(f, "ge")]
    highs = [int(f.le) for f in facts if hasattr(f, "le")]
    return max([low, *lows]), min([high, *highs])


def _whole(low: int, high: int) -> MakeEditor:
    return lambda kind, field: whole(*_bounds(kind, field, low, high))


def _any(make: Callable[[], Editor]) -> MakeEditor:
    return lambda _kind, _field: make


_NET_ROWS: tuple[tuple[str, str, str, MakeEditor], ...] = (
    (
        "base",
        "Width",
        "Channels of the first level; every level below has twice as many.\n"
        "More: able to learn finer differences, but slower.",
        _whole(1, 512),
    ),
    (
        "depth",
        "Depth",
        "How often the image is halved on the way down.\n"
        "More: the network sees farther around a pixel, and needs larger patches.",
        _whole(1, 6),
    ),
    (
        "up",
        "Way up",
        "How coarse levels become fine again: by a learnt convolution, or by plain enlarging, which leaves\n"
        "no checkerboard patterns.",
        _any(one_of(("transposed", "resize"), ("learnt (transposed)", "enlarged (resize)"))),
    ),
    (
        "skips",
        "Skips",
        "How fine details from the way down join the way up: beside it (as in the U-Net), or added to it,\n"
        "which is lighter (as in FCN).",
        _any(one_of(("concat", "sum"), ("side by side", "added"))),
    ),
    (
        "dropout",
        "Dropout",
        "Part of the channels that is left out at random while learning, so that strokes are not learnt by\n"
        "heart; 0 is none.",
        _any(number(0, 0.95, 0.1, 2)),
    ),
    (
        "batchnorm",
        "BatchNorm",
        "Normalise within the network: it learns faster. The source does without.",
        _any(switch(text="on")),
    ),
    (
        "activation",
        "Activation",
        "How classes are told apart. Softmax: every pixel is exactly one of them. Sigmoid: each is decided by\n"
        "itself. The loss has to fit.",
        _any(one_of(("softmax", "sigmoid"), ("softmax (one of them)", "sigmoid (each by itself)"))),
    ),
)


def _of_sgd(values: Any) -> bool:
    return bool(values["optimizer"] == "sgd")


_TRAIN_ROWS = (
    Row(
        "loss",
        "Loss",
        "What counts as wrong. Cross-entropy: every pixel. Dice: the overlap of each class, for rare ones.\n"
        "Binary cross-entropy goes with sigmoid, cross-entropy with softmax.",
        one_of(*_LOSSES),
    ),
    Row(
        "class_balance", "Rare classes", "Pixels of rarely painted classes count more.", switch(text="count more")
    ),
    Row(
        "optimizer",
        "Optimiser",
        "How the weights follow the loss. AdamW suits most; SGD is what the 2015 paper used.",
        one_of(("adamw", "adam", "sgd"), ("AdamW", "Adam", "SGD with momentum")),
    ),
    Row(
        "start",
        "Start",
        "What the network knows before the first stroke, if it is the default one: cells and lines in many kinds\n"
        "of images, which it learnt beforehand; or nothing.",
        one_of(("shipped", "random"), ("what it learnt beforehand", "nothing")),
    ),
    Row(
        "anchor",
        "Keep to it",
        "How much it keeps to what it knew where nothing is painted. Lower it if it does not follow your strokes.",
        number(0, 100, 0.25, 2),
    ),
    Row(
        "momentum",
        "Momentum",
        "How much of the last step is taken again (SGD only).",
        number(0, 0.999, 0.01, 3),
        _of_sgd,
    ),
    Row(
        "learning_rate",
        "Learning rate",
        "Size of the steps. Lower it if the loss jumps.",
        number(1e-12, 10, 0, 12),
    ),
    Row("patch", "Patch", "Size of the pieces that are learnt from, pixels.", one_of((None,), ("automatic",))),
    Row("batch", "Batch", "Patches per step. Fewer if the memory is short.", whole(1, 1024)),
    Row(
        "augment",
        "Augmentation",
        "Turn, stretch and change the patches at random: more robust with few strokes.",
        switch(AugmentSpec(), NO_AUGMENT, "on"),
    ),
    Row(
        "val_fraction",
        "Held out",
        "Part of the strokes that is not learnt from but used to score the network; 0 is none.",
        number(0, 0.95, 0.05, 2),
    ),
)
_NORMALISATION_ROWS = (
    Row(
        "method",
        "Grey values",
        "What is brought to the same scale in every image: its mean and spread, the range of nearly all its\n"
        "pixels (which bright dirt does not shift), or nothing.",
        one_of(("meanstd", "percentile", "none"), ("mean and spread", "range (percentiles)", "as they are")),
    ),
)


def _weighted(values: Any) -> bool:
    return bool(values["weight_map"])


_TARGET_ROWS = (
    Row(
        "rim",
        "Rim",
        "Whole cells: how many pixels of a cell, from its outline inwards, are its boundary.",
        whole(1, 10),
        lambda values: bool(values["style"] == "cells"),
    ),
    Row(
        "weight_map",
        "Narrow gaps",
        "Pixels between cells that nearly touch count more: the border weights of the 2015 paper.",
        switch(text="count more"),
    ),
    Row(
        "border_weight",
        "Gap weight",
        "How much more, at most (w0 in the paper).",
        number(0, 1000, 1, 2),
        _weighted,
    ),
    Row(
        "border_sigma", "Gap width", "Up to about which width, pixels (sigma).", number(0.1, 1000, 1, 2), _weighted
    ),
)
_MACHINE_ROWS = (
    Row("device", "Device", "What computes. Automatic takes a GPU if there is one.", one_of(*_DEVICES)),
    Row(
        "threads",
        "Threads",
        "CPU threads; automatic leaves one core to napari.",
        whole(1, 1024, automatic="automatic"),
    ),
    Row("seed", "Seed", "The same seed draws the same patches.", whole(0, 2**31 - 1)),
)
_HALOS = (0, 16, 32, 48, 64, 96, 128)
_TILING_ROWS = (
    Row(
        "tile",
        "Tile",
        "Largest side of a tile when segmenting, pixels. Smaller needs less memory.",
        whole(64, 65_536, automatic="automatic"),
    ),
    Row(
        "halo",
        "Halo",
        "Margin computed around each tile when segmenting. Exact: as if there were no tiles. Auto: the smallest\n"
        "margin that this image and model need, which is measured first. A number of pixels: as you like.",
        one_of(("exact", "auto", *_HALOS), ("exact", "auto (measured)", *(f"{n} pixels" for n in _HALOS))),
    ),
)

CHECK_TIP = (
    "Look at graphics card, driver, memory, disk and versions, compute a little as a test,\n"
    "and say what to do where something is wrong."
)


def ask_for_weights_file() -> Path | None:
    """Ask for a file of ImageNet weights; None: the user would rather not."""
    path, _ = QFileDialog.getOpenFileName(
        None, "Weights of the encoder", "", "Weights (*.pth *.pt *.safetensors);;All files (*)"
    )
    return Path(path) if path else None


_ENCODER_ROWS = (
    Row(
        "encoder_weights",
        "Encoder starts",
        "What the way down knows at first: nothing, or what it learnt on ImageNet's photographs, which helps\n"
        "where little is painted.",
        one_of(("random", "imagenet"), ("at random", "from ImageNet")),
    ),
    Row(
        "encoder_file",
        "Weights",
        "Where ImageNet's weights come from. As published: you are asked before anything is downloaded.",
        file_or("as published", lambda: ask_for_weights_file()),
        lambda values: bool(values["encoder_weights"] == "imagenet"),
    ),
    Row(
        "freeze_encoder",
        "Freeze encoder",
        "Leave the way down as it starts and learn the way up alone: faster, and fewer strokes are enough.",
        switch(text="on"),
    ),
)


def net_rows(kind: type[NetSpec]) -> tuple[Row, ...]:
    """Give the rows for those settings that a network has."""
    return tuple(
        Row(field, caption, tip, make(kind, field))
        for field, caption, tip, make in _NET_ROWS
        if field in kind.model_fields
    )


class NetForm(QWidget):
    """Edits a network spec of any kind: one form per kind, of which one is shown."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.kind = QComboBox()
        self.kind.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.purpose = note()
        self.levels = note()
        self.levels.setToolTip(
            "What the network looks at on its way down, chosen from the voxel size of the image."
        )
        self.grid = Rows()
        tips = [f"{name}: {spec.purpose}" for name, spec in NETS.items()]
        self.grid.add("Network", self.kind, "\n".join(tips))
        for part in (self.purpose, self.levels):
            self.grid.addWidget(part, self.grid.rowCount(), 0, 1, 2)
        self.show_levels("")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(self.grid)
        self.forms: dict[str, SpecForm[Any]] = {}
        for index, (name, spec) in enumerate(NETS.items()):
            self.kind.addItem(name)
            self.kind.setItemData(index, spec.purpose, Qt.ItemDataRole.ToolTipRole)
            form = self.forms[name] = SpecForm(spec(), net_rows(spec))
            form.edited.connect(self.edited)
            column.addWidget(form)
        self.kind.currentTextChanged.connect(self._choose)
        self._show_kind()

    def value(self) -> NetSpec:
        """Return the spec as edited; another depth of `UNet3DSpec` forgets levels that were told one by one."""
        form = self.forms[self.kind.currentText()]
        spec: NetSpec
        if "depth" in form.edits() and self.kind.currentText() == "unet3d":
            levels = {"strides": None, "kernels": None}
            spec = UNet3DSpec.model_validate({**dict(form.shown), **form.edits(), **levels})
        else:
            spec = form.value()
        return spec

    def setValue(self, spec: NetSpec) -> None:
        """Show a spec."""
        with QSignalBlocker(self.kind):
            self.kind.setCurrentText(spec.kind)
        self.forms[spec.kind].setValue(spec)
        self._show_kind()

    def show_levels(self, text: str) -> None:
        """Show which levels the network gets on the image that is chosen; empty if that says nothing."""
        self.levels.setText(text)
        self.levels.setVisible(bool(text))

    def _choose(self, name: str) -> None:
        """Show another network with its defaults."""
        self.forms[name].setValue(NETS[name]())
        self._show_kind()
        self.edited.emit()

    def _show_kind(self) -> None:
        name = self.kind.currentText()
        self.purpose.setText(NETS[name].purpose)
        for other, form in self.forms.items():
            form.setVisible(other == name)


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
        self.encoder = SpecForm(spec.train, _ENCODER_ROWS)
        self.train = SpecForm(spec.train, _TRAIN_ROWS)
        self.target = SpecForm(spec.target, _TARGET_ROWS)
        self.normalisation = SpecForm(spec.normalisation, _NORMALISATION_ROWS)
        self.machine = SpecForm(spec.train, _MACHINE_ROWS)
        self.tiling = SpecForm(TilingSpec(), _TILING_ROWS)
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
        update |= {row.field: getattr(machine, row.field) for row in _MACHINE_ROWS}
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
