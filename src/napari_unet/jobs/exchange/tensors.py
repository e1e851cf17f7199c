"""Weights out of a file that strangers made."""

from __future__ import annotations

import io
import zipfile

from torch import Tensor

from napari_unet.learn.converting import from_state_dict
from napari_unet.storage.bioimageio.archive import checked_members

MOST_TENSORS = 100_000
"""Each is a file of its own."""


def read_tensors(content: bytes, name: str) -> dict[str, Tensor]:
    """Read a state dict; what `torch.save` wrote is a zip file, and is looked at as any other of strangers.

    Raises
    ------
    UserError
        If it is a trap, or holds anything but a dictionary of tensors.
    """
    if content.startswith(b"PK") or zipfile.is_zipfile(io.BytesIO(content)):
        checked_members(io.BytesIO(content), name, MOST_TENSORS)
    return from_state_dict(content, name)
