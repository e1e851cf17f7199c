"""Weights of others, a plain state dict of the same layers under other names, as a model of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from napari_unet.errors import UserError, one_line
from napari_unet.jobs.exchange.tensors import read_tensors
from napari_unet.jobs.model import Model
from napari_unet.learn.layouts import LAYOUTS, Layout, fitted, renamed
from napari_unet.learn.modelfile import Trained
from napari_unet.nets import geometry_of
from napari_unet.spec import ClassSpec, NetSpec, NormalisationSpec, TargetSpec, TrainingSpec
from napari_unet.spec.base import Spec

LOOKED_AT = 16
"""Length of the output on which a divisor is tried, pixels."""
SAME = 1e-4
"""Of what rounding may change, relative to the largest output."""


class LayoutFile(Spec):
    """A layout of the user's own, as JSON."""

    net: NetSpec
    """The network of ours."""
    names: dict[str, str]
    """Theirs to ours, for every weight."""


def import_weights(
    path: str | Path,
    layout: str,
    *,
    classes: Sequence[ClassSpec] = (),
    normalisation: Literal["percentile", "meanstd", "none"] = "none",
    divisor: float = 1.0,
) -> Model:
    """Read weights that another program saved.

    Parameters
    ----------
    path
        What ``torch.save(network.state_dict(), path)`` wrote; nothing else is read from it.
    layout
        Name of a layout (of `LAYOUTS`), or a JSON file, see `LayoutFile`.
    classes
        What the outputs mean, in their order; of one output, what it is and what it is not. Guessed if empty.
    normalisation
        What the other program did with grey values.
    divisor
        Afterwards it divided them by this, such as 255.

    Raises
    ------
    UserError
        If the file holds anything but weights, they do not fit, or there is no such layout.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    tensors = read_tensors(content, str(path))
    if layout in LAYOUTS:
        known = LAYOUTS[layout]
        _check(known, set(tensors), path)
        net, named = known.net(tensors), renamed(tensors, known.ours)
    else:
        own = _read_layout(layout)
        net, named = own.net, renamed(tensors, lambda name: own.names.get(name, name))
    network = fitted(net, named, str(path))
    _divide(network, net, divisor)
    target = TargetSpec(classes=tuple(classes) or _guess(net.classes))
    if len(target.classes) != net.classes:
        raise UserError(f"{path} tells {net.classes} classes apart, {len(target.classes)} are named")
    spec = TrainingSpec(net=net, target=target, normalisation=NormalisationSpec(method=normalisation))
    source = {"file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "layout": Path(layout).name}
    return Model(Trained(spec, network, info={"steps": 0, "imported": source}))


def _check(layout: Layout, names: set[str], path: Path) -> None:
    if not layout.is_it(dict.fromkeys(names)):  # type: ignore[arg-type]
        raise UserError(
            f"{path} is not of the layout '{layout.name}' ({layout.where}): its weights are "
            f"{', '.join(sorted(names)[:3])} and so on; a JSON file can tell which layer is which, see the guide "
            "'Exchange models'"
        )


def _read_layout(name: str) -> LayoutFile:
    if not name.endswith(".json"):
        raise UserError(f"there is no layout '{name}'; there are: {', '.join(LAYOUTS)}, or give a .json file")
    try:
        return LayoutFile.model_validate(json.loads(Path(name).read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"cannot read the layout {name}: {error.strerror}") from error
    except ValidationError as error:
        raise UserError(f"the layout {name} is not valid: {one_line(error)}") from error
    except ValueError as error:
        raise UserError(f"the layout {name} is no JSON: {error}") from error


def _divide(network: nn.Module, net: NetSpec, divisor: float) -> None:
    """Let the first convolution see grey values divided by a number; it pads with zeros, so this is exact.

    Unless something comes before it, or goes around it: what comes out is compared.
    """
    if divisor == 1:
        return
    if not divisor > 0:
        raise UserError(f"grey values cannot be divided by {divisor:g}: say a number above 0")
    shape = geometry_of(net).input_shape((LOOKED_AT,) * net.ndim)
    seen = torch.rand((1, net.in_channels, *shape), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected: Tensor = network(seen)
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    first.weight.data /= divisor
    with torch.inference_mode():
        found: Tensor = network(seen * divisor)
    if not torch.allclose(found, expected, rtol=0, atol=SAME * max(1.0, float(expected.abs().max()))):
        raise UserError(
            f"the network '{net.kind}' uses grey values not only in its first convolution, so that --divisor "
            f"{divisor:g} cannot be put into its weights: divide the images by {divisor:g} instead"
        )


def _guess(count: int) -> tuple[ClassSpec, ...]:
    """Name classes: of two the first is the background by custom, of one output the second is what is not it."""
    names = [f"class {n + 1}" for n in range(count)]
    return tuple(ClassSpec(name=n, role="cell" if i == 0 else "other") for i, n in enumerate(names))
