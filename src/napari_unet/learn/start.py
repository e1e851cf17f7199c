"""The network that the package brings: where a training starts, unless it is told otherwise.

It was trained on synthetic pictures and CC0 nuclei (see ``pretraining/`` in the repository), and tells cells,
lines between them and background apart in many kinds of images before it has seen a single stroke.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from napari_unet.learn import modelfile
from napari_unet.learn.modelfile import Trained
from napari_unet.spec import ClassSpec, TrainingSpec
from napari_unet.spec.differences import net_differences

SHIPPED = Path(__file__).with_name("start.safetensors")
REMADE = ("in_channels", "classes")
"""What may differ: the first and the last layer are made to fit."""


@lru_cache(maxsize=1)
def shipped() -> Trained:
    """Read the network; its weights must not be changed."""
    return modelfile.load(SHIPPED)


def fits(spec: TrainingSpec) -> bool:
    """Tell whether a training can start from the network that the package brings.

    Examples
    --------
    >>> from napari_unet.spec import UNetSpec
    >>> fits(TrainingSpec()), fits(TrainingSpec(net=UNetSpec(base=8)))
    (True, False)
    """
    theirs = shipped().spec
    same = all(d.field in REMADE for d in net_differences(theirs.net, spec.net))
    return same and theirs.normalisation == spec.normalisation


def fitting_rows(
    theirs: Sequence[ClassSpec], their_outputs: int, ours: Sequence[ClassSpec], our_outputs: int
) -> tuple[int | None, ...]:
    """As `rows_of`, but of networks in which one output tells two classes apart no row is that of a class.

    Examples
    --------
    >>> from napari_unet.spec import DEFAULT_CLASSES
    >>> two = DEFAULT_CLASSES[:2]
    >>> fitting_rows(two, 1, DEFAULT_CLASSES, 3), fitting_rows(two, 2, DEFAULT_CLASSES, 3)
    ((None, None, None), (0, 1, None))
    """
    if (their_outputs, our_outputs) != (len(theirs), len(ours)):
        return (None,) * our_outputs
    return rows_of(theirs, ours)


def rows_of(theirs: Sequence[ClassSpec], ours: Sequence[ClassSpec]) -> tuple[int | None, ...]:
    """Find, for every class, the one of another network that it begins as: of the same name, or else role.

    Examples
    --------
    >>> from napari_unet.spec import BACKGROUND, BOUNDARY, CELL
    >>> rows_of((CELL, BOUNDARY, BACKGROUND), (CELL, BACKGROUND, ClassSpec(name="vesicle", role="other")))
    (0, 2, None)
    """
    rows: list[int | None] = []
    for wanted in ours:
        named = [n for n, c in enumerate(theirs) if c == wanted]
        alike = [n for n, c in enumerate(theirs) if c.role == wanted.role and c.role != "other"]
        free = [n for n in (*named, *alike) if n not in rows]
        rows.append(free[0] if free else None)
    return tuple(rows)
