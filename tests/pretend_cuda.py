"""A pretend CUDA: code that mixes up devices fails without a GPU.

Tensors are those of the CPU; their storages are marked with the device on which they are said to lie. What CUDA
refuses is refused: to compute with tensors of two devices, to hand those of a GPU to numpy, and to allocate more
than there is. What CUDA does late is done late: what is copied without waiting arrives when its event is waited
for. All else is computed as on the CPU, whose results can thus be compared; so no test needs a GPU.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_unet.learn import device as devices
from napari_unet.learn import precision

CPU = torch.device("cpu")
FREE = 8 << 30
"""Bytes that every GPU says are free."""
NOT_YET = 99
"""What a copy holds before it has arrived."""
CROSSING = "_has_compatible_shallow_copy_type"
"""The operation, besides copies, that takes tensors of two devices."""
JOINING = ("cat", "stack")
"""Operations that take not even a single number from the CPU."""
INDEXING = ("index", "index_put_", "_index_put_impl_")
"""Operations whose indices may lie on the CPU."""


def device_of(tensor: Tensor) -> torch.device:
    """Tell where a tensor is said to lie; oneDNN's own, which have no storage, lie on the CPU."""
    if tensor.layout is not torch.strided:
        return CPU
    return getattr(tensor.untyped_storage(), "pretended", CPU)


@contextmanager
def pretend_cuda(count: int = 1, largest: int | None = None) -> Iterator[None]:
    """Have GPUs, in this thread and in those that it starts.

    Parameters
    ----------
    count
        How many.
    largest
        Bytes of the largest tensor for which they have memory; None: of any.
    """
    machine, run, autocast = _Machine(largest), threading.Thread.run, torch.autocast

    def run_likewise(thread):
        with _Routes(machine), _Computes(machine):
            run(thread)

    replaced = {
        "torch.cuda.is_available": lambda: True,
        "torch.cuda.device_count": lambda: count,
        "torch.cuda.mem_get_info": lambda device=None: (FREE, FREE),
        "torch.cuda.empty_cache": lambda: None,
        "torch.cuda.device": machine.within,
        "torch.cuda.Event": lambda: _Event(machine),
        "torch.autocast": lambda kind, dtype: autocast("cpu", dtype),  # it goes by where tensors really are
        "threading.Thread.run": run_likewise,
    }
    with ExitStack() as stack:
        for name, stand_in in replaced.items():
            stack.enter_context(mock.patch(name, stand_in))
        stack.enter_context(mock.patch.dict("napari_unet.learn.memory._measured"))
        for remembered in (devices._works, precision.halves_rightly):
            remembered.cache_clear()
            stack.callback(remembered.cache_clear)
        stack.enter_context(_Routes(machine))
        stack.enter_context(_Computes(machine))
        yield


class _Machine:
    """Memory, the device at hand of every thread, and copies on their way."""

    def __init__(self, largest):
        self._largest, self._here = largest, threading.local()
        self.late = defaultdict(list)
        """By device: where copies go, and what they are."""

    @property
    def current(self):
        return torch.device("cuda", getattr(self._here, "index", 0))

    @contextmanager
    def within(self, device):
        before, self._here.index = self.current.index, self.full(device).index
        try:
            yield
        finally:
            self._here.index = before

    def full(self, device):
        """Give a device its number."""
        device = torch.device(device)
        return self.current if device.type == "cuda" and device.index is None else device

    def put(self, tensor, device):
        """Mark a tensor."""
        if device != device_of(tensor):
            if device != CPU and self._largest is not None and tensor.untyped_storage().nbytes() > self._largest:
                raise torch.OutOfMemoryError("CUDA out of memory")
            tensor.untyped_storage().pretended = device
        return tensor

    def move(self, tensor, device):
        """Copy a tensor unless it lies there."""
        return tensor if device_of(tensor) == device else self.put(tensor.clone(), device)

    def to(self, tensor, *args, copy=False, **kwargs):
        """Do what `Tensor.to` does."""
        if args and isinstance(args[0], Tensor):
            args = (device_of(args[0]), args[0].dtype, *args[1:])
        device, dtype, _, layout = torch._C._nn._parse_to(*args, **kwargs)
        cast = tensor.to(dtype=dtype or tensor.dtype, memory_format=layout or torch.preserve_format, copy=copy)
        return cast if device is None else self.move(cast, self.full(device))


class _Event:
    """Waits for the copies from the device at hand."""

    def __init__(self, machine):
        self._machine = machine

    def record(self):
        self._copies = self._machine.late.pop(self._machine.current, [])

    def synchronize(self):
        with torch.inference_mode():
            for target, values in self._copies:
                target.copy_(values)


class _Routes(TorchFunctionMode):
    """Makes tensors tell where they are said to lie, and go there."""

    def __init__(self, machine):
        super().__init__()
        self._machine = machine
        self._routes = {
            Tensor.device.__get__: device_of,
            Tensor.is_cuda.__get__: lambda t: device_of(t).type == "cuda",
            Tensor.is_cpu.__get__: lambda t: device_of(t) == CPU,
            Tensor.to: machine.to,
            Tensor.cpu: lambda t: machine.to(t, "cpu"),
            Tensor.cuda: lambda t, device="cuda": machine.to(t, device),
            Tensor.pin_memory: lambda t: _on_cpu(t, "pinned").clone(),
            Tensor.numpy: lambda t, **how: _on_cpu(t, "given to numpy").numpy(**how),
            Tensor.__array__: lambda t, **how: _on_cpu(t, "given to numpy").__array__(**how),
            Tensor.__deepcopy__: lambda t, memo: machine.put(t.__deepcopy__(memo), device_of(t)),
        }

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if route := self._routes.get(func):
            return route(*args, **kwargs)
        device = kwargs.get("device")
        rest = {name: value for name, value in kwargs.items() if name not in ("device", "pin_memory")}
        found = func(*args, **rest)
        return found if device is None else self._machine.move(found, self._machine.full(device))


class _Computes(TorchDispatchMode):
    """Refuses what CUDA refuses, and marks what is computed of marked tensors."""

    def __init__(self, machine):
        super().__init__()
        self._machine = machine

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        if name == "copy_":
            return self._copy(func, *args, **kwargs)
        met = {device_of(t) for t in _meeting(name, args, kwargs)}
        if len(met) > 1 and name != CROSSING:
            found = ", ".join(sorted(map(str, met)))
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {found} in {func}")
        result = func(*args, **kwargs)
        for device in met - {CPU}:
            for tensor in _tensors(result):
                self._machine.put(tensor, device)
        return result

    def _copy(self, func, target, values, non_blocking=False):
        if non_blocking and device_of(values) != CPU == device_of(target):
            self._machine.late[device_of(values)].append((target, values.clone()))
            return target.fill_(NOT_YET)
        return func(target, values)


def _tensors(of):
    return [leaf for leaf in tree_leaves(of) if isinstance(leaf, Tensor)]


def _meeting(name, args, kwargs):
    """Give the tensors that have to lie on one device: all but single numbers and indices from the CPU."""
    free = _tensors(args[1]) if name in INDEXING else []
    for number, tensor in enumerate(_tensors((args, kwargs))):
        written = number == 0 and name.endswith("_")
        exempt = (tensor.ndim == 0 and name not in JOINING and not written) or any(tensor is t for t in free)
        if device_of(tensor) != CPU or not exempt:
            yield tensor


def _on_cpu(tensor, done):
    if device_of(tensor) != CPU:
        raise TypeError(f"a tensor on {device_of(tensor)} cannot be {done}: copy it to the CPU first")
    return tensor
