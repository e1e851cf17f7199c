"""What a user has probably forgotten to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from napari_unet.arrays.alone import count_alone
from napari_unet.arrays.axes import Image
from napari_unet.events import Note
from napari_unet.learn.data import Survey, read_labels
from napari_unet.spec import TargetSpec

MANY = 5
"""Whoever paints more cells than this in a plane, and no background, has probably painted all of them."""
PLANES = 8
"""Annotated planes that are looked at."""


def missing_background(pairs: Sequence[tuple[Image, Image]], found: Survey, target: TargetSpec) -> Iterator[Note]:
    """Warn of cells that are painted whole, alone on what nobody says is background.

    Unpainted pixels are not learnt from. So the network would never see what is no cell, and find cells
    everywhere. Cells that touch each other (a tissue) teach it boundaries instead: there is no warning.
    """
    if target.style != "cells" or target.dense or target.background_value in found.counts:
        return
    step = max(1, -(-len(found.planes) // PLANES))
    planes = (read_labels(pairs[p][1], t, z) for p, t, z in found.planes[::step])
    counts = [count_alone(plane) for plane in planes]
    if 2 * sum(cells > MANY and 2 * alone > cells for alone, cells in counts) >= len(counts):
        cure = "if every cell is painted, say so (--dense, dense=True, or 'unpainted: automatic' in the window)"
        yield Note(
            f"nothing is painted as background, and what is unpainted is not used: {cure}; "
            "else paint some background and say which value it has (--background-value)",
            warning=True,
        )
