"""In what two trainings differ, where the one is to go on from the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_unet.spec.networks import NetSpec
from napari_unet.spec.training import TrainingSpec


@dataclass(frozen=True)
class Difference:
    """A setting that has another value: ``theirs`` in what was trained before, ``ours`` now."""

    field: str
    theirs: Any
    ours: Any


def net_differences(theirs: NetSpec, ours: NetSpec) -> tuple[Difference, ...]:
    """Tell why the weights of one network do not fit another; dropout has none.

    Examples
    --------
    >>> from napari_unet.spec import UNetDiceSpec, UNetSpec
    >>> net_differences(UNetSpec(base=8), UNetSpec())
    (Difference(field='base', theirs=8, ours=16),)
    >>> net_differences(UNetSpec(base=8), UNetDiceSpec())
    (Difference(field='kind', theirs='unet', ours='unet-dice'),)
    """
    if theirs.kind != ours.kind:
        return (Difference("kind", theirs.kind, ours.kind),)
    found = _differing(dict(theirs), dict(ours), {"dropout"})
    if any(d.field == "depth" for d in found):  # levels of another depth cannot be the same
        return tuple(d for d in found if d.field not in ("strides", "kernels"))
    return found


def training_differences(theirs: TrainingSpec, ours: TrainingSpec) -> tuple[Difference, ...]:
    """Tell why a training cannot go on with other settings: network, classes, annotation, grey values.

    Examples
    --------
    >>> from napari_unet.spec import NormalisationSpec
    >>> training_differences(TrainingSpec(), TrainingSpec(normalisation=NormalisationSpec(method="none")))
    (Difference(field='normalisation', theirs='meanstd', ours='none'),)
    """
    target = _differing(dict(theirs.target), dict(ours.target), set())
    net = net_differences(theirs.net, ours.net)
    if any(d.field == "classes" for d in target):  # which says more than their number
        net = tuple(d for d in net if d.field != "classes")
    grey = _differing(
        {"normalisation": theirs.normalisation.method}, {"normalisation": ours.normalisation.method}, set()
    )
    return (*net, *target, *grey)


def _differing(theirs: Mapping[str, Any], ours: Mapping[str, Any], but: set[str]) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, value, ours[name])
        for name, value in theirs.items()
        if name not in but and value != ours[name]
    )
