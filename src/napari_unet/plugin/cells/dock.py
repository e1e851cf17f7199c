"""The dock for cells: corrected, measured, compared, written. It needs no network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Labels

from napari_unet.plugin.canvas import CanvasKeeper
from napari_unet.plugin.cells.background import Background
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.compare_section import CompareSection
from napari_unet.plugin.cells.comparing import Comparing
from napari_unet.plugin.cells.correct_section import CorrectSection
from napari_unet.plugin.cells.layers_section import LayersSection
from napari_unet.plugin.cells.link_section import LinkSection
from napari_unet.plugin.cells.linking import Linking
from napari_unet.plugin.cells.measure import MeasureSection
from napari_unet.plugin.cells.through import ThroughBox
from napari_unet.plugin.cells.write_section import WriteSection
from napari_unet.plugin.cells.writing import Writing
from napari_unet.plugin.decide import Message
from napari_unet.plugin.docks import Dock, share_the_room
from napari_unet.plugin.key_tips import KeyTips
from napari_unet.plugin.lifetime import Lifetime, Outer, later
from napari_unet.plugin.preferences import preferred

if TYPE_CHECKING:
    import napari


class CellsDock(Dock):
    """The dock for cells.

    Parameters
    ----------
    napari_viewer
        Filled in by napari, which goes by this name.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        viewer = self._viewer
        self.choice = CellsChoice(viewer)
        self.layers = LayersSection(self.choice)
        self._spoken_of = self.choice.cells
        """The cells that the message is about."""
        self.choice.changed.connect(self._forget_message)
        canvas = CanvasKeeper(viewer, self)
        works = self._make_sections(canvas)
        sections = (self.layers, self.correct, self.measure, self.link, self.compare, self.write)
        self.fill(sections)
        preferred().read()
        tips = KeyTips(self)
        self._lifetime = Lifetime(self, lambda: False, self.shut_down)
        self._outer = Outer((self._lifetime.forget, tips.close, *works, canvas.close, self.choice.close))
        self.destroyed.connect(self._outer.end)
        later(self, 0, partial(share_the_room, self))

    def _forget_message(self) -> None:
        """Show no message about cells that were chosen before."""
        if self.choice.cells is not self._spoken_of:
            self._spoken_of = self.choice.cells
            self.status.show_message(Message(""))

    def _make_sections(self, canvas: CanvasKeeper) -> tuple[Callable[[], None], ...]:
        """Make what works on the cells; returns what ends it."""
        viewer, choice, say = self._viewer, self.choice, self.status.show_message
        links, compares, writes = Background(), Background(), Background()
        self.correct = CorrectSection(viewer, choice, canvas)
        self.correct.correcting.said.connect(say)
        self.through = ThroughBox(self._slices, choice.changed.emit)
        self.layers.rows.addWidget(self.through)
        choice.changed.connect(self.through.show_state)
        self.correct.looked.connect(self.through.show_state)
        self.through.show_state()
        self.measure = MeasureSection(viewer, choice)
        self.measure.said.connect(say)
        self.linking = Linking(viewer, choice, links)
        self.linking.said.connect(say)
        self.link = LinkSection(self.linking, choice, links)
        self.comparing = Comparing(viewer, choice, compares)
        self.comparing.said.connect(say)
        self.compare = CompareSection(self.comparing, compares)
        self.writing = Writing(viewer, choice, writes)
        self.writing.said.connect(say)
        self.write = WriteSection(self.writing, writes)
        return self.correct.let_go, self.measure.cells.close, links.close, compares.close, writes.close

    def _slices(self) -> tuple[Labels, int]:
        """Return the chosen cells, looked at, and their number of slices."""
        correcting = self.correct.correcting
        stack = correcting.stack()
        correcting.in_view(stack)
        return stack.layer, stack.size("Z")

    def shut_down(self) -> None:
        """Let go of the viewer; the layers stay."""
        if not self._outer.ended:
            self._lifetime.close()
            self._outer.end()


def open_cells(viewer: napari.Viewer) -> None:
    """Open the dock for cells as a tab beside others, or bring it to the front; a menu of napari calls this."""
    dock, _ = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells", tabify=True)
    dock.show()
    dock.raise_()
