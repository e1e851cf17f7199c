"""When numbers have 16 bits: float16 on a GPU, bfloat16 on a CPU that computes with it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from napari_unet.errors import UserError
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
    >>> [predicts_in_half("auto", TrainingSpec(), torch.device(name)) for name in ("cuda", "cpu")]
    [True, False]
    """
    return _half(precision, device, auto=device.type == "cuda") and _bears_it(spec)


def learns_in_half(spec: TrainingSpec, device: torch.device) -> bool:
    """Tell whether a training is computed in half precision.

    On a CPU ``auto`` takes it for the default network in 2D, which learns as much per step with it; others learn
    less, or have not been measured. What a training gives depends on its machine anyway: on how many steps it
    makes in the time. Raises `UserError` as `predicts_in_half`.
    """
    net = spec.net
    fitting = isinstance(net, UNetSpec) and net.ndim == 2
    auto = device.type == "cuda" or (device.type == "cpu" and fitting and has_bfloat16())
    return _half(spec.train.precision, device, auto=auto) and _bears_it(spec)


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


def _half(precision: Precision, device: torch.device, *, auto: bool) -> bool:
    if precision != "half":
        return precision == "auto" and auto
    if device.type == "cuda" or (device.type == "cpu" and has_bfloat16()):
        return True
    where = "this processor" if device.type == "cpu" else f"the device '{device.type}'"
    why = f"half precision is not faster on {where}, or not to be had"
    raise UserError(f"{why}; use the precision 'full' or 'auto'")


def _bears_it(spec: TrainingSpec) -> bool:
    return not isinstance(spec.net, OnnxSpec) and spec.normalisation.method != "none"
