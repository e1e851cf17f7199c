"""Normalisation in the words of BioImage.IO, both ways."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_unet.errors import UserError
from napari_unet.spec import NormalisationSpec
from napari_unet.storage.bioimageio.description import Step

FLOAT: dict[str, Any] = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}


@dataclass(frozen=True)
class Preparation:
    """What is done with grey values: normalised, then times ``gain`` plus ``shift`` (one, or per channel)."""

    normalisation: NormalisationSpec
    gain: tuple[float, ...] = (1.0,)
    shift: tuple[float, ...] = (0.0,)

    @property
    def is_plain(self) -> bool:
        """Whether nothing follows the normalisation."""
        return set(self.gain) == {1.0} and set(self.shift) == {0.0}


def steps_of(normalisation: NormalisationSpec, axes: Sequence[str]) -> list[dict[str, Any]]:
    """Say a normalisation as steps of preprocessing, each channel by itself.

    Parameters
    ----------
    normalisation
        Its ``percentile`` is a range of 4 around 0, theirs one from 0 to 1: a linear step follows.
    axes
        Names of the spatial axes.

    Examples
    --------
    >>> [s["id"] for s in steps_of(NormalisationSpec(method="percentile"), ["y", "x"])]
    ['ensure_dtype', 'scale_range', 'scale_linear']
    """
    if normalisation.method == "none":
        return [FLOAT]
    if normalisation.method == "meanstd":
        return [FLOAT, {"id": "zero_mean_unit_variance", "kwargs": {"axes": [*axes]}}]
    ends = {"min_percentile": normalisation.low, "max_percentile": normalisation.high}
    return [
        FLOAT,
        {"id": "scale_range", "kwargs": {"axes": [*axes], **ends}},
        {"id": "scale_linear", "kwargs": {"gain": 4.0, "offset": -2.0}},
    ]


def read_steps(steps: Sequence[Step], axes: Sequence[str], channels: int) -> Preparation:
    """Understand steps of preprocessing.

    Parameters
    ----------
    steps
        One after the other.
    axes
        Names of the spatial axes.
    channels
        Of the image.

    Raises
    ------
    UserError
        If a step cannot be done here.

    Examples
    --------
    >>> steps = [Step(id="scale_range", kwargs={"min_percentile": 1, "max_percentile": 99})]
    >>> found = read_steps(steps, ["y", "x"], 1)
    >>> found.normalisation.low, found.gain, found.shift
    (1.0, (0.25,), (0.5,))
    >>> again = steps_of(NormalisationSpec(method="percentile"), ["y", "x"])
    >>> read_steps([Step.model_validate(s) for s in again], ["y", "x"], 1).is_plain
    True
    """
    found = Preparation(NormalisationSpec(method="none"))
    for step in steps:
        try:
            found = _add(found, step, axes, channels)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            if isinstance(error, UserError):
                raise
            told, words = reprlib.repr(step.kwargs), str(error)[:200]
            raise UserError(f"the preprocessing '{step.id}' with {told} cannot be read ({words})") from error
    for numbers in (found.gain, found.shift):
        if len(numbers) not in (1, channels) or not all(math.isfinite(n) for n in numbers):
            raise UserError(
                f"the preprocessing has the numbers {reprlib.repr(numbers)}, which make no sense for {channels} "
                "channel(s)"
            )
    return found


def _add(found: Preparation, step: Step, axes: Sequence[str], channels: int) -> Preparation:
    kwargs = step.kwargs
    match step.id:
        case "ensure_dtype":
            return found
        case "scale_linear":
            return _linear(found, _numbers(kwargs.get("gain", 1.0)), _numbers(kwargs.get("offset", 0.0)))
        case "fixed_zero_mean_unit_variance":
            means, widths = _numbers(kwargs["mean"]), _numbers(kwargs["std"])
            gain = tuple(1 / w for w in widths)
            return _linear(found, gain, _each(lambda g, m: -m * g, gain, means))
        case "zero_mean_unit_variance" | "scale_range":
            _check_axes(step, axes, channels)
            if found.normalisation.method != "none" or min(found.gain) <= 0:
                raise UserError(f"the preprocessing '{step.id}' follows another, which is not known here")
            # what is linear and comes before has no effect
            if step.id == "zero_mean_unit_variance":
                return Preparation(NormalisationSpec())
            low, high = kwargs.get("min_percentile", 0.0), kwargs.get("max_percentile", 100.0)
            return Preparation(NormalisationSpec(method="percentile", low=low, high=high), (0.25,), (0.5,))
    raise UserError(f"the preprocessing '{step.id}' is not known here: the model cannot be imported")


def _linear(found: Preparation, gain: tuple[float, ...], offset: tuple[float, ...]) -> Preparation:
    new_gain = _each(lambda a, b: a * b, found.gain, gain)
    shifted = _each(lambda a, b: a * b, found.shift, gain)
    return replace(found, gain=new_gain, shift=_each(lambda a, b: a + b, shifted, offset))


def _each(make: Any, first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, ...]:
    """Combine numbers of channels; one number counts for all of them."""
    count = max(len(first), len(second))
    pairs = zip(first * (count // len(first)), second * (count // len(second)), strict=True)
    return tuple(make(a, b) for a, b in pairs)


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in value) if isinstance(value, list | tuple) else (float(value),)


def _check_axes(step: Step, axes: Sequence[str], channels: int) -> None:
    """Refuse statistics over all channels together, and over single lines."""
    told = step.kwargs.get("axes")
    together = {"channel", *axes} if told is None else set(told) - {"batch"}
    if not set(axes) <= together or (channels > 1 and "channel" in together):
        raise UserError(
            f"the preprocessing '{step.id}' goes along {', '.join(sorted(together))}; here every channel of an "
            "image is normalised by itself, as a whole: the model cannot be imported"
        )
