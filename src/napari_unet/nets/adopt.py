"""Begin with the weights of another network, whose classes or channels differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

HEAD = "head."
"""What the names of the last layers' weights begin with."""


def adopt(network: nn.Module, state: Mapping[str, Tensor], rows: Sequence[int | None]) -> None:
    """Take the weights of a network of the same kind.

    Parameters
    ----------
    network
        Changed in place.
    state
        Weights of the other one, on any device.
    rows
        For every output, the output of the other network that it begins as; None: it stays as it is. Of networks
        with as many outputs, another order is taken as well, but for a single output.

    A first layer that sees other channels gets the sum of the other's weights, shared among its channels: of a
    picture whose channels are equal it computes the same.

    Raises
    ------
    ValueError
        If the networks differ in more than their first and last layers.

    Examples
    --------
    >>> two, three = (nn.ModuleDict({"head": nn.Conv2d(1, n, 1)}) for n in (2, 3))
    >>> adopt(two, three.state_dict(), [2, None])
    >>> bool((two["head"].weight[0] == three["head"].weight[2]).all())
    True
    """
    own = network.state_dict()
    last = _last(own)
    for name, theirs in state.items():
        ours = own[name]
        theirs = theirs.to(ours.device)
        if name.startswith(last) and ours.shape[1:] == theirs.shape[1:] and len(rows) == len(ours):
            own[name] = _rows(ours, theirs, rows)
        elif ours.shape == theirs.shape:
            own[name] = theirs
        elif ours.ndim > 2 and (ours.shape[0], *ours.shape[2:]) == (theirs.shape[0], *theirs.shape[2:]):
            own[name] = theirs.sum(dim=1, keepdim=True).expand_as(ours) / ours.shape[1]
        else:
            raise ValueError(f"{name} has the shape {tuple(theirs.shape)}, here it is {tuple(ours.shape)}")
    network.load_state_dict(own)


def _rows(ours: Tensor, theirs: Tensor, rows: Sequence[int | None]) -> Tensor:
    return torch.stack([ours[n] if row is None else theirs[row] for n, row in enumerate(rows)])


def rescale(network: nn.Module, scale: float, shift: Sequence[float]) -> None:
    """Change what the last layer gives, in place: times ``scale``, plus ``shift`` per output.

    Examples
    --------
    >>> network = nn.ModuleDict({"head": nn.Conv2d(1, 2, 1)})
    >>> x = torch.ones(1, 1, 1, 1)
    >>> before = network["head"](x)
    >>> rescale(network, 2.0, [1.0, -1.0])
    >>> (network["head"](x) - 2 * before).flatten().tolist()
    [1.0, -1.0]
    """
    own = network.state_dict()
    last = _last(own)
    own[last + "weight"] = own[last + "weight"] * scale
    bias = own[last + "bias"]
    own[last + "bias"] = bias * scale + torch.as_tensor(shift, dtype=bias.dtype, device=bias.device)
    network.load_state_dict(own)


def _last(state: Mapping[str, Tensor]) -> str:
    """Give what the names of the last layer's weights begin with."""
    return ([HEAD] + [name for name in state if name.startswith(HEAD)])[-1].rpartition(".")[0] + "."
