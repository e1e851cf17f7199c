"""Where to compute, and how to make the CPU fast."""

from __future__ import annotations

import ctypes
import functools
import os
import sys

import torch
from torch import nn

from napari_unet.errors import UserError
from napari_unet.learn.memory import is_out_of_memory
from napari_unet.spec import Device

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
"""Pools that threads share: every pool keeps the most that was ever taken from it."""
_ONE_GIB = 1 << 30


def choose_device(wanted: Device) -> tuple[torch.device, str]:
    """Choose the device and say in words what was chosen.

    Parameters
    ----------
    wanted
        ``auto`` takes a GPU if there is one that works, else the CPU.

    Raises
    ------
    UserError
        If a GPU is asked for by name and there is none.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        name = next(n for n in ("cuda", "mps", "cpu") if available[n] and _works(n))
        _keep_all_digits()
        return torch.device(name), {
            "cuda": "computing on the GPU (CUDA)",
            "mps": "computing on the GPU (Apple MPS)",
            "cpu": "the GPU failed its self-test: computing on the CPU"
            if available["cuda"] or available["mps"]
            else "no GPU found: computing on the CPU",
        }[name]
    if not available[wanted]:
        have = ", ".join(n for n, there in available.items() if there)
        raise UserError(f"the device '{wanted}' is not available here; available: {have} (or 'auto')")
    _keep_all_digits()
    return torch.device(wanted), f"computing on {wanted}"


def _keep_all_digits() -> None:
    """Let float32 be float32 on GPUs: by default PyTorch's convolutions keep three digits of it there (TF32)."""
    torch.backends.cudnn.allow_tf32 = False


def choose_devices(wanted: Device) -> tuple[list[torch.device], str]:
    """Choose the devices over which independent work is spread: all CUDA GPUs, or the one of `choose_device`."""
    device, words = choose_device(wanted)
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    sound = [n for n in range(count) if count > 1 and _works(f"cuda:{n}")]
    if not sound:
        return [device], words
    left_out = f"; {count - len(sound)} failed the self-test" if len(sound) < count else ""
    what = "the GPU" if len(sound) == 1 else f"{len(sound)} GPUs"
    return [torch.device("cuda", n) for n in sound], f"computing on {what} (CUDA){left_out}"


@functools.cache
def _works(name: str) -> bool:
    """Compare a small convolution with the CPU's: some drivers answer wrongly instead of failing."""
    if name == "cpu":
        return True
    with torch.random.fork_rng(devices=[]):  # the test must not change what a seed gives
        layer = torch.nn.Conv2d(4, 8, 3, padding=1)
    x = torch.linspace(-1, 1, 4 * 32 * 32).reshape(1, 4, 32, 32)
    with torch.inference_mode():
        expected = layer(x)
        try:
            got = layer.to(name)(x.to(name)).cpu()
        except (RuntimeError, NotImplementedError) as error:
            return is_out_of_memory(error)  # it is full, not broken
    return torch.allclose(expected, got, atol=1e-2)


def count_cores() -> int:
    """Count the cores that this process may use (a cluster may give it fewer than there are).

    Examples
    --------
    >>> count_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_threads(threads: int | None) -> None:
    """Set the number of CPU threads; None: ``OMP_NUM_THREADS`` if it is set, else one for every core."""
    if threads is not None:
        torch.set_num_threads(threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(count_cores())


@functools.cache
def keep_memory() -> None:
    """Make the C library keep freed memory instead of returning it to the system (Linux).

    Activations are megabytes that are allocated and freed at every layer; by default each goes through
    ``mmap`` and costs a page fault per 4 KiB.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # another C library, such as musl: works as well, only slower
        return
    libc.mallopt(_M_MMAP_THRESHOLD, _ONE_GIB)
    libc.mallopt(_M_TRIM_THRESHOLD, _ONE_GIB)
    libc.mallopt(_M_ARENA_MAX, _ARENAS)


def move(network: nn.Module, device: torch.device, ndim: int) -> nn.Module:
    """Move a network to a device, its weights in `memory_format`."""
    moved: nn.Module = network.to(device).to(memory_format=memory_format(ndim))  # type: ignore[call-overload]
    return moved


def memory_format(ndim: int) -> torch.memory_format:
    """Channels last: what the CPU's and the GPU's convolutions are fastest with."""
    return torch.channels_last if ndim == 2 else torch.channels_last_3d
