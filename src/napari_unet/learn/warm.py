"""Load beforehand what PyTorch loads with the first step of an optimiser: its compiler, seconds of imports."""

from __future__ import annotations

import torch


def warm_up() -> None:
    """Make a step that changes nothing, so that the first training need not wait for the imports."""
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)
    torch.optim.SGD([weight], lr=0.0).step()
