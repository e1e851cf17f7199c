"""How much memory a network needs, how much there is, and what an error says when it is too little."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psutil
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_unet.nets import geometry_of
from napari_unet.spec import NetSpec

T = TypeVar("T")

SHARE = 0.5
"""Part of the free memory that the activations of a tile may take."""
SCRATCH = 1.3
"""What the libraries take beside the tensors: workspaces, reordered copies, fragmentation."""

ENOUGH = {2: 1024 * 1024, 3: 96 * 160 * 160}
"""Pixels (voxels) of an input tile beyond which a CPU does not get faster (measured)."""
ENOUGH_ON_GPU = {2: 4096 * 4096, 3: 192 * 384 * 384}
"""The same for a GPU (a guess: there was none to measure with)."""
LEAST = 32
"""Side of the output of the tile that is measured."""
_measured: dict[tuple[NetSpec, str, bool], float] = {}


class _Live(TorchDispatchMode):
    """Adds up the bytes of all tensors that are alive."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[int, int] = {}
        self._now = 0
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key: int = storage._cdata  # noqa: SLF001 - its identity; its address may be used again
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self._now -= self._sizes.pop(key)


@torch.inference_mode()
def activation_bytes(network: nn.Module, tile: Tensor) -> float:
    """Measure the bytes per pixel (voxel) that a network holds at its worst moment.

    Parameters
    ----------
    network
        In evaluation mode.
    tile
        A small input (N, C, [Z,] Y, X) on the network's device.

    Examples
    --------
    >>> activation_bytes(nn.Conv2d(1, 4, 3, padding=1), torch.zeros(1, 1, 8, 8))
    16.0
    """
    with _Live() as live:
        network(tile)
    return float(live.peak / (tile.shape[0] * tile[0, 0].numel()))


def free_bytes(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + kept)  # PyTorch uses again what it has kept
    return int(psutil.virtual_memory().available)


def tile_budget(network: nn.Module, net: NetSpec, device: torch.device, *, half: bool = False) -> int:
    """Return the pixels (voxels) of the largest input tile that pays and for which there is memory.

    Parameters
    ----------
    network
        In evaluation mode on ``device``.
    net
        What it is.
    device
        Whose free memory counts.
    half
        The network computes in half precision.
    """
    key = (net, device.type, half)
    if key not in _measured:
        side = geometry_of(net).input_shape([LEAST] * net.ndim)
        _measured[key] = activation_bytes(network, torch.zeros(1, net.in_channels, *side, device=device))
    fitting = int(free_bytes(device) * SHARE / (_measured[key] * SCRATCH))
    enough = ENOUGH_ON_GPU if device.type == "cuda" else ENOUGH
    return min(enough[net.ndim], fitting)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that there is too little memory; everything else is something else.

    Examples
    --------
    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("size mismatch"))
    (True, False)
    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    True
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and any(sign in words for sign in _SIGNS)


def where_it_fits(make: Callable[[torch.device], T], device: torch.device) -> tuple[T, torch.device]:
    """Make something on a device, or on the CPU where the device's memory has no room for it.

    Returns
    -------
    made, torch.device
        What was made, and where.
    """
    try:
        return make(device), device
    except RuntimeError as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    cpu = torch.device("cpu")  # only here, where the error no longer holds what was made
    return make(cpu), cpu


_SIGNS = (
    "can't allocate memory",  # the CPU's allocator, on Linux and macOS
    "not enough memory",  # the CPU's allocator, on Windows
    "could not create a memory object",  # oneDNN
    "CUDA error: out of memory",
    "CUDA out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_INITIALIZED",  # no memory for its handle
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "unable to find an engine to execute this computation",  # cuDNN, where no workspace fits
    "MPS backend out of memory",
)
