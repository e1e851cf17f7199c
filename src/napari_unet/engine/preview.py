"""Probabilities that fit a byte."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def to_uint8(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Scale 0 to 1 onto 0 to 255.

    Examples
    --------
    >>> to_uint8(np.array([0.0, 0.5, 1.0], np.float32)).tolist()
    [0, 128, 255]
    """
    return np.rint(np.clip(probabilities, 0, 1) * 255).astype(np.uint8)
