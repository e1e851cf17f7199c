"""Weights that are numbers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name the first tensor that holds NaN or infinity; None if all are finite.

    Examples
    --------
    >>> import torch
    >>> first_not_finite({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])})
    'b'
    """
    return next((name for name, t in tensors.items() if not bool(t.isfinite().all())), None)
