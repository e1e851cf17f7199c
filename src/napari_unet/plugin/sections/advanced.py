"""Advanced: the network, how it is trained, and how images are cut into tiles."""

from __future__ import annotations

from typing import get_args

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QWidget

from napari_unet.plugin.sections.base import Rows, Section
from napari_unet.plugin.sections.form import Row, SpecForm, number, one_of, switch, whole
from napari_unet.spec import AugmentSpec, NetSpec, TilingSpec, TrainSpec, UNetSpec

NETS: dict[str, type[NetSpec]] = {c.model_fields["kind"].default: c for c in get_args(get_args(NetSpec)[0])}
"""Every network by its name."""

NO_AUGMENT = AugmentSpec(
    flip=False, rotate90=False, rotation=0, scale=0, elastic=0, contrast=0, brightness=0, noise=0, probability=0
)
_DEVICES = (
    ("auto", "cpu", "cuda", "mps"),
    ("automatic", "processor (CPU)", "NVIDIA GPU (cuda)", "Apple GPU (mps)"),
)
_PATCHES = (
    (None, (96, 96), (128, 128), (192, 192), (256, 256), (384, 384)),
    ("automatic", "96", "128", "192", "256", "384"),
)

_NET_ROWS = (
    Row("base", "Width", "Channels of the first level. More: slower, and able to learn more.", whole(4, 128)),
    Row("depth", "Depth", "Number of levels below the first. More: the network sees farther.", whole(1, 6)),
)
_TRAIN_ROWS = (
    Row("patch", "Patch", "Side of the pieces that are learnt from, pixels.", one_of(*_PATCHES)),
    Row("batch", "Batch", "Patches per step. Fewer if the memory is short.", whole(1, 64)),
    Row(
        "learning_rate",
        "Learning rate",
        "Size of the steps. Lower it if the loss jumps.",
        number(1e-5, 0.1, 1e-3, 5),
    ),
    Row(
        "val_fraction",
        "Held out",
        "Part of the strokes that is not learnt from but used to score the network; 0 is none.",
        number(0, 0.5, 0.05, 2),
    ),
    Row(
        "augment",
        "Augmentation",
        "Turn, stretch and change the patches at random: more robust with few strokes.",
        switch(AugmentSpec(), NO_AUGMENT),
    ),
    Row("device", "Device", "What computes. Automatic takes a GPU if there is one.", one_of(*_DEVICES)),
    Row(
        "threads",
        "Threads",
        "CPU threads; automatic leaves one core to napari.",
        whole(1, 256, automatic="automatic"),
    ),
    Row("seed", "Seed", "The same seed draws the same patches.", whole(0, 999_999)),
)
_TILING_ROWS = (
    Row(
        "tile",
        "Tile",
        "Largest side of a tile when segmenting, pixels. Smaller needs less memory.",
        whole(64, 8192, automatic="automatic"),
    ),
    Row(
        "halo",
        "Halo",
        "Margin computed around each tile. Exact: no seams. Faster: smaller margins.",
        one_of(("exact", "auto"), ("exact", "faster")),
    ),
)


class NetForm(QWidget):
    """Edits a network spec of any kind."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = QComboBox()
        self.kind.addItems(list(NETS))
        rows = Rows()
        self.setLayout(rows)
        rows.add("Network", self.kind, "unet: every slice by itself. unet3d: looks at neighbouring slices too.")
        self._form: SpecForm[NetSpec] = SpecForm(UNetSpec(), _NET_ROWS)
        rows.addWidget(self._form, rows.rowCount(), 0, 1, 2)
        self.kind.currentTextChanged.connect(lambda name: self._form.setValue(NETS[name]()))

    def value(self) -> NetSpec:
        """Return the spec as edited."""
        return self._form.value()

    def setValue(self, spec: NetSpec) -> None:
        """Show a spec."""
        with QSignalBlocker(self.kind):
            self.kind.setCurrentText(spec.kind)
        self._form.setValue(spec)


class AdvancedSection(Section):
    """Forms of the network, the training and the tiles."""

    def __init__(self) -> None:
        super().__init__("Advanced", "Settings that rarely need a change.", open=False)
        self.net = NetForm()
        self.train: SpecForm[TrainSpec] = SpecForm(TrainSpec(seconds=120), _TRAIN_ROWS)
        self.tiling: SpecForm[TilingSpec] = SpecForm(TilingSpec(), _TILING_ROWS)
        for form in (self.net, self.train, self.tiling):
            self.rows.addWidget(form)
