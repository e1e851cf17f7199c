"""When numbers have 16 bits: float16 on a GPU, bfloat16 on a CPU that computes with it."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from napari_unet.errors import UserError
from napari_unet.learn.device import move
from napari_unet.learn.memory import is_out_of_memory
from napari_unet.spec import OnnxSpec, Precision, TrainingSpec, UNetSpec


def predicts_in_half(precision: Precision, spec: TrainingSpec, device: torch.device) -> bool:
    """Tell whether a prediction is computed in half precision.

    Never with networks that were imported as a graph, which rules its numbers itself; nor of grey values that are
    left as they are, of which only the first digits would remain.

    Parameters
    ----------
    precision
        ``auto`` is half on a GPU (CUDA), full elsewhere.
    spec
        Of the model.
    device
        Where it is computed.

    Raises
    ------
    UserError
        If half precision is asked for and would be slower, or is not to be had.

    Examples
    --------
    >>> predicts_in_half("auto", TrainingSpec(), torch.device("cpu"))
    False
    """
    ndim = spec.net.ndim
    return _bears_it(spec) and _half(precision, device, ndim, auto=device.type == "cuda")


def learns_in_half(spec: TrainingSpec, device: torch.device) -> bool:
    """Tell whether a training is computed in half precision.

    On a CPU ``auto`` takes it for the default network in 2D, which learns as much per step with it; others learn
    less, or have not been measured. What a training gives depends on its machine anyway: on how many steps it
    makes in the time. Raises `UserError` as `predicts_in_half`.
    """
    net = spec.net
    fitting = isinstance(net, UNetSpec) and net.ndim == 2
    auto = device.type == "cuda" or (device.type == "cpu" and fitting)
    return _bears_it(spec) and _half(spec.train.precision, device, net.ndim, auto=auto)


def number_type(device: torch.device, *, half: bool) -> torch.dtype:
    """Give the type of the numbers."""
    if not half:
        return torch.float32
    return torch.float16 if device.type == "cuda" else torch.bfloat16


def autocast(device: torch.device, *, half: bool) -> AbstractContextManager[object]:
    """Compute in half precision where it does no harm, or, unless ``half``, in full."""
    return torch.autocast(device.type, number_type(device, half=True)) if half else nullcontext()


def has_bfloat16() -> bool:
    """Tell whether the CPU multiplies bfloat16 numbers; PyTorch computes with them elsewhere, but slowly."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # there are no public ones
    return any(getattr(torch.cpu, name, bool)() for name in names)


def has_half(device: torch.device, ndim: int) -> bool:
    """Tell whether a device computes 2D or 3D images faster in half precision, and rightly."""
    if device.type == "cuda":
        return not (ndim == 3 and _lacks_3d()) and halves_rightly(str(device), ndim)
    return device.type == "cpu" and has_bfloat16()


def _lacks_3d() -> bool:
    """Tell whether PyTorch does without cuDNN for 3D images in half precision, which is slow and takes memory.

    It does with cuDNN 9.8 to 9.14, whose results were wrong, at least where channels do not lie last (pytorch pull
    requests 163581 and 166480). Ours lie last; nobody has measured which of the two is true of them.
    """
    return 90_800 <= (torch.backends.cudnn.version() or 0) < 91_500


@functools.cache
def halves_rightly(name: str, ndim: int) -> bool:
    """Compare a few layers in half precision with the CPU's in full: some cards give NaN (GTX 16, T series).

    As in predictions, weights are halved as well, and lie channels last.
    """
    convolution = nn.Conv2d if ndim == 2 else nn.Conv3d
    with torch.random.fork_rng(devices=[]):  # the test must not change what a seed gives
        layers = nn.Sequential(convolution(1, 16, 3, padding=1), nn.ReLU(), convolution(16, 16, 3, padding=1))
    x = torch.linspace(-1, 1, 16**ndim).reshape(1, 1, *(16,) * ndim)
    with torch.inference_mode():
        expected = layers(x)
        device = torch.device(name)
        dtype = number_type(device, half=True)
        try:
            found = move(layers, device, ndim).to(dtype)(x.to(device, dtype)).float().cpu()
        except (RuntimeError, AssertionError) as error:  # AssertionError: no such device
            return is_out_of_memory(error)  # it is full, not wrong
    return torch.allclose(expected, found, atol=2e-2)


def _half(precision: Precision, device: torch.device, ndim: int, *, auto: bool) -> bool:
    if precision == "full" or (precision == "auto" and not auto):
        return False
    if has_half(device, ndim):
        return True
    if precision == "auto":
        return False
    where = "this processor" if device.type == "cpu" else f"the device '{device.type}'"
    why = f"half precision is not faster on {where}, or not to be had"
    raise UserError(f"{why}; use the precision 'full' or 'auto'")


def _bears_it(spec: TrainingSpec) -> bool:
    return not isinstance(spec.net, OnnxSpec) and spec.normalisation.method != "none"
