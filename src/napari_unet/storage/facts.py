"""What a model file says of itself, read without the weights (and without torch)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from napari_unet.errors import UserError

KEY = "napari_unet"
"""Of the description in the file's metadata."""


def read_facts(path: Path) -> dict[str, Any]:
    """Read the description of a model: "spec", "history", "info", "versions".

    Raises
    ------
    UserError
        If it is missing, or no model.
    """
    try:
        with safe_open(path, framework="np") as file:
            found = json.loads((file.metadata() or {})[KEY])
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{path} is missing, damaged, or no model file") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged: it does not describe a network")
    return found
