"""The section that corrects cells: buttons, and the keys that do the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication, QGridLayout, QPushButton

from napari_unet.errors import UserError
from napari_unet.plugin.canvas import CanvasKeeper
from napari_unet.plugin.cells.accepted import accepted_in, accepted_of
from napari_unet.plugin.cells.accepted_layer import AcceptedLayer
from napari_unet.plugin.cells.accepting import as_annotation, counted
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.correcting import Action, Correcting
from napari_unet.plugin.decide import Message
from napari_unet.plugin.keymap import KEYMAP
from napari_unet.plugin.keys import Keys
from napari_unet.plugin.lifetime import later
from napari_unet.plugin.plane_layer import insert_quietly
from napari_unet.plugin.sections.base import Section, button, note
from napari_unet.plugin.words import count, sentence

SOON = 60
"""Milliseconds after which a change is shown; what comes meanwhile is shown with it."""

_BUTTONS: tuple[tuple[Action, str, str], ...] = (
    (
        "merge",
        "Merge",
        "{merge}: click at a cell, then at those that belong to it; {merge} again begins with another cell.",
    ),
    (
        "split",
        "Split",
        "{split}: click at two places of a cell; it is cut where boundary is likeliest between them, or else\n"
        "where the cell is narrow. Every further click makes one more part. In a volume, the places may lie in\n"
        "several slices.",
    ),
    ("line", "Split by a line", "{line}: draw a line through a cell, from one side to the other."),
    (
        "delete",
        "Delete",
        "{delete}: deletes the cell under the pointer. The button: every cell that you click at.",
    ),
    (
        "fill",
        "Fill",
        "{fill}: fills the holes of the cell under the pointer, slice by slice; at a gap that cells enclose,\n"
        "the gap: with a new cell if there are several around it. The button: wherever you click.",
    ),
    (
        "accept",
        "Accept",
        "{accept}: accepts the cell under the pointer, or no longer. The button: every cell that you click at.\n"
        "Accepted cells are outlined in white; they stay as they are when cells are made anew.",
    ),
)


class CorrectSection(Section):
    """Merges, splits, deletes, fills and accepts the chosen cells.

    Parameters
    ----------
    viewer
        Where the user points.
    choice
        Which cells.
    canvas
        Gets the keyboard when the mouse is to do something on it.
    """

    looked = Signal()
    """The slice in view was looked at; it may be known now how the cells are numbered."""

    def __init__(self, viewer: ViewerModel, choice: CellsChoice, canvas: CanvasKeeper) -> None:
        super().__init__(
            "Correct",
            "Cells are corrected by clicks in the picture, or by keys while the layer of cells is selected.\n"
            "Ctrl+Z and Ctrl+Shift+Z undo and redo every step.",
        )
        self._viewer, self._choice, self._canvas = viewer, choice, canvas
        self.correcting = Correcting(viewer, choice, lambda action: later(self, 0, action))
        self._outlines = AcceptedLayer(viewer)
        self._keys: Keys | None = None
        self._layer: Labels | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SOON)
        self._soon.timeout.connect(self.show_accepted)
        self._make_widgets()
        self.correcting.listener.changed.connect(self._show_action)
        self.folded.connect(self._follow)
        choice.changed.connect(self._follow)
        viewer.dims.events.ndisplay.connect(self._show_soon)
        KEYMAP.changed.connect(self._bind_anew)
        self._follow()

    def _make_widgets(self) -> None:
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.setSpacing(4)
        for i, (action, text, tooltip) in enumerate(_BUTTONS):
            made = button(f"{text}  ({{{action}}})", tooltip, partial(self.correcting.begin, action))
            made.setCheckable(True)
            grid.addWidget(made, i // 3, i % 3)
            self.buttons[action] = made
        self.rows.addLayout(grid)
        self.alike_button = button(
            "Accept all like the accepted  ({alike})",
            "Accepts the cells of this slice (of a volume: of all its slices) whose size lies between those of\n"
            "the cells that you have accepted one by one, that are as round, and have as little boundary\n"
            "inside, if it is known; each within a tenth. After a single cell: those of half to twice its size.",
            self.accept_alike,
        )
        self.rows.addWidget(self.alike_button)
        self.counts = note()
        self.rows.addWidget(self.counts)
        self.annotation_button = button(
            "Accepted cells as annotation",
            "Makes a layer of the accepted cells of all slices. Choose it in the U-Net dock under Annotate,\n"
            "with the style 'Whole cells', to train on them.",
            self.make_annotation,
        )
        self.rows.addWidget(self.annotation_button)

    def let_go(self) -> None:
        """Let go of the viewer and of the cells; nothing of the widget is touched."""
        self._viewer.dims.events.ndisplay.disconnect(self._show_soon)
        KEYMAP.changed.disconnect(self._bind_anew)
        self._choice.changed.disconnect(self._follow)
        self.correcting.listener.changed.disconnect(self._show_action)
        self.correcting.close()
        self._leave()
        self._outlines.remove()

    # What is chosen

    def _follow(self) -> None:
        """Bind keys to the chosen cells while the section is open, and look at what changes in them."""
        layer = self._choice.cells if self.is_open else None
        if layer is not self._layer:
            self.correcting.listener.end()
            self._leave()
            self._layer = layer
            if layer is not None:
                self._bind(layer)
                layer.events.set_data.connect(self._show_soon)
                layer.events.paint.connect(self._show_soon)
        self._show_soon()

    def _bind(self, layer: Labels) -> None:
        correcting = self.correcting
        starts: tuple[Action, ...] = ("merge", "split", "line")
        points: tuple[Action, ...] = ("delete", "fill", "accept")
        does: dict[str, Callable[[], None]] = {a: partial(correcting.begin, a) for a in starts}
        does |= {a: partial(correcting.at_pointer, a) for a in points}
        does["alike"] = self.accept_alike
        self._keys = Keys(layer, KEYMAP.bind(does))

    def _bind_anew(self) -> None:
        """Use the keys as they are set now."""
        if self._keys is not None and self._layer is not None:
            self._keys.close()
            self._bind(self._layer)

    def _leave(self) -> None:
        layer, self._layer = self._layer, None
        if self._keys is not None:
            self._keys.close()
            self._keys = None
        if layer is not None:
            layer.events.set_data.disconnect(self._show_soon)
            layer.events.paint.disconnect(self._show_soon)

    # What the user asks for

    def accept_alike(self) -> None:
        """Accept what is like the accepted cells; in a large volume that takes a while."""
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            self.correcting.accept_alike()
        finally:
            QApplication.restoreOverrideCursor()

    def make_annotation(self) -> None:
        """Copy the accepted cells into a layer that can be trained on."""
        try:
            stack = self.correcting.stack()
            layer, cells = as_annotation(stack, accepted_in(stack.layer))
        except UserError as error:
            self.correcting.said.emit(Message(sentence(error), "warning"))
            return
        layer.visible = False  # it would cover the cells
        insert_quietly(self._viewer, layer, len(self._viewer.layers))
        made = f"Made the layer '{layer.name}' with {count(cells, 'cell', 'cells')}, hidden."
        how = "To train on them, choose it in the U-Net dock under Annotate, in the style 'Whole cells'."
        self.correcting.said.emit(Message(f"{made} {how}", "good"))

    # What is shown

    def _show_action(self, action: str) -> None:
        for name, made in self.buttons.items():
            made.setChecked(name == action)
        if action:
            self._canvas.take_focus()

    def _show_soon(self) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def show_accepted(self) -> None:
        """Outline the accepted cells of the slice in view, and count them."""
        layer = self._layer
        for widget in (*self.buttons.values(), self.alike_button, self.annotation_button):
            widget.setEnabled(layer is not None)
        if layer is None:
            self._outlines.remove()
            self.counts.setText("")
            return
        try:
            stack = self.correcting.stack()
        except UserError as error:
            self.counts.setText(sentence(error))
            return
        place = self.correcting.in_view(stack)
        plane, accepted = stack.plane(place.t, place.z), accepted_of(layer)
        numbers = accepted.numbers(place.t, place.z) if accepted is not None else set()
        self._outlines.show(stack, plane, numbers)
        done, cells = counted(plane, numbers)
        where = "this slice" if stack.size("Z") * stack.size("T") > 1 else "the image"
        self.counts.setText(f"{done:,} of {count(cells, 'cell', 'cells')} of {where} accepted.")
        self.looked.emit()
