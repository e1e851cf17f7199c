"""Packages for tests: of ours, and such as strangers may make."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from napari_unet.jobs import Model
from napari_unet.learn.modelfile import Trained
from napari_unet.nets import build
from napari_unet.spec import (
    DEFAULT_CLASSES,
    ClassSpec,
    NetSpec,
    NormalisationSpec,
    TargetSpec,
    TrainingSpec,
    UNetSpec,
)


def model_of(net: NetSpec | None = None, method: Any = "meanstd") -> Model:
    """A model with random weights and BatchNorm statistics."""
    net = net or UNetSpec(base=4, depth=2, classes=3)
    torch.manual_seed(0)
    network = build(net).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    classes = (*DEFAULT_CLASSES, ClassSpec(name="vesicle"))[: net.classes]
    normalisation = NormalisationSpec(method=method)
    spec = TrainingSpec(net=net, target=TargetSpec(classes=classes), normalisation=normalisation)
    history = ({"step": 3, "held_out": 0.5},)
    images = [{"name": "a.tif", "path": "/home/me/secret/a.tif", "shape": [8, 8]}]
    return Model(Trained(spec, network, history, {"steps": 3, "images": images}))


def unpacked(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Description and other files of a package."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return yaml.safe_load(files.pop("bioimageio.yaml")), files


def packed(path: Path, told: Mapping[str, Any] | str, files: Mapping[str, bytes]) -> Path:
    """Write a package, without any check."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bioimageio.yaml", told if isinstance(told, str) else yaml.safe_dump(dict(told)))
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def changed(path: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> Path:
    """Change a package in place."""
    told, files = unpacked(path)
    change(told, files)
    return packed(path, told, files)
