"""A network in other formats: the bytes of a state dict, of ONNX and of TorchScript; and weights from bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_unet.errors import UserError
from napari_unet.nets.head import probabilities
from napari_unet.nets.onnx_graph import INSTALL
from napari_unet.spec import NetSpec

OPSET = 17
"""Read by programs since 2022."""


class WithProbabilities(nn.Module):
    """A network and what makes probabilities of its last layer."""

    def __init__(self, network: nn.Module, net: NetSpec) -> None:
        super().__init__()
        self.network, self.net = network, net

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) to probabilities (N, classes, ...)."""
        return probabilities(self.network(x), self.net)


def to_state_dict(network: nn.Module) -> bytes:
    """Write the weights as `torch.save` does."""
    out = io.BytesIO()
    torch.save({k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}, out)
    return out.getvalue()


def from_state_dict(content: bytes, name: str) -> dict[str, Tensor]:
    """Read weights that others wrote; never more than tensors, whatever the file holds.

    Parameters
    ----------
    content
        Of the file.
    name
        For messages.

    Raises
    ------
    UserError
        If it holds anything but a dictionary of tensors.
    """
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{name} is refused: it holds more than weights, or is damaged ({reason[0][:200]}); save the "
            "network's state_dict() alone, with torch.save"
        ) from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]  # a checkpoint
    if not isinstance(found, dict) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise UserError(f"{name} holds no dictionary of weights; save the network's state_dict(), with torch.save")
    if any(v.layout != torch.strided or v.numel() > _stored(v) for v in found.values()):
        raise UserError(f"{name} is refused: it claims to hold more weights than it does; get it again")
    return {str(k).removeprefix("module."): v for k, v in found.items()}


def _stored(tensor: Tensor) -> int:
    """Count the elements that are in memory: a view can repeat them without end."""
    return tensor.untyped_storage().nbytes() // max(1, tensor.element_size())


def to_onnx(network: nn.Module, example: Tensor, lengths: Sequence[str]) -> bytes:
    """Write a network as an ONNX graph, whose input may have any length along the spatial axes.

    Parameters
    ----------
    network
        In evaluation mode.
    example
        (1, C, [Z,] Y, X).
    lengths
        Names of the spatial axes.

    Raises
    ------
    UserError
        If the package ``onnx`` is missing.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise UserError(f"ONNX needs {error.name}, which is not installed: {INSTALL}") from error
    axes = {0: "batch", **dict(enumerate(lengths, start=2))}
    out = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            network,
            (example,),
            out,  # type: ignore[arg-type]  # a file of any kind, for this exporter
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_axes={"image": axes, "probabilities": axes},
            opset_version=OPSET,
            dynamo=False,  # the newer exporter needs onnxscript as well, and was not tried
        )
    return out.getvalue()


def to_torchscript(network: nn.Module, example: Tensor) -> bytes:
    """Write a network as TorchScript, traced with an example."""
    out = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that tracing is going out of fashion, and about comparisons of lengths
        torch.jit.save(torch.jit.trace(network, example, check_trace=False), out)
    return out.getvalue()
