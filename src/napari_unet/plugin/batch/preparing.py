"""From what is chosen in the dock to a `BatchSpec`: what has no file of its own is copied first."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari.layers import Image as ImageLayer

from napari_unet.arrays.steps import Tell
from napari_unet.files import replacing
from napari_unet.plugin.batch.layers import INPUTS, copying, file_of_layer, name_of_copy
from napari_unet.spec import BatchSpec, batch_arguments

MODEL = "model.safetensors"
"""Name of the copy of a model that nobody has saved."""


@dataclass(frozen=True)
class Copy:
    """A layer to be written into a file."""

    layer: ImageLayer
    path: Path


def find_files(layers: Sequence[ImageLayer], folder: Path) -> tuple[list[Path], list[Copy]]:
    """Tell which file holds each layer, and which layers have to be copied for that.

    Parameters
    ----------
    layers
        What was chosen.
    folder
        Of the results; copies go into a folder in it.
    """
    files: list[Path] = []
    copies: list[Copy] = []
    for layer in layers:
        path = file_of_layer(layer)
        if path is None:
            name = name_of_copy(str(layer.name), [copy.path.name.removesuffix(".ome.zarr") for copy in copies])
            path = folder / INPUTS / f"{name}.ome.zarr"
            copies.append(Copy(layer, path))
        files.append(path)
    return files, copies


def copying_all(copies: Sequence[Copy]) -> Callable[[Tell], None]:
    """Return what writes the copies, in a thread."""
    works = [copying(copy.layer, copy.path) for copy in copies]

    def work(tell: Tell) -> None:
        for number, one in enumerate(works):
            one(lambda part, number=number: tell((number + part) / len(works)))  # type: ignore[misc]

    return work


def copy_model(path: Path, folder: Path) -> Path:
    """Copy a model that a later training may replace into the folder of the results."""
    target = folder / MODEL
    if not target.exists() or target.read_bytes() != path.read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            shutil.copyfile(path, temporary)
    return target


def command_line(spec: BatchSpec) -> str:
    """Write the command that does the same.

    Examples
    --------
    >>> spec = BatchSpec(model="m.safetensors", inputs=("day 1",), folder="out")
    >>> command_line(spec) if sys.platform != "win32" else ""
    "napari-unet batch m.safetensors 'day 1' -o out"
    """
    words = ["napari-unet", *batch_arguments(spec)]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
