"""From what is chosen in the dock to a `BatchSpec`: what has no file of its own is copied first."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari.layers import Image as ImageLayer

from napari_unet.arrays.steps import Tell
from napari_unet.files import replacing
from napari_unet.plugin.batch.layers import INPUTS, copying, looking, name_of_copy
from napari_unet.spec import BatchSpec, batch_arguments


@dataclass(frozen=True)
class Prepared:
    """What a batch is given.

    Parameters
    ----------
    files
        Of the layers.
    model
        Which no training changes.
    """

    files: tuple[Path, ...]
    model: Path


def preparing(
    layers: Sequence[ImageLayer], model: Path, folder: Path, *, passing: bool
) -> Callable[[Tell], Prepared]:
    """Return what finds the file of each layer, in a thread; layers without one are saved.

    Parameters
    ----------
    layers
        What was chosen.
    model
        Its file.
    folder
        Of the results; copies go into it.
    passing
        A later training removes the model: it is copied.
    """
    works = [(str(layer.name), looking(layer), copying(layer)) for layer in layers]

    def work(tell: Tell) -> Prepared:
        files: list[Path] = []
        taken: list[str] = []
        for number, (name, look, copy) in enumerate(works):
            tell(number / len(works))
            path = look()
            if path is None:
                taken.append(name_of_copy(name, taken))
                path = folder / INPUTS / f"{taken[-1]}.ome.zarr"
                copy(path, lambda part, number=number: tell((number + part) / len(works)))  # type: ignore[misc]
            files.append(path)
        return Prepared(tuple(files), copy_model(model, folder) if passing else model)

    return work


def copy_model(path: Path, folder: Path) -> Path:
    """Copy a model into the folder of the results, named by its content: none takes the place of another."""
    content = path.read_bytes()
    target = folder / f"model-{hashlib.sha256(content).hexdigest()[:12]}.safetensors"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            temporary.write_bytes(content)
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
