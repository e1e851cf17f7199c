"""Cells corrected in place by clicks and keys: merged, split, deleted, filled, accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Shapes
from psygnal import Signal

from napari_unet.errors import UserError
from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells import steps
from napari_unet.plugin.cells.accepted import accepted_in
from napari_unet.plugin.cells.accepting import Examples
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.diary import Diary, as_words, latest
from napari_unet.plugin.cells.marks import Marks
from napari_unet.plugin.cells.stack import CellStack, Place
from napari_unet.plugin.decide import Message
from napari_unet.plugin.keymap import KEYMAP
from napari_unet.plugin.listening import Listener
from napari_unet.plugin.live import Later, at_once
from napari_unet.plugin.scope import COLOUR, corners_in
from napari_unet.plugin.words import count, sentence

Action = Literal["merge", "split", "line", "delete", "fill", "accept"]
"""What the mouse does at cells."""

HINTS: dict[Action, str] = {
    "merge": "Click at a cell, then at those that belong to it. Escape ends it.",
    "split": "Click at two places of a cell that is to be two. Escape ends it.",
    "line": "Draw a line through a cell, from one side to the other. Escape ends it.",
    "delete": "Click at cells to delete them. Escape ends it.",
    "fill": "Click at a cell to fill its holes, or into a gap between cells. Escape ends it.",
    "accept": "Click at cells to accept them, again to take that back. Escape ends it.",
}
UNDO = "Ctrl+Z takes it back."


class Correcting:
    """Corrects the chosen cells.

    Parameters
    ----------
    viewer
        Where the user points.
    choice
        Which cells.
    later
        Calls an action when napari is done with what it is at.
    """

    said = Signal(Message)

    def __init__(self, viewer: ViewerModel, choice: CellsChoice, later: Later = at_once) -> None:
        self._viewer, self._choice = viewer, choice
        self.listener = Listener(viewer, later)
        self.listener.changed.connect(self._forget)
        self._marks = Marks(viewer)
        self._diary = Diary()
        self._diary.said.connect(self.said.emit)
        choice.changed.connect(self._follow)
        self._follow()
        self._stack: CellStack | None = None
        self.examples = Examples()
        self._places: list[Place] = []
        """Clicked at so far, of the cell that is being merged or split."""
        self._number = 0
        """Of this cell."""
        self._parts: set[int] = set()
        """What it was split into, by the last step of the history."""
        self._step: object = None
        """This step."""

    def close(self) -> None:
        """Let go of the viewer."""
        self.listener.end()
        self._choice.changed.disconnect(self._follow)
        self._diary.follow(None)
        self._marks.remove()

    def _follow(self) -> None:
        self._diary.follow(self._choice.cells)

    # What the user asks for

    def begin(self, action: Action) -> None:
        """Let the mouse do something at cells from now on; called again, no longer, except for merging."""
        again = self.listener.mode == action
        self.listener.end()
        if again and action != "merge":
            return
        try:
            stack = self.ready()
        except UserError as error:
            self.listener.changed.emit("")
            self._refuse(error)
            return
        if action == "line":
            self.listener.draws("line", self._line_layer(stack), "add_path", ("Escape",), self._line_drawn)
        else:
            self.listener.clicks(action, stack.layer, lambda position: self.click(action, position))
        self.said.emit(Message(HINTS[action]))

    def at_pointer(self, action: Action) -> None:
        """Do something at the cell under the pointer."""
        if self._viewer.mouse_over_canvas:
            self.click(action, self._viewer.cursor.position)
        else:
            self.said.emit(Message("Point at a cell with the mouse, then press the key.", "warning"))

    def click(self, action: Action, position: Sequence[float]) -> None:
        """Do something at a place of the world."""
        doing: dict[Action, Callable[[CellStack, Place], Message]] = {
            "merge": self._merge,
            "split": self._split,
            "delete": lambda stack, place: _done(steps.delete(stack, place)),
            "fill": lambda stack, place: _done(steps.fill(stack, place)),
            "accept": self._accept,
        }

        def do(stack: CellStack) -> Message:
            place = stack.place(position)
            stack.look_at(place)
            return doing[action](stack, place)

        self._try(do)

    def accept_alike(self) -> None:
        """Accept all cells of the slice, or of the volume, that are like those accepted by hand."""
        self._try(self._accept_alike)

    def ready(self) -> CellStack:
        """Return the chosen cells, in view, writable and active.

        Raises
        ------
        UserError
            If they cannot be corrected.
        """
        stack, dims = self.stack(), self._viewer.dims
        stack.check_writable()
        if dims.ndisplay != 2 or set(dims.displayed) != {dims.ndim - 2, dims.ndim - 1}:
            raise UserError("look at slices along Y and X in the 2D view first: cells are corrected there")
        if not stack.layer.visible:
            stack.layer.visible = True
        if self._viewer.layers.selection.active is not stack.layer:
            self._viewer.layers.selection.active = stack.layer
        return stack

    def stack(self) -> CellStack:
        """Return the chosen cells.

        Raises
        ------
        UserError
            If there are none, or their axes are not known.
        """
        layer = self._choice.require()
        if self._stack is None or self._stack.layer is not layer:
            self._stack = CellStack(layer)
        return self._stack

    def in_view(self, stack: CellStack) -> Place:
        """Return the place of the slice in view."""
        place = stack.slice_at(self._viewer.dims.point)
        stack.look_at(place)
        return place

    def _try(self, do: Callable[[CellStack], Message]) -> None:
        try:
            stack = self.ready()
            before = latest(stack.layer)
            message = do(stack)
        except UserError as error:
            self._refuse(error)
            return
        if latest(stack.layer) is not before:
            self._diary.note(as_words(message.text))
        self.said.emit(message)

    def _refuse(self, error: UserError) -> None:
        self.said.emit(Message(sentence(error), "warning"))

    def _forget(self) -> None:
        self._places, self._number, self._parts, self._step = [], 0, set(), None
        self._marks.remove()

    # Merge

    def _merge(self, stack: CellStack, place: Place) -> Message:
        number = steps.cell_at(stack, place)
        if not self._places or stack.number(self._places[0]) != self._number:
            self._places, self._number = [place], number
            self._marks.show(stack, self._places)
            then = KEYMAP.tell("click at those that belong to it. {merge} begins with another one.")
            return Message(f"Cell {number} stays: {then}")
        if stack.key(place, number) == stack.key(self._places[0], self._number):
            return Message(f"This is cell {number} already: click at another one.")
        return _done(steps.merge(stack, self._places[0], self._number, place))

    # Split

    def _split(self, stack: CellStack, place: Place) -> Message:
        number = steps.cell_at(stack, place)
        same = bool(self._places) and stack.key(place, 0) == stack.key(self._places[0], 0)
        same = same and stack.number(self._places[0]) in {self._number, *self._parts}  # not made anew since
        again = same and number in self._parts and latest(stack.layer) is self._step
        if not again and not (same and not self._parts and number == self._number):
            self._forget()
            self._places, self._number = [place], number
            self._marks.show(stack, self._places)
            return Message(f"Now click at another place of cell {number}, which is to become another cell.")
        if place in self._places:
            raise UserError("this is the same place: click at another one of this cell")
        if again:
            stack.layer.undo()  # one cut by all seeds is better than one after the other, and one step
        places = [*self._places, place]
        try:
            self._parts = steps.split(stack, places, self._number)
        except UserError:
            if again:
                stack.layer.redo()
                self._step = latest(stack.layer)
            raise
        self._places, self._step = places, latest(stack.layer)
        self._marks.show(stack, places)
        return _done(
            f"Split cell {self._number} into {len(self._parts)}. One more click makes one more part of it."
        )

    def _line_layer(self, stack: CellStack) -> Shapes:
        plane = stack.geometry.only("YX")
        layer = Shapes(ndim=2, name="line to cut", edge_color=COLOUR, metadata={MARK: "line"}, **plane.properties)
        layer.current_edge_width = max(1, min(plane.shape) / 200)
        return layer

    def _line_drawn(self, shapes: Shapes) -> Callable[[], None]:
        vertices = np.asarray(shapes.data[-1])
        return lambda: self._try(lambda stack: self._split_by_line(stack, shapes, vertices))

    def _split_by_line(self, stack: CellStack, shapes: Shapes, vertices: npt.NDArray[np.float64]) -> Message:
        corners = corners_in(self._viewer, shapes, vertices, stack.layer)
        number, parts = steps.split_by_line(stack, self.in_view(stack), corners)
        return _done(f"Split cell {number} into {len(parts)}.")

    # Accept

    def _accept(self, stack: CellStack, place: Place) -> Message:
        number, accepted = steps.cell_at(stack, place), accepted_in(stack.layer)
        before = accepted.at(place.t, place.z if stack.flat else None, number)
        if before:
            with stack.layer.block_history():
                accepted.change(remove=before)
            return Message(f"No longer accepted: cell {number}. {UNDO}")
        body = stack.body(place, number)
        self.examples.add(stack, body)
        with stack.layer.block_history():
            accepted.change(add=[body.key])
        return _done(f"Accepted cell {number}.")

    def _accept_alike(self, stack: CellStack) -> Message:
        place, accepted = self.in_view(stack), accepted_in(stack.layer)
        found = self.examples.alike(stack, place, accepted.keys)
        new = {stack.key(place, n) for n in found} - accepted.keys
        with stack.layer.block_history():
            accepted.change(add=new)
        where = "slice" if stack.flat else "volume"
        if not new:
            return Message(f"No other cell of this {where} is like the accepted ones.")
        return _done(f"Accepted {count(len(new), 'more cell', 'more cells')} of this {where}.")


def _done(text: str) -> Message:
    return Message(f"{text} {UNDO}", "good")
