"""Training that starts by itself: when there is enough to learn from, and whether it goes on or begins anew."""

from __future__ import annotations

from collections.abc import Mapping

from napari_unet.plugin.selection import Selection
from napari_unet.plugin.work import Work
from napari_unet.spec import DEFAULT_CLASSES, TargetSpec

ENOUGH = 30
"""Pixels of a class with which a training starts by itself; Train needs no more than one."""
CELLS = 2
"""Cells painted whole with which it does."""


def enough(counts: Mapping[int, int], target: TargetSpec) -> bool:
    """Tell whether a training may start by itself: two classes, or some cells, and more than a touch of the brush.

    Parameters
    ----------
    counts
        Pixels per label value.
    target
        Annotation style.

    Examples
    --------
    >>> enough({1: 400, 2: 12}, TargetSpec()), enough({1: 400, 2: 90}, TargetSpec())
    (False, True)
    >>> enough({7: 400}, TargetSpec(style="cells")), enough({7: 400, 8: 90}, TargetSpec(style="cells"))
    (False, True)
    """
    well = {value for value, number in counts.items() if number >= ENOUGH}
    if target.style == "cells":
        return len(well - {target.background_value}) >= CELLS
    known = well & set(range(1, len(DEFAULT_CLASSES) + 1))
    return len(known) >= 2 and set(counts) <= set(range(1, len(DEFAULT_CLASSES) + 1))


class Automatic:
    """Decides whether a stroke starts a training.

    Parameters
    ----------
    selection
        The layers that are chosen.
    work
        What is at work.
    """

    def __init__(self, selection: Selection, work: Work) -> None:
        self._selection, self._work = selection, work
        self.on = True
        self.held = False
        """The user has stopped a training, or one has failed: the next one is started by hand."""
        self._of: tuple[object, object] | None = None
        """Image and annotation of the last training."""
        self._known: Mapping[int, int] | None = None
        """What was painted when it ended; napari tells of strokes even where there are none."""
        work.began.connect(self._began)

    def due(self, counts: Mapping[int, int] | None, target: TargetSpec, *, complete: bool) -> bool:
        """Tell whether a training should start now.

        Parameters
        ----------
        counts
            Pixels per label value; None without an annotation layer.
        target
            Annotation style.
        complete
            All of the annotation was counted.
        """
        ready = self.on and not self.held and self._work.job is None and self._selection.image is not None
        new = counts != self._known or not self.same
        return ready and new and complete and counts is not None and enough(counts, target)

    @property
    def same(self) -> bool:
        """The last training was of the layers that are chosen now."""
        return self._of == self._chosen

    @property
    def _chosen(self) -> tuple[object, object]:
        return self._selection.image_layer, self._selection.labels_layer

    def _began(self, job: str) -> None:
        if job == "train":
            self._of, self.held = self._chosen, False

    def take_over(self, counts: Mapping[int, int] | None) -> None:
        """Note what was painted when a project was opened: only new strokes start a training."""
        self._of, self._known = self._chosen, counts

    def note_end(self, outcome: str, counts: Mapping[int, int] | None) -> None:
        """Note how a training has ended, and what was painted by then."""
        self.held, self._known = outcome != "finished", counts
