"""Dots where the user has clicked."""

from __future__ import annotations

from collections.abc import Sequence

from napari.layers import Points

from napari_unet.plugin.annotation import MARK
from napari_unet.plugin.cells.passing import PassingLayer
from napari_unet.plugin.cells.stack import CellStack, Place
from napari_unet.plugin.scope import COLOUR

SIZE = 9
"""Pixels of the screen, about."""


class Marks(PassingLayer):
    """Shows places by dots."""

    def show(self, stack: CellStack, places: Sequence[Place]) -> None:
        """Show places of a stack, and no others."""
        spots = [tuple({"T": p.t, "C": 0, "Z": p.z, "Y": p.y, "X": p.x}[a] for a in stack.axes) for p in places]
        made = Points(
            spots,
            name="clicks",
            face_color=COLOUR,
            border_color="black",
            metadata={MARK: "clicks"},
            **stack.geometry.properties,
        )
        made.size = max(2.0, self.on_screen(SIZE, stack.layer.scale[-1]))
        self.put(made)
