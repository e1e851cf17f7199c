"""A package of BioImage.IO, format 0.5, made of a model's parts."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.storage.bioimageio.card import Card
from napari_unet.storage.bioimageio.processing import FLOAT

FORMAT = "0.5.4"
INPUT, OUTPUT = "image", "probabilities"
PAPER = {
    "text": "Ronneberger, O., Fischer, P., Brox, T. (2015): U-Net: Convolutional Networks for Biomedical Image "
    "Segmentation. MICCAI 2015, LNCS 9351, 234-241.",
    "doi": "10.1007/978-3-319-24574-4_28",
}


@dataclass(frozen=True)
class Length:
    """What an axis of the input may be long, and what becomes of it."""

    name: str
    least: int
    step: int
    margin: int
    """Pixels per side by which the output is shorter."""
    halo: int
    """Pixels per side of the output that are wrong where the input is cut out of a larger image."""


def describe_input(
    lengths: Sequence[Length], channels: int, steps: Sequence[Mapping[str, Any]], test: str
) -> dict[str, Any]:
    """Describe the input."""
    axes = [
        {"type": "batch"},
        {"type": "channel", "channel_names": [f"channel{n}" for n in range(channels)]},
        *({"type": "space", "id": a.name, "size": {"min": a.least, "step": a.step}} for a in lengths),
    ]
    return {
        "id": INPUT,
        "description": "grey values as they were measured",
        "axes": axes,
        "test_tensor": {"source": test},
        "data": {"type": "float32"},
        "preprocessing": [*steps, *([FLOAT] if len(steps) > 1 else [])],
    }


def describe_output(lengths: Sequence[Length], classes: Sequence[str], test: str) -> dict[str, Any]:
    """Describe the output."""
    axes: list[dict[str, Any]] = [{"type": "batch"}, {"type": "channel", "channel_names": [*classes]}]
    for a in lengths:
        size = {"tensor_id": INPUT, "axis_id": a.name, "offset": -2 * a.margin}
        halo = {"halo": a.halo} if a.halo else {}
        axes.append({"type": "space", "id": a.name, "size": size, **halo})
    return {
        "id": OUTPUT,
        "description": "probabilities of the classes, which sum to 1",
        "axes": axes,
        "test_tensor": {"source": test},
        "data": {"type": "float32", "range": [0.0, 1.0]},
    }


def describe_model(
    card: Card,
    tensors: tuple[Mapping[str, Any], Mapping[str, Any]],
    weights: Mapping[str, Any],
    own: Mapping[str, Any],
    cover: str,
) -> dict[str, Any]:
    """Put a description together.

    Parameters
    ----------
    card
        What people are told.
    tensors
        From `describe_input` and `describe_output`.
    weights
        Entries by format.
    own
        What this package needs to make the same model again.
    cover
        Name of the picture.
    """
    return {
        "format_version": FORMAT,
        "type": "model",
        "name": card.name,
        "description": card.description,
        "authors": [{"name": a} for a in card.authors],
        "cite": [PAPER],
        **({"license": card.licence} if card.licence else {}),
        "tags": ["unet", "napari", "segmentation", "pytorch"],
        "documentation": "README.md",
        "covers": [cover],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [dict(tensors[0])],
        "outputs": [dict(tensors[1])],
        "weights": dict(weights),
        "config": {"napari_unet": dict(own)},
    }


def to_npy(array: npt.NDArray[Any]) -> bytes:
    """Write an array as a numpy file."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def write_package(path: Path, description: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a package, whole or not at all; SHA-256 are added wherever a ``source`` is named.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    text = yaml.safe_dump(_with_hashes(description, hashes), sort_keys=False, allow_unicode=True, width=110)
    try:
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bioimageio.yaml", text)
            for name, content in files.items():
                archive.writestr(name, content)
    except OSError as error:
        raise UserError(f"could not write {path}: {error}; what was there before is untouched") from error


def _with_hashes(part: Any, hashes: Mapping[str, str]) -> Any:
    """Say the SHA-256 of every file that is named."""
    if isinstance(part, Mapping):
        made = {k: _with_hashes(v, hashes) for k, v in part.items()}
        source = made.get("source")
        return {**made, "sha256": hashes[source]} if isinstance(source, str) and source in hashes else made
    return [_with_hashes(p, hashes) for p in part] if isinstance(part, list | tuple) else part
