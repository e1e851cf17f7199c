"""The state of a training as tensors and JSON facts, and going on from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from napari_unet.errors import UserError
from napari_unet.learn.loop import Loop, State
from napari_unet.learn.progress import Progress
from napari_unet.nets.finite import first_not_finite
from napari_unet.nets.freeze import is_frozen
from napari_unet.spec import TrainingSpec


def state_of(loop: Loop) -> tuple[State, dict[str, Any]]:
    """Everything needed to go on later: tensors and JSON facts."""
    tensors: State = {f"network.{k}": v for k, v in loop.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in loop.average.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in loop.best.items()}
    if loop.anchor is not None:
        tensors |= {f"anchor.{k}": v for k, v in loop.anchor.network.state_dict().items()}
    if loop.prior is not None:
        tensors["prior"] = loop.prior.seen
    for number, values in loop.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v for k, v in values.items()}
    tensors["noise"] = loop.sampler.noise.get_state()
    facts = {
        "progress": vars(loop.progress),
        "best_loss": None if math.isinf(loop.best_loss) else loop.best_loss,
        "best_step": loop.best_step,
        "best_shift": loop.best_shift,
        "exhausted": loop.exhausted,
        "history": loop.history,
        "since": loop.since,
        "rng": loop.sampler.rng.bit_generator.state,
        "spec": loop.spec.model_dump(mode="json"),
    }
    return tensors, facts


def restore(loop: Loop, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Go on from what `state_of` gave; another optimiser, or one of other parameters, begins anew.

    A training that has ended because it got no better goes on from its best weights.

    Raises
    ------
    UserError
        If the weights are not finite.
    """

    def part(prefix: str) -> State:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    if bad := first_not_finite(part("network.")) or first_not_finite(part("average.")):
        raise UserError(f"this training cannot go on: its weights '{bad}' are NaN or infinite; train anew")
    loop.network.load_state_dict(part("network."))
    loop.average.load_state_dict(part("average."))
    for name, module in loop.network.named_modules():
        if is_frozen(module):  # as the user knows it: the average would otherwise go on following
            module.load_state_dict(loop.average.get_submodule(name).state_dict())
    loop.best = part("best.")
    if loop.prior is not None and "prior" in tensors:
        loop.prior.seen = tensors["prior"]
    before, now = TrainingSpec.model_validate(facts["spec"]).train, loop.spec.train
    if (before.optimizer, before.freeze_encoder) == (now.optimizer, now.freeze_encoder):
        _restore_moments(loop, part("optimizer."))
    loop.progress = Progress(**facts["progress"])
    loop.progress.checks = int(loop.progress.part(loop.spec) * now.checks)  # the budget may be larger
    loop.best_loss = math.inf if facts["best_loss"] is None else facts["best_loss"]
    loop.best_step, loop.best_shift = facts.get("best_step", 0), facts.get("best_shift", [])
    loop.history = list(facts["history"])
    loop.since |= facts.get("since", {})
    loop.sampler.rng.bit_generator.state = facts["rng"]
    loop.sampler.noise.set_state(tensors["noise"])
    if facts.get("exhausted", False) and loop.best:
        loop.go_back()
    loop.keep()


def _restore_moments(loop: Loop, tensors: State) -> None:
    """Give the optimiser back what it knew of every parameter."""
    moments: dict[int, State] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        moments.setdefault(int(number), {})[name] = value
    groups = loop.optimizer.state_dict()["param_groups"]
    loop.optimizer.load_state_dict({"state": moments, "param_groups": groups})
