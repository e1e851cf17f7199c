"""The form of the network: which one, and those of its settings that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget

from napari_unet.plugin.sections.base import SPACE, Rows, note
from napari_unet.plugin.sections.form import Editor, Row, SpecForm, number, one_of, switch, whole
from napari_unet.spec import NetSpec, UNet3DSpec

NETS: dict[str, type[Any]] = {
    c.model_fields["kind"].default: c for c in get_args(get_args(NetSpec)[0]) if c.trainable
}
"""Every network that can be trained, by its name."""

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
