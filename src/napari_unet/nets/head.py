"""From a network's last layer to probabilities of the classes."""

from __future__ import annotations

from torch import Tensor, cat, zeros_like
from torch.nn.functional import logsigmoid

from napari_unet.spec import NetSpec


def probabilities(outputs: Tensor, net: NetSpec) -> Tensor:
    """Make probabilities that sum to 1 over the classes.

    Parameters
    ----------
    outputs
        (N, ``net.outputs``, ...): what the network gives.
    net
        Tells the activation. A single sigmoid output is the probability of class 0; of several, each is divided
        by their sum.

    Returns
    -------
    Tensor
        (N, ``net.classes``, ...), float32.

    Examples
    --------
    >>> import torch
    >>> from napari_unet.spec import UNetKerasSpec
    >>> probabilities(torch.tensor([[[0.0, 2.0]]]), UNetKerasSpec())
    tensor([[[0.5000, 0.8808],
             [0.5000, 0.1192]]])
    """
    outputs = outputs.float()
    if net.activation == "softmax":
        return outputs.softmax(dim=1)
    if net.outputs == 1:
        return cat([outputs, zeros_like(outputs)], dim=1).softmax(dim=1)
    return logsigmoid(outputs).softmax(dim=1)  # the quotient, where all of them are next to 0 as well
