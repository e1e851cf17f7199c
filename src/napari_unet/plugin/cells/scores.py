"""The scores of a comparison in words: each with one sentence that says what is good."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_unet.arrays.comparison import Category, Comparison
from napari_unet.arrays.metrics import OVERLAPS
from napari_unet.arrays.places import Difference
from napari_unet.plugin.words import count


@dataclass(frozen=True)
class Line:
    """A score: its name, its value in words, and what is good."""

    name: str
    value: str
    sentence: str


MEANINGS: dict[Category, str] = {
    Category.FOUND: "true cells that a cell matches (overlap above 0.5)",
    Category.MISSED: "true cells without a match",
    Category.EXTRA: "cells where there is no true one",
    Category.MERGED: "cells that hold several true ones",
    Category.SPLIT: "true cells that are cut into several",
}


def lines_of(found: Comparison) -> tuple[Line, ...]:
    """Write the scores."""
    score = found.score
    return (
        Line("AP50", _number(score.ap50), "Share of matches among all cells, true and found. 1 is perfect."),
        Line("mean AP", _number(score.ap), "The same for ever stricter overlaps. 1 is perfect."),
        Line(
            "V_rand",
            _number(found.v_rand),
            f"Pairs of pixels rightly together, {v_of(found)}. 1 is perfect.",
        ),
        Line("V_info", _number(found.v_info), f"Information shared with the truth, {v_of(found)}. 1 is perfect."),
        Line(
            "Rand error",
            _number(score.adapted_rand),
            "Adapted Rand, where pixels without a cell count as one more cell. 0 is perfect.",
        ),
        Line("VOI split", _number(score.voi_split), "Bits lost by cutting cells apart. 0 is perfect."),
        Line("VOI merge", _number(score.voi_merge), "Bits lost by joining cells. 0 is perfect."),
    )


def v_of(found: Comparison) -> str:
    """Say of what V_rand and V_info are: a mean over slices, or 3D; gaps are filled in both."""
    if found.ndim == 3:
        return "in 3D, gaps filled in 3D"
    several = math.prod(found.picture.shape[:-2]) > 1
    return "mean over slices, gaps filled in each" if several else "gaps filled"


def overlaps_of(found: Comparison) -> tuple[tuple[str, str], ...]:
    """Write AP for every overlap: (overlap, value)."""
    return tuple((f"{o:.2f}", _number(a)) for o, a in zip(OVERLAPS, found.score.ap_per_iou, strict=True))


def summary(found: Comparison, where: str) -> str:
    """Say in one sentence how good the cells are.

    Parameters
    ----------
    found
        The comparison.
    where
        What was compared, such as ``"slice 3"``.
    """
    score = found.score
    true = count(score.true_cells, "true cell is", "true cells are")
    return f"{where}: {found.counts['found']:,} of {true} found among {count(score.cells, 'cell', 'cells')}."


def cell_in_words(found: Difference) -> str:
    """Say which cell differs, and how.

    Examples
    --------
    >>> cell_in_words(Difference(Category.MERGED, 7, 3, 90, (), (0, 0, 9, 10)))
    'merged, cell 7 holds 3 true cells'
    >>> cell_in_words(Difference(Category.MISSED, None, 0, 90, (), (0, 0, 9, 10)))
    'missed, a true cell'
    """
    category = Category(found.category)
    true = category in (Category.MISSED, Category.SPLIT)
    name = f"{'true ' * true}cell {found.cell}" if found.cell is not None else "a true cell"
    what = {
        Category.SPLIT: f" is cut into {found.parts} cells",
        Category.MERGED: f" holds {found.parts} true cells",
    }
    return f"{category.name.lower()}, {name}{what.get(category, '')}"


def as_text(found: Comparison, where: str) -> str:
    """Write everything as lines of names and values, parted by tabs, for a spreadsheet."""
    score = found.score
    rows = [("compared", where), ("cells", score.cells), ("true cells", score.true_cells), *found.counts.items()]
    rows += [(line.name, line.value) for line in lines_of(found)]
    rows.append(("V_rand and V_info are", v_of(found)))
    rows += [(f"AP at IoU {overlap}", value) for overlap, value in overlaps_of(found)]
    return "\n".join(f"{name}\t{value}" for name, value in rows)


def _number(value: float) -> str:
    """Write a score.

    Examples
    --------
    >>> _number(0.98765), _number(float("nan"))
    ('0.988', '-')
    """
    return "-" if math.isnan(value) else f"{value:.3f}"
