"""Classes, and how painted labels become a target for every pixel."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from napari_unet.spec.base import Spec

Role = Literal["cell", "boundary", "background", "other"]
Style = Literal["classes", "cells"]


class ClassSpec(Spec):
    """A class that the network tells apart. Class ``i`` of a model is label value ``i + 1``."""

    name: str
    role: Role = "other"


CELL = ClassSpec(name="cell", role="cell")
BOUNDARY = ClassSpec(name="boundary", role="boundary")
BACKGROUND = ClassSpec(name="background", role="background")
DEFAULT_CLASSES = (CELL, BOUNDARY, BACKGROUND)


class TargetSpec(Spec):
    """How painted labels become a target for every pixel."""

    style: Style = "classes"
    """``classes``: a value is a class. ``cells``: a value is one cell, painted whole. 0 is not annotated."""
    classes: tuple[ClassSpec, ...] = ()
    """Empty: derived from the labels (cell, boundary and, where it is annotated, background)."""
    dense: bool = False
    """Style ``cells``: whatever is not painted is background."""
    unpainted: Literal["auto", "background", "boundary"] = "auto"
    """Dense labels: what is not painted. ``auto``: the background, or the boundary if it is thin everywhere."""
    background_value: int | None = Field(default=None, ge=1)
    """Style ``cells``: the label value that means background strokes."""
    rim: int = Field(default=1, ge=1, le=10)
    """Style ``cells``: pixels of a cell that count as its boundary, from its rim inwards."""
    weight_map: bool = False
    """Weight the loss by the border map of the 2015 paper (equation 2)."""
    border_weight: float = Field(default=10.0, ge=0)
    """The paper's w0."""
    border_sigma: float = Field(default=5.0, gt=0)
    """The paper's sigma, in pixels."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.style == "classes" and (self.dense or self.background_value is not None):
            raise ValueError("'dense' and 'background_value' belong to the annotation style 'cells'")
        if self.unpainted != "auto" and not self.dense:
            raise ValueError("'unpainted' belongs to dense labels: say 'dense' as well")
        names = [c.name for c in self.classes]
        if len(set(names)) != len(names):
            raise ValueError(f"class names must differ, got {names}")
        return self
