"""Training that starts by itself: when there is enough to learn from, and whether it goes on or begins anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
    count
        Counts the painted pixels per label value; None without an annotation layer.
    """

    def __init__(self, selection: Selection, work: Work, count: Callable[[], Mapping[int, int] | None]) -> None:
        self._selection, self._work, self._count = selection, work, count
        self.on = True
        self.held = False
        """The user has stopped a training, or one has failed: the next one is started by hand."""
        self._of: tuple[object, object] | None = None
        """Image and annotation of the last training."""
        self._known: Mapping[int, int] | None = None
        """What was painted when it ended, or when the layers were chosen: strokes since then start another."""
        self._looked_at = self._chosen
        work.began.connect(self._began)
        selection.changed.connect(self._look)

    def due(self, target: TargetSpec) -> bool:
        """Tell whether a training should start now.

        Parameters
        ----------
        target
            Annotation style.
        """
        if not self.on or self.held or self._work.job is not None or self._selection.image is None:
            return False
        counts = self._count()
        return counts is not None and counts != self._known and enough(counts, target)

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

    def _look(self) -> None:
        """Note what is painted on layers that are newly chosen; of another image a training may start again."""
        if self._chosen != self._looked_at:
            self.held = self.held and self._chosen[0] is self._looked_at[0]
            self._looked_at, self._known = self._chosen, self._count()

    def take_over(self) -> None:
        """Note that the layers of a project were opened, and were the last training's."""
        self._of = self._looked_at = self._chosen
        self._known = self._count()

    def note_end(self, outcome: str, *, unlearnt: bool) -> None:
        """Note how a training has ended.

        Parameters
        ----------
        outcome
            Of the job.
        unlearnt
            The last strokes came too late for it.
        """
        self.held = outcome != "finished"
        self._known = None if unlearnt else self._count()
