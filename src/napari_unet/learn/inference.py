"""A trained network made ready for inference: the same numbers, in less time.

Everywhere, BatchNorm becomes a part of the convolution before it, and tensors are channels last. On CPUs, oneDNN
computes a convolution and its activation as one operation, from weights that are stored as its kernels read them;
and the convolution after a skip becomes the sum of two, one of the skip and one of what comes from below, so that
nothing is copied to lie side by side. Where PyTorch lacks these operations (see `has_fused`), as on Apple's
processors, the layers stay PyTorch's own.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_unet.learn.device import move
from napari_unet.learn.precision import number_type
from napari_unet.nets.blocks import CONV, Joined, crop_to

_ALL = slice(None)
_TYPICAL = 128
"""Length for which oneDNN chooses the order of the weights; other lengths work as well."""


def prepare(network: nn.Module, ndim: int, device: torch.device, *, half: bool = False) -> nn.Module:
    """Copy a network for inference.

    Parameters
    ----------
    network
        Stays as it is.
    ndim
        Dimensions of its images, 2 or 3.
    device
        Where it will compute.
    half
        Compute in half precision; see `Halved`.

    Returns
    -------
    Module
        In evaluation mode on ``device``; takes and gives float32, in `memory_format`. Its outputs differ from the
        network's by rounding errors only, those of half precision if asked to. On a CPU it has no parameters to
        train, and cannot be copied.
    """
    dtype = number_type(device, half=half)
    ready = move(fold(network), device, ndim).to(dtype)
    fused = _fuse(ready) if device.type == "cpu" and has_fused(ndim) else ready
    return Halved(fused, dtype, functools.partial(prepare, network, ndim)) if half else fused


class Halved(nn.Module):
    """Takes and gives float32, computes with half as many bits between.

    Parameters
    ----------
    network
        With weights of ``dtype``: BatchNorm has been folded into them in float32.
    dtype
        bfloat16, or float16, whose largest number is 65,504.
    full
        Gives the same network for a device in full precision: for what is too large for ``dtype``.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype, full: Callable[[torch.device], nn.Module]) -> None:
        super().__init__()
        self._network, self._dtype, self.full = network, dtype, full

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) to (N, classes, ...)."""
        y: Tensor = self._network(x.to(self._dtype))
        return y.float()


def fold(network: nn.Module) -> nn.Module:
    """Copy a network in evaluation mode, its BatchNorm folded into the convolutions."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential):
            _fold_block(module)
    return folded


def _fold_block(block: nn.Sequential) -> None:
    """Fold every BatchNorm of a block into the convolution before it."""
    for i in range(len(block) - 1):
        layer, norm = block[i], block[i + 1]
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            block[i] = fuse_conv_bn_eval(layer, norm)
            block[i + 1] = nn.Identity()


@functools.cache
def has_fused(ndim: int) -> bool:
    """Tell whether PyTorch has the fused operations here, and they compute what they should.

    They come with oneDNN: PyTorch's builds for Linux and Windows have it, those for macOS have not.
    """
    with torch.random.fork_rng(devices=[]):  # must not change what a seed gives
        block = nn.Sequential(CONV[ndim](3, 4, 3, padding=1), nn.ReLU())
    x = torch.linspace(-1, 1, 3 * 8**ndim).reshape(1, 3, *(8,) * ndim)
    with torch.inference_mode():
        expected = block(x)
        try:
            whole, split = _fuse(block)(x), _Split(Joined(1, block))(x[:, :1], x[:, 1:])
        except (AttributeError, RuntimeError, TypeError):  # not there, not for this processor, or other arguments
            return False
    return torch.allclose(whole, expected, atol=1e-5) and torch.allclose(split, expected, atol=1e-5)


def _fuse(module: nn.Module) -> nn.Module:
    """Give what stands in for a module: fused operations where it, or something in it, has them."""
    if isinstance(module, Joined) and _is_plain(module[0]) and module[0].groups == 1:
        return _Split(module)
    if type(module) is nn.Sequential:
        return nn.Sequential(*_fused(_working(module)))
    if _is_plain(module):
        return _Fused(module)
    for name, child in module.named_children():
        setattr(module, name, _fuse(child))
    return module


def _working(block: nn.Sequential) -> list[nn.Module]:
    """List the layers that do something in inference."""
    return [layer for layer in block if not isinstance(layer, nn.Identity | nn.Dropout)]


def _fused(layers: list[nn.Module]) -> Iterator[nn.Module]:
    """Give the layers of a block, every convolution and the activation after it as one."""
    while layers:
        layer, *layers = layers
        if _is_plain(layer) and layers and isinstance(layers[0], nn.ReLU | nn.Hardtanh):
            activation, *layers = layers
            yield _Fused(layer, activation)
        else:
            yield _fuse(layer)


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.Conv3d]:
    """Tell whether this is a convolution that pads, if at all, a fixed number of zeros."""
    return (
        isinstance(layer, nn.Conv2d | nn.Conv3d)
        and layer.weight.dtype in (torch.float32, torch.bfloat16)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


class _Fused(nn.Module):
    """A convolution and its activation as one operation.

    Parameters
    ----------
    layer
        The convolution.
    activation
        ReLU, or a Hardtanh such as ReLU6; None: there is none.
    inputs
        Which input channels there are; the others count as 0.
    """

    def __init__(
        self, layer: nn.Conv2d | nn.Conv3d, activation: nn.Module | None = None, inputs: slice = _ALL
    ) -> None:
        super().__init__()
        weight = layer.weight.detach()[:, inputs].contiguous()
        self._how = list(layer.padding), list(layer.stride), list(layer.dilation), layer.groups
        typical = [1, weight.shape[1] * layer.groups, *(_TYPICAL,) * (weight.ndim - 2)]
        # What torch.compile calls as well; there is no public name. The result cannot be copied, so is no buffer.
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *self._how, typical)  # noqa: SLF001
        self._bias = None if layer.bias is None else layer.bias.detach()
        self._activation, self._bounds = "none", list[float]()
        if isinstance(activation, nn.ReLU):
            self._activation = "relu"
        elif isinstance(activation, nn.Hardtanh):
            self._activation, self._bounds = "hardtanh", [activation.min_val, activation.max_val]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) to (N, C', ...), channels last."""
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001
            x, self._weight, self._bias, *self._how, self._activation, self._bounds, ""
        )
        return y

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Add the convolution of ``x`` to ``total``, but not its bias; then apply the activation, ReLU or none."""
        activation = None if self._activation == "none" else self._activation
        y: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            total, x, self._weight, None, *self._how, "add", 1, activation, [], ""
        )
        return y


class _Split(nn.Module):
    """`Joined` without copies: its first convolution is the sum of that of the skip and that of the rest."""

    def __init__(self, block: Joined) -> None:
        super().__init__()
        first, *rest = _working(block)
        assert _is_plain(first)
        relu = rest.pop(0) if rest and isinstance(rest[0], nn.ReLU) else None
        self._of_skip = _Fused(first, inputs=slice(block.skip))
        self._of_rest = _Fused(first, relu, inputs=slice(block.skip, None))
        self._layers = nn.Sequential(*_fused(rest))

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """Compute what `Joined` computes."""
        total = self._of_skip(crop_to(skip, x))
        y: Tensor = self._layers(self._of_rest.add_to(total, x))
        return y
