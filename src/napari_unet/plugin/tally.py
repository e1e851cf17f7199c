"""What a segmentation has made so far, by what its job reports."""

from __future__ import annotations

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.events import BlockDone, CellsDone, Event, Note, TileDone
from napari_unet.plugin import words


class Tally:
    """Counts blocks and cells, and keeps in mind what was said.

    Examples
    --------
    >>> tally = Tally()
    >>> block = BlockDone(0, 1, 3, ((0, 1), (0, 1), (0, 8), (0, 8)))
    >>> for event in (CellsDone(1, 3, 40), block, CellsDone(2, 3, 2)):
    ...     done = tally.follow(event)
    >>> tally.cells, tally.blocks, len(tally.done)
    (42, 3, 1)
    >>> tally.go_on()  # the second block was not written
    >>> tally.cells
    40
    """

    def __init__(self) -> None:
        self.done: list[Region] = []
        """Blocks that are written."""
        self.blocks = 0
        """Blocks in all, as far as it is known."""
        self.cells = 0
        """Cells found so far."""
        self.notes: list[str] = []
        self.progress = ""
        """How far the segmentation at hand is, in words."""
        self._cells_done = 0
        """Cells of the blocks that are done."""

    def go_on(self) -> None:
        """Begin with what the one before has finished."""
        self.cells, self.progress, self.notes = self._cells_done, "", []

    def follow(self, event: Event, image: Image | None = None) -> Region | None:
        """Note what the job reports about an image; returns a block that is done now."""
        if isinstance(event, TileDone) and image is not None:
            self.progress = words.segmenting(event, image, self.cells)
        elif isinstance(event, Note) and not event.warning:
            self.notes.append(event.text)
        elif isinstance(event, CellsDone):
            self.cells += event.cells
        elif isinstance(event, BlockDone) and event.ranges:
            t, z, y, x = event.ranges
            self.done.append(Region(t, z, y, x))
            self.blocks, self._cells_done = event.total, self.cells
            return self.done[-1]
        return None
