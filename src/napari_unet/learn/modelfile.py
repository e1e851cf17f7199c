"""The model file: safetensors with everything that rebuilds the network in its metadata.

No pickle anywhere: tensors are plain bytes, the rest is JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_unet.errors import UserError
from napari_unet.files import replacing
from napari_unet.nets import build
from napari_unet.nets.finite import first_not_finite
from napari_unet.spec import ClassSpec, TrainingSpec

FORMAT = 1
"""Version of the layout; a reader refuses files with a higher one."""
KEY = "napari_unet"


@dataclass(frozen=True)
class Trained:
    """A trained network with what it needs to be used: the spec it was built from and its history."""

    spec: TrainingSpec
    network: nn.Module
    history: tuple[Mapping[str, Any], ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[ClassSpec, ...]:
        """The classes, in the order of the network's outputs."""
        return self.spec.target.classes


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes, types and bytes of tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 over the description, but for its own."""
    others = {k: v for k, v in facts.items() if k != "sha256_facts"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of the software that makes a model."""
    found = {}
    for name in ("napari-unet-live", "torch", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was never installed
            found[name] = "unknown"
    return found


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON facts, with a fingerprint, whole or not at all."""
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    header = {**facts, "format": FORMAT, "sha256": fingerprint(plain)}
    header["sha256_facts"] = _digest(header)
    try:
        with replacing(path) as temporary:
            save_file(plain, temporary, metadata={KEY: json.dumps(header)})
    except (OSError, SafetensorError) as error:
        raise UserError(f"could not write {path}: {error}; what was there before is untouched") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises
    ------
    UserError
        If the file is missing, truncated, damaged (its fingerprint differs), of a newer format, or not ours.
    """
    if not path.is_file():
        raise UserError(f"there is no model file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        if path.suffix != ".safetensors":
            ours = "those that 'napari-unet train' writes end in .safetensors"
            raise UserError(f"{path} is no model file: {ours}") from error
        raise UserError(f"{path} is damaged or no model file ({error}); use an older copy") from error
    if header is None:
        raise UserError(f"{path} was not written by napari-unet: it lacks the description of its network")
    try:
        facts = json.loads(header)
        newer = facts["format"] > FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged: its description cannot be read; use an older copy") from error
    if newer:
        made_by = facts.get("versions", {}).get("napari-unet-live", "a newer version")
        raise UserError(
            f"{path} was written by napari-unet-live {made_by} in format {facts['format']}; "
            f"this version {versions()['napari-unet-live']} reads up to format {FORMAT}: please update"
        )
    if fingerprint(tensors) != facts.get("sha256") or _digest(facts) != facts.get("sha256_facts"):
        raise UserError(f"{path} is damaged: its SHA-256 does not match; use an older copy")
    return tensors, facts


def save(trained: Trained, path: Path) -> None:
    """Save a model; an older file of that name stays intact if this fails."""
    facts = {
        "spec": trained.spec.model_dump(mode="json"),
        "history": list(trained.history),
        "info": dict(trained.info),
        "versions": versions(),
    }
    write_tensors(path, trained.network.state_dict(), facts)


def load(path: Path) -> Trained:
    """Load a model and rebuild its network, in evaluation mode on the CPU.

    Raises
    ------
    UserError
        As in `read_tensors`, and if a weight is NaN or infinite.
    """
    tensors, facts = read_tensors(path)
    try:
        spec = TrainingSpec.model_validate(facts["spec"])
    except (ValidationError, KeyError) as error:
        raise UserError(f"{path} describes a network that this version does not know: {error}") from error
    with torch.device("meta"):  # no memory yet: a wrong description may claim any size
        network = build(spec.net)
    expected = {name: t.shape for name, t in network.state_dict().items()}
    if expected != {name: t.shape for name, t in tensors.items()}:
        raise UserError(f"{path} is damaged: its weights do not fit the network that it describes")
    if bad := first_not_finite(tensors):
        raise UserError(
            f"{path} predicts nothing: its weights '{bad}' are NaN or infinite; "
            "train anew with a lower learning rate"
        )
    network.load_state_dict(tensors, assign=True)
    return Trained(spec, network.eval(), tuple(facts["history"]), facts["info"])
