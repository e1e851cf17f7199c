"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from napari_unet.errors import UserError
from napari_unet.spec import ClassSpec, Device, Mirrors, Precision, Role

Axes = Annotated[
    str | None,
    typer.Option(help="What each axis of the images is, such as ZYX or CZYX (T, C, Z, Y, X, S); else guessed."),
]
DeviceOption = Annotated[Device, typer.Option(help="Where to compute; auto takes a GPU if there is one.")]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        help="full (float32); half: about twice as fast where the device has it; auto: half on a GPU only."
    ),
]
MirrorsOption = Annotated[
    Literal["1", "2", "4"],
    typer.Option(
        help="Average over the image turned by half (2) and mirrored (4) as well (test-time augmentation): better "
        "where the model is in doubt, but 2 or 4 times slower."
    ),
]
MIRRORS: dict[str, Mirrors] = {"1": 1, "2": 2, "4": 4}
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores by default.")]

RANGES = "0:5 (5 is left out), 3, or -5: (the last five)."
"""How a part of an image is told."""

ROLES: tuple[Role, ...] = ("cell", "boundary", "background", "other")


def parse_classes(text: str | None) -> tuple[ClassSpec, ...]:
    """Read the names of classes, each with its role after ``=`` if its name is not one.

    Examples
    --------
    >>> [(c.name, c.role) for c in parse_classes("neurite=cell, boundary, glia")]
    [('neurite', 'cell'), ('boundary', 'boundary'), ('glia', 'other')]
    """
    found = []
    for part in (text or "").split(","):
        name, _, told = (p.strip() for p in part.partition("="))
        if not name and text:
            raise UserError(f"--classes '{text}' holds an empty name; write cell,boundary,background")
        if told and told not in ROLES:
            raise UserError(f"--classes: the role of '{name}' is '{told}'; it must be one of {', '.join(ROLES)}")
        role: Role = next((r for r in ROLES if r == (told or name.lower())), "other")
        if name:
            found.append(ClassSpec(name=name, role=role))
    return tuple(found)


def parse_lengths(text: str | None, option: str) -> tuple[int, ...] | None:
    """Read lengths such as ``192`` or ``24,80,80``.

    Examples
    --------
    >>> parse_lengths("24,80,80", "--patch")
    (24, 80, 80)
    """
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    if not all(p.strip().isdigit() and int(p) > 0 for p in parts):
        raise UserError(f"{option} '{text}' must be whole numbers above 0, such as 192 or 24,80,80")
    return tuple(int(p) for p in parts)


@contextmanager
def by_options() -> Iterator[None]:
    """Let mistakes that are made in this block name options."""
    try:
        yield
    except UserError as error:
        raise UserError(with_options(str(error))) from error


_PARTS = r"\b(?:train|net|target|normalisation)\.(\w+)(?=:)"
_QUOTED = r"'(encoder_weights|encoder_file|freeze_encoder|dense|background_value|unpainted)'"
_RENAMED = {"learning_rate": "lr", "method": "normalisation"}


def with_options(text: str) -> str:
    """Say of a mistake which option it is about, and not which field of a spec.

    Examples
    --------
    >>> with_options("train.learning_rate: Input should be greater than 0 (got -1)")
    '--lr: Input should be greater than 0 (got -1)'
    >>> with_options("'freeze_encoder' belongs to vgg16-unet, not to 'unet'")
    "--freeze-encoder belongs to vgg16-unet, not to 'unet'"
    >>> with_options("the recipe a.json is not valid: train.steps: Input should be greater than 0 (got 0)")
    'the recipe a.json is not valid: train.steps: Input should be greater than 0 (got 0)'
    """
    if text.startswith("the recipe "):  # whose file has fields
        return text

    def option(found: re.Match[str]) -> str:
        return "--" + _RENAMED.get(found[1], found[1]).replace("_", "-")

    return re.sub(_QUOTED, option, re.sub(_PARTS, option, text))
