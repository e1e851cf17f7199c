"""A package of BioImage.IO as a model of ours: one of our networks where it is one, else an ONNX graph."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError
from torch import Tensor

from napari_unet.arrays.tiles import round_up
from napari_unet.errors import UserError, one_line
from napari_unet.jobs.exchange.meaning import Meaning, read_meaning
from napari_unet.jobs.exchange.package import Package, open_package
from napari_unet.jobs.exchange.tensors import read_tensors
from napari_unet.jobs.model import Model
from napari_unet.learn.foreign import build_trusted, convert_trusted
from napari_unet.learn.graphs import find_steps, loosened, measure_halo
from napari_unet.learn.layouts import Layout, find_layout, fitted, renamed
from napari_unet.learn.modelfile import Trained, fingerprint
from napari_unet.nets.head import probabilities
from napari_unet.nets.onnx_graph import OnnxGraph
from napari_unet.spec import NetSpec, OnnxSpec, TargetSpec, TrainingSpec
from napari_unet.storage.bioimageio.consent import code_of
from napari_unet.storage.bioimageio.description import Size

TOLERANCE = 1e-3
"""Largest deviation of a probability from the test output of the package."""


def import_package(path: str | Path, trust: Collection[str] = ()) -> Model:
    """Read a package of BioImage.IO.

    Parameters
    ----------
    path
        The zip file, or the description (``.yaml``) in a folder.
    trust
        SHA-256 of code that may run if there is no other way.

    Returns
    -------
    Model
        It has given the package's test output for its test input.

    Raises
    ------
    UserError
        If it cannot be read, may do harm, holds code that is not trusted, or does not give its own test output.
    """
    package = open_package(Path(path))
    told = package.told
    if (own := _own(package)) is not None:
        return own
    meaning = read_meaning(told.outputs[0], package.output)
    known = _known(package, meaning)
    if known is not None:
        return known
    if told.weights.onnx is not None and package.has_graph:
        return _of_graph(package, meaning, package.read(told.weights.onnx), "its ONNX weights")
    return _of_graph(package, meaning, _converted(package, trust), "its code, converted to ONNX")


def _own(package: Package) -> Model | None:
    """Make the same model again that was exported from here; None if it is another's."""
    own, state = package.told.config.get("napari_unet"), package.told.weights.pytorch_state_dict
    if not isinstance(own, dict) or state is None or not state.is_here:
        return None
    try:
        spec = TrainingSpec.model_validate(own["spec"])
        history, info = tuple(own.get("history", ())), dict(own.get("info", {}))
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        words = one_line(error) if isinstance(error, ValidationError) else repr(error)
        raise UserError(
            f"{package.files.path} describes a network that this version does not know: {words}"
        ) from error
    tensors = read_tensors(package.read(state), state.source)
    network = fitted(spec.net, tensors, state.source)
    if own.get("weights_sha256") not in (None, fingerprint(network.state_dict())):
        raise UserError(f"'{state.source}' in {package.files.path} is not the file that was exported")
    model = Model(Trained(spec, network, history, info))
    return _checked(model, package, package.output)


def _known(package: Package, meaning: Meaning) -> Model | None:
    """Read weights whose names tell that they are of one of our networks; None if they are of another."""
    state = package.told.weights.pytorch_state_dict
    if state is None or not state.is_here or not package.preparation.is_plain:
        return None
    tensors = read_tensors(package.read(state), state.source)
    layout = find_layout(tensors)
    if layout is None:
        return None
    try:
        return _by_layout(package, meaning, layout, tensors)
    except UserError:
        if package.has_graph or code_of(package.told, package.files) is not None:
            return None  # the names are alike, the network is another: it may still run
        raise


def _by_layout(package: Package, meaning: Meaning, layout: Layout, tensors: Mapping[str, Tensor]) -> Model:
    """Build the network that the names of weights tell."""
    net = layout.net(tensors)
    if net.classes != len(meaning.classes):
        raise UserError(
            f"{package.files.path} tells {net.classes} classes apart, and names {len(meaning.classes)}"
        )
    network = fitted(net, renamed(tensors, layout.ours), f"the state dict of {package.files.path}")
    trained = Trained(_spec(net, meaning, package), network)
    model = _named(trained, package, f"its weights, by the layout {layout.name}")
    return _checked(model, package, meaning.expected(package.output))


def _of_graph(package: Package, meaning: Meaning, graph: bytes, how: str) -> Model:
    """Wrap an ONNX graph."""
    loose = loosened(graph, package.ndim)
    source, target = package.told.inputs[0], package.told.outputs[0]
    told = [a.size.step or None if isinstance(a.size, Size) else None for a in source.axes[2:]]
    steps = find_steps(loose, package.prepared(), told)
    measured = measure_halo(loose, package.prepared(), steps)
    halo = [max(a.halo, n) for a, n in zip(target.axes[2:], measured or [0] * len(steps), strict=True)]
    net = OnnxSpec(
        ndim=2 if package.ndim == 2 else 3,
        in_channels=package.image.shape[1],
        classes=len(meaning.classes),
        bytes=len(loose),
        stride=steps,
        halo=tuple(round_up(n, step) for n, step in zip(halo, steps, strict=True)),
        halo_is_enough=measured is not None,
        gives=meaning.gives,
        exclusive=meaning.exclusive,
        gain=package.preparation.gain,
        shift=package.preparation.shift,
    )
    network = OnnxGraph(net)
    network.load_state_dict({"graph": torch.frombuffer(bytearray(loose), dtype=torch.uint8)})
    model = _named(Trained(_spec(net, meaning, package), network.eval()), package, how)
    return _checked(model, package, meaning.expected(package.output))


def _converted(package: Package, trust: Collection[str]) -> bytes:
    """Run the code of the package, if it is trusted, and write its network as ONNX: no code is kept."""
    code, state = code_of(package.told, package.files), package.told.weights.pytorch_state_dict
    if code is None or state is None:
        there = ", ".join(package.told.weights.formats) or "nothing that is known here"
        raise UserError(
            f"{package.files.path} cannot be imported: it holds {there}; needed are ONNX weights, or a state "
            "dict with the source of its network. TorchScript is code that nobody can read, and is not run"
        )
    if code.sha256 not in {t.lower() for t in trust}:
        raise UserError(code.question)
    tensors = read_tensors(package.read(state), state.source)
    network = build_trusted(code.source, trust, code.callable, code.kwargs, tensors)
    return convert_trusted(network, torch.from_numpy(package.prepared()), package.told.inputs[0].order[2:])


def _spec(net: NetSpec, meaning: Meaning, package: Package) -> TrainingSpec:
    target = TargetSpec(classes=meaning.classes)
    return TrainingSpec(net=net, target=target, normalisation=package.preparation.normalisation)


def _named(trained: Trained, package: Package, how: str) -> Model:
    """Note in a model where it comes from."""
    digest = hashlib.sha256(package.files.read(package.files.description)).hexdigest()
    source = {
        "package": package.told.name,
        "licence": package.told.license,
        "description_sha256": digest,
        "made_of": how,
    }
    return Model(replace(trained, info={"steps": 0, "imported": source}))


def _checked(model: Model, package: Package, wanted: npt.NDArray[Any]) -> Model:
    """Raise `UserError` unless a model gives the test output of its package for the test input."""
    with torch.inference_mode():
        found: Tensor = probabilities(
            model.trained.network(torch.from_numpy(package.normalised())), model.spec.net
        )
    if found.shape != wanted.shape:
        raise UserError(f"{package.files.path} gives {tuple(found.shape)} for its test input, not {wanted.shape}")
    deviation = float(np.abs(found.numpy() - wanted).max())
    if not deviation <= TOLERANCE:
        raise UserError(
            f"{package.files.path} does not give its own test output here: its probabilities deviate by "
            f"{deviation:.3g}"
        )
    return model
