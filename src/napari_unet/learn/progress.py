"""How far a training is, and the learning rate that goes with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_unet.spec import TrainingSpec


@dataclass
class Progress:
    """How far a training is; survives a restart."""

    step: int = 0
    seconds: float = 0.0
    checks: int = 0
    checked: int = 0
    """The step of the last check."""

    def part(self, spec: TrainingSpec) -> float:
        """Part of the budget that is used up, 0 to 1."""
        if spec.train.steps is not None:
            return min(1.0, self.step / spec.train.steps)
        return min(1.0, self.seconds / (spec.train.seconds or 60.0))


def learning_rate(part: float, spec: TrainingSpec) -> float:
    """Rise linearly during the warm-up, then fall as a cosine to a hundredth at the end, or stay."""
    warmup, highest = spec.train.warmup, spec.train.learning_rate
    if part < warmup:
        return highest * max(0.05, part / warmup)
    if spec.train.schedule == "constant":
        return highest
    fall = (part - warmup) / (1 - warmup)
    return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, fall))) / 2)
