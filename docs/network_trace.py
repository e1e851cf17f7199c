"""What a network does to an image, step by step: traced from the built network on torch's meta device.

No number is computed and no memory is needed for weights, so that the largest networks are traced in no time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from napari_unet.nets import build, geometry_of
from napari_unet.nets.efficientnet import Block
from napari_unet.spec import NetSpec

EXAMPLES = {
    "unet2015": (572, 572),
    "unet3d": (32, 256, 256),
    "vnet": (64, 128, 128),
}
"""Lengths of the drawn input; 512 x 512 for networks that are not named here."""

Kind = Literal["image", "conv", "block", "pool", "up", "join"]
CONVOLUTIONS = ("conv2d", "conv3d")
TRANSPOSED = ("conv_transpose2d", "conv_transpose3d")
POOLINGS = ("max_pool2d", "max_pool3d")
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Map:
    """One feature map: what made it, its channels, its lengths, its level, and the maps that it came from."""

    kind: Kind
    channels: int
    size: tuple[int, ...]
    level: int
    sources: tuple[int, ...] = ()
    how: str = ""

    @property
    def descends(self) -> bool:
        """Whether it is the first one of its level on the way down."""
        return self.kind == "pool" or "stride" in self.how


def times(lengths: Any) -> str:
    """Write lengths as a product."""
    return TIMES.join(str(n) for n in lengths)


class Tracer(TorchFunctionMode):
    """Notes every convolution, pooling, way up and join while a network runs; all else passes a map on."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.maps = [Map("image", image.shape[1], tuple(image.shape[2:]), 0)]
        self.residual: set[int] = set()
        """Maps to which an earlier one is added."""
        self._made_by = {id(image): 0}
        self._kept = [image]  # an id is that of one tensor only as long as it lives
        self._inside = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and not self._inside:
            self._note(getattr(func, "__name__", ""), args, result)
        return result

    def watch(self, network: nn.Module) -> None:
        """Take an inverted bottleneck for one step."""
        for module in network.modules():
            if isinstance(module, Block):
                module.register_forward_pre_hook(self._enter)
                module.register_forward_hook(self._leave)

    def _enter(self, block: Block, args: Any) -> None:
        self._inside += 1

    def _leave(self, block: Block, args: Any, result: Tensor) -> None:
        self._inside -= 1
        depthwise = block.depthwise[0]
        self._add("block", result, self._sources(args), _words("block", depthwise.kernel_size, depthwise.stride))

    def _note(self, name: str, args: Any, result: Tensor) -> None:
        sources = self._sources(args)
        if name == "cat":
            sources = self._sources(args[0])
            self._add("join", result, sources, "concat")
        elif name in POOLINGS:
            self._add("pool", result, sources, f"max pool {times(_ratio(args[0], result))}")
        elif name in TRANSPOSED:
            self._add("up", result, sources, f"up-conv {times(args[1].shape[2:])}")
        elif name == "interpolate":
            self._add("up", result, sources, f"nearest {TIMES}{_ratio(result, args[0])[-1]}")
        elif name in CONVOLUTIONS:
            self._convolution(args, result, sources)
        elif name in ("add", "__add__", "__radd__") and len(sources) == 2:
            self._sum(result, sources)
        elif sources:
            self._pass(result, sources[0])

    def _convolution(self, args: Any, result: Tensor, sources: tuple[int, ...]) -> None:
        before, kernel = self.maps[sources[0]], args[1].shape[2:]
        if before.kind == "up":  # a part of the way up
            how = f"{before.how}, conv {times(kernel)}"
            self.maps[sources[0]] = Map("up", result.shape[1], before.size, before.level, before.sources, how)
            self._pass(result, sources[0])
        else:
            self._add("conv", result, sources, _words("conv", kernel, args[3]))

    def _sum(self, result: Tensor, sources: tuple[int, ...]) -> None:
        last = max(sources)
        if self.maps[last].kind == "up":
            self._add("join", result, tuple(sorted(sources)), "sum")
        else:
            self.residual.add(last)
            self._pass(result, last)

    def _add(self, kind: Kind, result: Tensor, sources: tuple[int, ...], how: str) -> None:
        level = self.maps[sources[-1]].level
        made = Map(kind, result.shape[1], tuple(result.shape[2:]), level, sources, how)
        step = 1 if made.descends else -1 if kind == "up" else 0
        self.maps.append(Map(kind, made.channels, made.size, level + step, sources, how))
        self._pass(result, len(self.maps) - 1)

    def _pass(self, result: Tensor, index: int) -> None:
        self._made_by[id(result)] = index
        self._kept.append(result)

    def _sources(self, args: Any) -> tuple[int, ...]:
        return tuple(self._made_by[id(a)] for a in args if isinstance(a, Tensor) and id(a) in self._made_by)


def _ratio(larger: Tensor, smaller: Tensor) -> tuple[int, ...]:
    return tuple(a // b for a, b in zip(larger.shape[2:], smaller.shape[2:], strict=True))


def _words(what: str, kernel: Any, stride: Any) -> str:
    strides = (stride,) if isinstance(stride, int) else tuple(stride)
    return f"{what} {times(kernel)}" + (f", stride {max(strides)}" if max(strides) > 1 else "")


@dataclass(frozen=True)
class Trace:
    """The feature maps of a network in the order in which they are made; the last one is the output."""

    maps: tuple[Map, ...]
    residual: frozenset[int]
    first_up: int
    """Index of the first map on the way up."""

    @property
    def depth(self) -> int:
        """Number of levels below the first."""
        return max(m.level for m in self.maps)

    def stage(self, level: int, *, up: bool) -> list[int]:
        """Tell the maps of a level on one side, without what is only half of a join."""
        return [
            n
            for n, m in enumerate(self.maps[:-1])
            if m.level == level and (n >= self.first_up) == up and m.kind != "up"
        ]

    def words(self, level: int, *, up: bool) -> list[str]:
        """Say in lines what happens at a level on one side: channels, convolutions, size."""
        stage = self.stage(level, up=up)
        worked = [n for n in stage if self.maps[n].kind in ("conv", "block") and not self.maps[n].descends]
        counts = Counter(self.maps[n].how for n in worked)
        shown = [n for n in stage if self.maps[n].kind in ("conv", "block")]
        channels = list(dict.fromkeys(str(self.maps[n].channels) for n in shown))
        work = [f"{count} {TIMES} {how}" for how, count in counts.items()]
        if self.residual & set(worked):
            work.append("+ the input")
        return [f"{', '.join(channels)} channels", *work, size_words(self.maps[stage[-1]].size)]


def size_words(size: tuple[int, ...]) -> str:
    """Write a size."""
    return f" {TIMES} ".join(str(n) for n in size)


def example_size(spec: NetSpec) -> tuple[int, ...]:
    """Tell the lengths of the drawn input."""
    return EXAMPLES.get(spec.kind, (512,) * spec.ndim)


def trace(spec: NetSpec, size: tuple[int, ...] | None = None) -> Trace:
    """Run a network on the meta device and note its maps.

    Raises
    ------
    ValueError
        If what the network does contradicts its geometry: one of the two is then wrong.
    """
    size = size or example_size(spec)
    with torch.device("meta"):
        network = build(spec).eval()
        image = torch.zeros(1, spec.in_channels, *size)
        tracer = Tracer(image)
        tracer.watch(network)
        with tracer, torch.no_grad():
            network(image)
    found = tuple(tracer.maps)
    up = next((n for n, m in enumerate(found) if m.kind == "up"), len(found))
    traced = Trace(found, frozenset(tracer.residual), up)
    _agree(traced, spec, size)
    return traced


def _agree(traced: Trace, spec: NetSpec, size: tuple[int, ...]) -> None:
    """Raise `ValueError` unless levels, poolings and output are those of the geometry."""
    geometry = geometry_of(spec)
    output = traced.maps[-1]
    if (output.channels, output.size) != (spec.outputs, geometry.output_shape(size)):
        raise ValueError(f"{spec.kind}: the output is {output}, its geometry says {geometry.output_shape(size)}")
    if {traced.depth} != {len(axis.levels) - 1 for axis in geometry.axes}:
        raise ValueError(f"{spec.kind}: {traced.depth + 1} levels, its geometry has others")
    for m in traced.maps:
        if not m.descends:
            continue
        # the map above, before the pooling
        above = traced.maps[m.sources[-1]].size
        strides = tuple(axis.levels[m.level - 1].stride for axis in geometry.axes)
        if m.size != tuple(n // s for n, s in zip(above, strides, strict=True)):
            raise ValueError(f"{spec.kind}: {above} becomes {m.size}, its geometry says stride {strides}")
