"""What the channels of an imported network mean: classes, and how their probabilities are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError
from napari_unet.spec import ClassSpec, Role
from napari_unet.storage.bioimageio.description import Tensor

ROLES: tuple[tuple[Role, tuple[str, ...]], ...] = (
    ("background", ("background", "rest")),
    ("boundary", ("bound", "membrane", "border", "edge", "contour", "outline")),
    ("cell", ("cell", "nucle", "foreground", "interior", "inside", "probability", "mask", "mito")),
)
"""Words in names of classes that tell a role."""


@dataclass(frozen=True)
class Meaning:
    """How to read an output."""

    gives: Literal["logits", "probabilities"]
    exclusive: bool
    classes: tuple[ClassSpec, ...]

    def expected(self, output: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Make probabilities of the classes of an output of the package, after its postprocessing; (N, K, ...)."""
        known = np.clip(output.astype(np.float64), 1e-7, 1)
        if not self.exclusive:
            odds = np.clip(known, None, 1 - 1e-7)
            known = np.concatenate([odds, np.prod(1 - odds, axis=1, keepdims=True)], axis=1)
        parts: npt.NDArray[np.float64] = known / known.sum(axis=1, keepdims=True)
        return parts


def read_meaning(output: Tensor, example: npt.NDArray[Any]) -> Meaning:
    """Understand an output.

    Parameters
    ----------
    output
        As it is described.
    example
        The test output, (1, K, ...): what is not described is seen in it.

    Raises
    ------
    UserError
        If it holds no probabilities.
    """
    steps = [s.id for s in output.postprocessing if s.id != "ensure_dtype"]
    if steps not in ([], ["sigmoid"], ["softmax"]):
        raise UserError(f"the postprocessing {', '.join(steps)} is not known here: the model cannot be imported")
    low, high = float(example.min()), float(example.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise UserError(
            f"the model gives values from {low:.3g} to {high:.3g}, which are no probabilities: it cannot be "
            "imported"
        )
    one = bool(np.allclose(example.sum(axis=1), 1, atol=1e-3))
    exclusive = example.shape[1] > 1 and (steps == ["softmax"] or (steps != ["sigmoid"] and one))
    told = next((a.channel_names for a in output.axes if a.type == "channel"), ())
    if not told and example.shape[1] == 1:
        told = (output.id,)
    classes = name_classes(told, example.shape[1], exclusive=exclusive)
    return Meaning("logits" if steps else "probabilities", exclusive, classes)


def name_classes(told: Sequence[str], count: int, *, exclusive: bool) -> tuple[ClassSpec, ...]:
    """Name classes, and guess their roles from the names; one more where channels do not exclude one another.

    Examples
    --------
    >>> [(c.name, c.role) for c in name_classes(["foreground", "boundary"], 2, exclusive=False)]
    [('foreground', 'cell'), ('boundary', 'boundary'), ('background', 'background')]
    >>> [(c.name, c.role) for c in name_classes(["membrane"], 1, exclusive=False)]
    [('membrane', 'boundary'), ('cell', 'cell')]
    """
    distinct = len(told) == count == len(set(told))
    names = list(told) if distinct else [f"class {n + 1}" for n in range(count)]
    roles = [_role(name) for name in names]
    if not exclusive:
        rest: Role = "cell" if "boundary" in roles and "cell" not in roles else "background"
        if rest == "background" and "cell" not in roles:
            roles[0] = "cell"
        names.append(rest if rest not in names else "none of these")
        roles.append(rest)
    elif "cell" not in roles:
        free = [n for n, role in enumerate(roles) if role == "other"]
        roles[free[-1] if free else 0] = "cell"  # the background comes first by custom
    return tuple(ClassSpec(name=n, role=r) for n, r in zip(names, roles, strict=True))


def _role(name: str) -> Role:
    return next((role for role, words in ROLES if any(w in name.lower() for w in words)), "other")
