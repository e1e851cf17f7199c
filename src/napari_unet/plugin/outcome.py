"""What became of a segmentation, in words: how much is there, and what Segment does next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_unet.arrays.region import Region
from napari_unet.plugin.words import capital, count

GO_ON = "Go on (under Segment) makes the rest"
ANEW = "Segment begins anew, in new layers"
UNDO = "undo (Ctrl+Z) brings Go on back"


@dataclass(frozen=True)
class Amount:
    """How much of a segmentation is finished: of slices, time points, or blocks.

    Examples
    --------
    >>> amount = Amount(2, 12, "slice", "slices")
    >>> str(amount), amount.there, amount.missing
    ('2 of 12 slices', '2 of 12 slices are in the layers', '10 of 12 slices are missing')
    """

    done: int
    total: int
    one: str
    many: str

    def __str__(self) -> str:
        return self._of(self.done)

    def _of(self, number: int) -> str:
        return f"{number:,} of {count(self.total, self.one, self.many)}"

    @property
    def there(self) -> str:
        """What is finished."""
        if not self.done:
            return "nothing was finished yet"
        return f"{self} {'is' if self.done == 1 else 'are'} in the layers"

    @property
    def missing(self) -> str:
        """What is not."""
        left = self.total - self.done
        if not self.done:
            return "nothing of it is finished"
        return f"{self._of(left)} {'is' if left == 1 else 'are'} missing"


def amount_of(region: Region, done: Sequence[Region], blocks: int) -> Amount:
    """Count what is finished: in slices, or time points, where whole ones are.

    Parameters
    ----------
    region
        What was to be segmented.
    done
        Blocks that are written.
    blocks
        How many there are in all.

    Examples
    --------
    >>> stack = Region((0, 1), (0, 12), (0, 64), (0, 48))
    >>> str(amount_of(stack, [Region((0, 1), (z, z + 1), (0, 64), (0, 48)) for z in (3, 4)], 12))
    '2 of 12 slices'
    >>> str(amount_of(stack, [Region((0, 1), (0, 12), (0, 64), (0, 24))], 2))
    '1 of 2 blocks'
    """
    t, z = region.shape[:2]
    if any((block.y, block.x) != (region.y, region.x) for block in done):
        return Amount(len(done), blocks, "block", "blocks")
    if t > 1 and all(block.z == region.z for block in done):
        return Amount(sum(block.shape[0] for block in done), t, "time point", "time points")
    return Amount(sum(block.shape[0] * block.shape[1] for block in done), t * z, "slice", "slices")


def found(cells: int, region: Region, *, flat: bool) -> str:
    """Say how many cells were found, and where each is counted for itself.

    Parameters
    ----------
    cells
        Their number, in all slices or time points.
    region
        What was segmented.
    flat
        Cells of slices, rather than of volumes.

    Examples
    --------
    >>> found(1234, Region((0, 1), (0, 36), (0, 64), (0, 48)), flat=True)
    '1,234 cells in 36 slices, each on its own'
    """
    t, z = region.shape[:2]
    number = count(cells, "cell", "cells")
    if flat and z > 1:
        return f"{number} in {t * z:,} slices, each on its own"
    return f"{number} in {t:,} time points, each on its own" if t > 1 else number


@dataclass(frozen=True)
class Standing:
    """Where a segmentation stands, as far as the user is told.

    Parameters
    ----------
    amount
        How much is finished.
    found
        How many cells there are, in words; empty if there are none.
    layers
        How many it has made.
    gone, edited
        Names of layers that were deleted, and of those edited by hand.
    lasting
        Undo does not bring all of it back.
    same
        The same is asked for as before.
    """

    amount: Amount
    found: str = ""
    layers: int = 1
    gone: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    lasting: bool = False
    same: bool = True

    @property
    def cancelled(self) -> str:
        """How much is there, and what Segment does next.

        Examples
        --------
        >>> amount = Amount(2, 12, "slice", "slices")
        >>> Standing(amount).cancelled
        '2 of 12 slices are in the layers; Go on (under Segment) makes the rest'
        >>> Standing(amount, gone=("cells",)).cancelled
        "2 of 12 slices are in the layers; 'cells' was deleted, so Segment begins anew, in new layers"
        """
        return f"{self.amount.there}; {self._next}" if self.same else self.amount.there

    @property
    def _next(self) -> str:
        if not self.gone and not self.edited:
            return GO_ON
        why = f"{_were(self.gone)} deleted" if self.gone else f"{_were(self.edited)} edited"
        return f"{why}, so {ANEW}" + ("" if self.gone or self.lasting else f"; {UNDO}")

    @property
    def after_edit(self) -> str:
        """What an edit, or that it was undone, means for going on; empty if nothing."""
        if not self.same:
            return ""
        undone = "" if self.edited else "The edit is undone. "
        return f"{undone}{capital(self.cancelled)}."

    def after_deletion(self, names: Sequence[str], *, running: bool) -> str:
        """Say what the deletion of layers means; empty if nothing.

        Parameters
        ----------
        names
            Of those that were just deleted.
        running
            The segmentation has not ended.

        Examples
        --------
        >>> standing = Standing(Amount(2, 12, "slice", "slices"), layers=2, gone=("cells",))
        >>> standing.after_deletion(["cells"], running=True)
        "'cells' was deleted. The segmentation goes on without it; Cancel ends it."
        """
        if not names or not (running or self.same):
            return ""
        if not running:
            return f"{_were(names)} deleted: {ANEW}."
        it = "it" if len(names) == 1 else "them"
        how = f" without {it}" if self._left else ", but nothing of it will be left"
        return f"{_were(names)} deleted. The segmentation goes on{how}; Cancel ends it."

    @property
    def _left(self) -> bool:
        return len(self.gone) < self.layers

    @property
    def finished(self) -> str:
        """What was found, and where it is.

        Examples
        --------
        >>> Standing(Amount(1, 1, "slice", "slices"), "80 cells", 2, ("boundaries",)).finished
        "Segmented: 80 cells. The results are new layers, but 'boundaries' was deleted."
        """
        if not self._left:
            return f"Segmented, but {_were(self.gone)} deleted: nothing of it is left."
        but = f", but {_were(self.gone)} deleted" if self.gone else ""
        return f"{self.begin} The results are new layers{but}."

    @property
    def begin(self) -> str:
        """What was found."""
        return f"Segmented: {self.found}." if self.found else "Segmented."


def _were(names: Sequence[str]) -> str:
    """Name layers, with the verb that follows."""
    return " and ".join(f"'{name}'" for name in names) + (" was" if len(names) == 1 else " were")
