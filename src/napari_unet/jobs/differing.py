"""Refuse to go on from what does not fit, and say which options would make it fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from napari_unet.errors import UserError
from napari_unet.learn.data import Survey
from napari_unet.learn.start import REMADE
from napari_unet.spec import DEFAULT_CLASSES, ClassSpec, NetSpec, TrainingSpec
from napari_unet.spec.differences import Difference, net_differences, training_differences

_OPTIONS = {
    "kind": "net",
    **{name: name for name in ("base", "depth", "up", "skips", "activation", "style", "unpainted", "rim")},
    "background_value": "background-value",
    "normalisation": "normalisation",
}
_SWITCHES = {"batchnorm": "--no-batchnorm", "dense": "", "weight_map": ""}
"""Options without a value, and what switches them off; empty: leaving them out does."""
_NAMES = {"kind": "network", "in_channels": "number of channels", "classes": "number of classes"}


def check_start(theirs: NetSpec, ours: NetSpec) -> None:
    """Raise `UserError` unless the weights of one network fit another, but for its first and last layers.

    Examples
    --------
    >>> from napari_unet.spec import UNetSpec
    >>> check_start(UNetSpec(base=8), UNetSpec())
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: the start model does not fit: its base is 8, here it is 16: say --base 8
    """
    found = [d for d in net_differences(theirs, ours) if d.field not in REMADE]
    if not theirs.trainable:
        raise UserError("the start model was imported as an ONNX graph: it predicts, and cannot be trained")
    if theirs.kind != ours.kind:
        raise UserError(
            f"the start model is of the network '{theirs.kind}', not '{ours.kind}': say --net {theirs.kind}"
        )
    if found:
        raise UserError(f"the start model does not fit: {in_words(found)}")


def check_resume(theirs: TrainingSpec, ours: TrainingSpec) -> None:
    """Raise `UserError` unless a training may go on with these settings."""
    if found := training_differences(theirs, ours):
        raise UserError(f"this training cannot go on: {in_words(found)}; or train anew")


def given_classes(
    start: TrainingSpec | None, before: tuple[TrainingSpec, Any, Mapping[str, Any]] | None
) -> tuple[ClassSpec, ...]:
    """Tell which classes a training has from the model that it started from.

    Parameters
    ----------
    start
        Of that model.
    before
        Spec, tensors and facts of the training that it goes on with. Of earlier versions it is not known: all.
    """
    if start is not None:
        return start.target.classes
    if before is None:
        return ()
    spec, _, facts = before
    return tuple(ClassSpec.model_validate(c) for c in facts["given"]) if "given" in facts else spec.target.classes


def classes_since(before: tuple[ClassSpec, ...], found: Survey, given: tuple[ClassSpec, ...]) -> Survey:
    """Tell which classes are learnt after strokes: those before, with new ones after them, or without the last.

    Parameters
    ----------
    before
        What was learnt; they keep their names.
    found
        What the labels hold now.
    given
        Classes that stay, painted or not.
    """
    classes = [*before]
    for added in found.classes[len(before) :]:
        names = {c.name for c in classes}
        free = (c for c in (added, *DEFAULT_CLASSES) if c.name not in names)
        classes.append(next(free, ClassSpec(name=f"class {len(classes) + 1}")))
    return replace(found, classes=tuple(classes[: max(len(found.classes), len(given))]))


def in_words(found: Iterable[Difference]) -> str:
    """Say differences, and what to say instead.

    Examples
    --------
    >>> in_words([Difference("base", 4, 8), Difference("weight_map", True, False)])
    'its base is 4, here it is 8: say --base 4; its weight_map is True, here it is False: say --weight-map'
    """
    return "; ".join(f"{_what(d)}{_cure(d)}" for d in found)


def _what(found: Difference) -> str:
    if found.field == "classes" and not isinstance(found.theirs, int):
        theirs, ours = (", ".join(c.name for c in classes) for classes in (found.theirs, found.ours))
        return f"its classes are {theirs}, here they are {ours}"
    name = _NAMES.get(found.field, found.field)
    return f"its {name} is {_value(found.theirs)}, here it is {_value(found.ours)}"


def _value(value: Any) -> str:
    return "not told" if value is None else str(value)


def _cure(found: Difference) -> str:
    if found.field in _SWITCHES:
        option = "--" + found.field.replace("_", "-")
        off = _SWITCHES[found.field]
        return f": say {option}" if found.theirs else f": say {off}" if off else f": leave {option} out"
    if found.field not in _OPTIONS:
        return ""
    option = f"--{_OPTIONS[found.field]}"
    return f": leave {option} out" if found.theirs is None else f": say {option} {found.theirs}"
