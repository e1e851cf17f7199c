"""Weights of others: names of the same layers in other programs, and checks that they fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_unet.errors import UserError
from napari_unet.nets import build
from napari_unet.nets.finite import first_not_finite
from napari_unet.spec import NetSpec, UNetSpec

Tensors = Mapping[str, Tensor]
COUNTED = ".num_batches_tracked"
"""Buffers of BatchNorm that do not enter its result and that some files lack."""
SHOWN = 4
"""Names of a kind that a message lists."""


@dataclass(frozen=True)
class Layout:
    """How another program names the layers of one of our networks."""

    name: str
    where: str
    """Where it comes from."""
    is_it: Callable[[Tensors], bool]
    net: Callable[[Tensors], NetSpec]
    """Tells the network from the shapes of the weights."""
    ours: Callable[[str], str]
    """Gives our name for one of theirs."""


_LAYERS = (
    (r"inc\.double_conv\.", lambda n: "down.0."),
    (r"down(\d+)\.maxpool_conv\.1\.double_conv\.", lambda n: f"down.{n}."),
    (r"up(\d+)\.up\.", lambda n: f"up.{n - 1}."),
    (r"up(\d+)\.conv\.double_conv\.", lambda n: f"join.{n - 1}."),
    (r"outc\.conv\.", lambda n: "head."),
)


def _milesial_name(theirs: str) -> str:
    """Give our name for a weight of github.com/milesial/Pytorch-UNet.

    Examples
    --------
    >>> _milesial_name("down2.maxpool_conv.1.double_conv.4.running_var"), _milesial_name("up1.up.bias")
    ('down.2.4.running_var', 'up.0.bias')
    """
    for pattern, ours in _LAYERS:
        if found := re.match(pattern, theirs):
            return ours(int(found[1]) if found.groups() else 0) + theirs[found.end() :]
    return theirs


def _milesial_net(tensors: Tensors) -> NetSpec:
    first, last = tensors["inc.double_conv.0.weight"], tensors["outc.conv.weight"]
    depth = sum(bool(re.fullmatch(r"down\d+\.maxpool_conv\.1\.double_conv\.0\.weight", n)) for n in tensors)
    if "up1.up.weight" not in tensors:
        raise UserError(
            "these weights are of the variant with bilinear=True, whose way upwards none of the networks here "
            "has; those of bilinear=False can be imported"
        )
    outputs = len(last)
    return UNetSpec(
        in_channels=first.shape[1],
        base=first.shape[0],
        depth=depth,
        classes=max(2, outputs),
        activation="sigmoid" if outputs == 1 else "softmax",
    )


MILESIAL = Layout(
    "milesial",
    "github.com/milesial/Pytorch-UNet, with bilinear=False",
    lambda tensors: {"inc.double_conv.0.weight", "outc.conv.weight"} <= set(tensors),
    _milesial_net,
    _milesial_name,
)
LAYOUTS = {layout.name: layout for layout in (MILESIAL,)}
"""Those that are known by name."""


def find_layout(tensors: Tensors) -> Layout | None:
    """Recognise a layout by the names of its weights; None if none is known."""
    return next((layout for layout in LAYOUTS.values() if layout.is_it(tensors)), None)


def renamed(tensors: Tensors, ours: Callable[[str], str]) -> dict[str, Tensor]:
    """Give weights our names.

    A bias before a BatchNorm, which ours has not, is taken off the mean that BatchNorm subtracts, which gives the
    same numbers. BatchNorm comes right after its convolution.

    Examples
    --------
    >>> old = {"0.weight": torch.ones(1, 1, 1, 1), "0.bias": torch.ones(1), "1.running_mean": torch.zeros(1)}
    >>> {k: v.flatten().tolist() for k, v in renamed(old, str).items()}
    {'0.weight': [1.0], '1.running_mean': [-1.0]}
    """
    found = {ours(name): tensor for name, tensor in tensors.items()}
    for name in [n for n in found if n.endswith(".bias")]:
        block, _, number = name.removesuffix(".bias").rpartition(".")
        if number.isdigit() and (mean := _joined(block, int(number) + 1, "running_mean")) in found:
            found[mean] = found[mean] - found.pop(name)
    return found


def _joined(block: str, number: int, part: str) -> str:
    return ".".join(p for p in (block, str(number), part) if p)


def fitted(net: NetSpec, tensors: Tensors, name: str) -> nn.Module:
    """Build a network with weights of others, in evaluation mode.

    Parameters
    ----------
    net
        What to build.
    tensors
        Its weights, under our names.
    name
        Of their file, for messages.

    Raises
    ------
    UserError
        If a weight is missing, unexpected, of another shape, or not finite; says which.
    """
    with torch.device("meta"):  # no memory yet: a wrong description may claim any size
        network = build(net)
    expected = network.state_dict()
    counted = {n: torch.zeros((), dtype=torch.int64) for n in expected if n.endswith(COUNTED)}
    given = {**counted, **tensors}
    wrong = [*_missing("lacks", set(expected) - set(given)), *_missing("has besides", set(given) - set(expected))]
    shapes = [n for n in expected if n in given and given[n].shape != expected[n].shape]
    wrong += [f"{n} is {_shape(given[n])}, not {_shape(expected[n])}" for n in shapes[:SHOWN]]
    if wrong:
        raise UserError(f"{name} does not fit the network '{net.kind}': it {'; '.join(wrong)}")
    if bad := first_not_finite(given):
        raise UserError(f"{name} predicts nothing: its weights '{bad}' are NaN or infinite")
    network.load_state_dict({n: given[n].to(expected[n].dtype).contiguous() for n in expected}, assign=True)
    return network.eval().requires_grad_(True)


def _missing(verb: str, names: set[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{verb} {', '.join(sorted(names)[:SHOWN])}{more}"]


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
