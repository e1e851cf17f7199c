"""A model as a package of BioImage.IO, which other programs can run without this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_unet.errors import UserError
from napari_unet.jobs.exchange.example import Example, make_example
from napari_unet.jobs.exchange.readme import readme_of
from napari_unet.jobs.inputs import Source, as_image
from napari_unet.jobs.model import Model
from napari_unet.learn.converting import OPSET, WithProbabilities, to_onnx, to_state_dict, to_torchscript
from napari_unet.learn.modelfile import fingerprint, versions
from napari_unet.nets.source import CALLABLE, source_of
from napari_unet.storage.bioimageio.card import Card
from napari_unet.storage.bioimageio.cover import cover_of
from napari_unet.storage.bioimageio.describing import (
    describe_input,
    describe_model,
    describe_output,
    to_npy,
    write_package,
)
from napari_unet.storage.bioimageio.processing import steps_of

FORMATS = ("onnx", "torchscript")
"""Formats of weights that a package has on request, beside the state dict."""
STATE, CODE = "weights.pt", "architecture.py"
ONNX, SCRIPT = "weights.onnx", "weights_torchscript.pt"
COVER = "cover.png"
TESTS = ("test_input.npy", "test_output.npy")
PATHS = ("path", "paths")
"""Keys of what is known of a training that tell where files lie: nobody else's business."""


def export_model(
    model: Model,
    path: str | Path,
    *,
    weights: Sequence[str] = (),
    card: Card | None = None,
    image: Source | None = None,
    axes: str | None = None,
) -> None:
    """Write a model as a package of BioImage.IO.

    Parameters
    ----------
    model
        Any but an imported one.
    path
        Ends in ``.zip``; an older file stays intact if this fails.
    weights
        Further formats: of `FORMATS`.
    card
        What people are told of the model.
    image, axes
        From whose middle the test input is cut; a sample of the package if None.

    Raises
    ------
    UserError
        If the model or a format cannot be exported, the image does not fit, or the file cannot be written.
    """
    path = Path(path)
    _check(model, path, weights)
    made = make_example(model, None if image is None else as_image(image, axes))
    spec, card = model.spec, card or Card()
    names = [a.name for a in made.lengths]
    classes = [c.name for c in model.classes]
    tensors = (
        describe_input(made.lengths, spec.net.in_channels, steps_of(spec.normalisation, names), TESTS[0]),
        describe_output(made.lengths, classes, TESTS[1]),
    )
    entries, files = _weights(model, made, weights)
    pictures = {COVER: _cover(made), TESTS[0]: to_npy(made.image), TESTS[1]: to_npy(made.output)}
    readme = {"README.md": readme_of(model, card, made, entries).encode()}
    described = describe_model(card, tensors, entries, _own(model), COVER)
    write_package(path, described, {**readme, **pictures, **files})


def _check(model: Model, path: Path, weights: Sequence[str]) -> None:
    for name in weights:
        if name not in FORMATS:
            raise UserError(f"there are no weights '{name}'; there are: {', '.join(FORMATS)}")
    if path.suffix.lower() != ".zip":
        raise UserError(f"a package of BioImage.IO ends in .zip, got '{path.name}'")
    if not model.spec.net.trainable:
        raise UserError("this model was imported from a package: give that one away, not a copy of a copy")


def _weights(model: Model, made: Example, wanted: Sequence[str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Give the entries of all formats, and their files."""
    net, network = model.spec.net, model.trained.network
    version = torch.__version__.partition("+")[0]
    code = source_of(net.kind, versions()["napari-unet-live"])
    fields = {"net": {**net.model_dump(mode="json"), "outputs": net.outputs}}
    architecture = {"source": CODE, "callable": CALLABLE, "kwargs": fields}
    state = {"source": STATE, "pytorch_version": version, "architecture": architecture}
    entries: dict[str, Any] = {"pytorch_state_dict": state}
    files = {STATE: to_state_dict(network), CODE: code.encode()}
    whole, seen = WithProbabilities(network, net).eval(), torch.from_numpy(made.seen)
    parent = {"parent": "pytorch_state_dict"}
    if "onnx" in wanted:
        files[ONNX] = to_onnx(whole, seen, [a.name for a in made.lengths])
        entries["onnx"] = {"source": ONNX, "opset_version": OPSET, **parent}
    if "torchscript" in wanted:
        files[SCRIPT] = to_torchscript(whole, seen)
        entries["torchscript"] = {"source": SCRIPT, "pytorch_version": version, **parent}
    return entries, files


def _own(model: Model) -> dict[str, Any]:
    """Give what makes the same model again here, without the paths of this machine."""
    spec = model.spec.model_copy(update={"train": model.spec.train.model_copy(update={"encoder_file": None})})
    return {
        "spec": spec.model_dump(mode="json"),
        "history": [dict(h) for h in model.trained.history],
        "info": _without_paths(model.trained.info),
        "versions": versions(),
        "weights_sha256": fingerprint(model.trained.network.state_dict()),
    }


def _without_paths(part: Any) -> Any:
    """Leave out where files lie, at any depth."""
    if isinstance(part, Mapping):
        return {k: _without_paths(v) for k, v in part.items() if k not in PATHS}
    return [_without_paths(p) for p in part] if isinstance(part, list | tuple) else part


def _cover(made: Example) -> bytes:
    """Draw the middle slice of the example, without the rim that valid networks have no output for."""
    grey: npt.NDArray[Any] = made.image[0, 0]
    likeliest = made.output[0].argmax(axis=0)
    cut = tuple(slice(a.margin, n - a.margin) for a, n in zip(made.lengths, grey.shape, strict=True))
    grey = grey[cut]
    if grey.ndim == 3:
        grey, likeliest = grey[len(grey) // 2], likeliest[len(likeliest) // 2]
    return cover_of(grey, likeliest.astype(np.uint8))
