"""How near prediction is to what the machine can do, and how it compares: ratios of one run, as JSON lines.

    pip install --group benchmark
    python benchmarks/prediction.py [--network unet] [--size 2048 2048] [--rounds 7] [--only raw half]

- ``raw``: the prepared network on one tile, against the plain one (eager, NCHW, the C library's own memory
  settings) and ONNX Runtime (float32, as many threads).
- ``tiled``: the exact prediction, from a numpy image to numpy probabilities, against the prepared network on one
  tile times the area limit: the part of the computed pixels that is kept.
- ``half``: the exact prediction in half precision against that in full, where the processor computes so.
- ``windows``: the exact prediction against MONAI's sliding windows on the same network and image, from numpy to
  numpy as well: 25% overlap with equal weights, and 50% with Gaussian ones. MONAI gets the
  faster memory format, the network as it is or with BatchNorm folded, and then the fastest of several windows, of
  which the exact tile is one; and, in a second line, our prepared network.

A ratio is a speed over another one; above 1 is in our favour. What is compared takes turns within a round, a ratio
is the median over the rounds, and a round is left out if a matrix product before or after it took 15% longer than
the fastest one (``quiet`` counts those that are left; 0: all were disturbed, and all are used).
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import io
import itertools
import json
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common import probe
from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.jobs import Model
from napari_unet.learn.device import keep_memory, memory_format, set_threads
from napari_unet.learn.inference import fold, prepare
from napari_unet.learn.modelfile import Trained
from napari_unet.learn.plan import make_plan
from napari_unet.nets import build
from napari_unet.nets.head import probabilities
from napari_unet.spec import (
    BOUNDARY,
    CELL,
    NetSpec,
    Precision,
    TargetSpec,
    TilingSpec,
    TrainingSpec,
    UNet3DSpec,
    UNetSpec,
)

CPU = torch.device("cpu")
SPECS: dict[str, NetSpec] = {"unet": UNetSpec(), "unet3d": UNet3DSpec()}
SIZES = {2: (2048, 2048), 3: (64, 256, 256)}
TILES = {2: ((736, 736), (1072, 1072)), 3: ((48, 128, 128), (64, 160, 160))}
WINDOWS = {2: ((256, 256), (512, 512), (1024, 1024)), 3: ((32, 96, 96), (64, 128, 128))}
DISTURBED = 1.15

Task = Callable[[], object]


@dataclass
class Times:
    """Seconds of tasks that took turns."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    probes: list[float] = field(default_factory=list)
    """The slower of the two of every round."""

    @property
    def quiet(self) -> list[int]:
        """The rounds that nothing disturbed."""
        return [n for n, seconds in enumerate(self.probes) if seconds < DISTURBED * min(self.probes)]

    def ratio(self, ours: str, theirs: str) -> float:
        """Speed of one task over that of another."""
        rounds = self.quiet if len(self.quiet) > 1 else range(len(self.probes))
        return statistics.median(self.seconds[theirs][n] / self.seconds[ours][n] for n in rounds)

    def facts(self) -> dict[str, Any]:
        """Give what to print with every ratio."""
        seconds = {name: round(min(taken), 3) for name, taken in self.seconds.items()}
        probes = [round(f(self.probes), 3) for f in (min, max)]
        quiet = len(self.quiet) if len(self.quiet) > 1 else 0
        return {"fastest_s": seconds, "quiet": quiet, "rounds": len(self.probes), "probe_s": probes}


def take_turns(tasks: Mapping[str, Task], rounds: int) -> Times:
    """Time tasks in turns, in another order in every round; the first round warms up."""
    times = Times({name: [] for name in tasks})
    for round_ in range(rounds + 1):
        names = list(tasks)
        names = names[round_ % len(names) :] + names[: round_ % len(names)]
        before = probe()
        taken = {name: seconds_of(tasks[name]) for name in names}
        after = probe()
        if round_:
            times.probes.append(max(before, after))
            for name, seconds in taken.items():
                times.seconds[name].append(seconds)
    return times


def seconds_of(task: Task) -> float:
    """Time a task once."""
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def with_memory(task: Task, *, ours: bool) -> Task:
    """Run a task with our settings of the C library's memory, which belong to the raw path, or with its own.

    glibc's own threshold for giving memory back grows to 32 MiB and stays there.
    """
    if not sys.platform.startswith("linux"):
        return task
    libc, size = ctypes.CDLL("libc.so.6"), 2**30 if ours else 2**25

    def run() -> object:
        libc.mallopt(-3, size)
        libc.mallopt(-1, 2 * size if not ours else size)
        return task()

    return run


def onnx_task(network: nn.Module, x: Tensor) -> Task:
    """Make the task of ONNX Runtime.

    Raises
    ------
    ImportError
        If it, or what exports to it, is not installed.
    """
    import onnxruntime
    import onnxscript  # noqa: F401, what the exporter needs

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(network, (x,), dynamo=True, verbose=False)
    assert program is not None
    program.save(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # between its runs its threads would otherwise wait busily, and disturb the others
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x.numpy()}
    difference = np.abs(session.run(None, feed)[0] - network(x).numpy()).max()
    assert difference < 1e-4, f"ONNX Runtime computes something else: {difference}"
    return lambda: session.run(None, feed)


def raw(spec: NetSpec, network: nn.Module, tile: Sequence[int], rounds: int) -> dict[str, Any]:
    """Compare the prepared network with the plain one and ONNX Runtime on one tile."""
    ready = prepare(network, spec.ndim, CPU)
    x = torch.randn(1, spec.in_channels, *tile)
    last = x.contiguous(memory_format=memory_format(spec.ndim))
    tasks: dict[str, Task] = {"raw": with_memory(lambda: ready(last), ours=True)}
    tasks["plain"] = with_memory(lambda: network(x), ours=False)
    missing = {}
    try:
        tasks["onnxruntime"] = onnx_task(network, x)
    except ImportError as error:
        missing["skipped"] = f"ONNX Runtime: {error}"
    times = take_turns(tasks, rounds)
    ratios = {f"raw / {name}": round(times.ratio("raw", name), 3) for name in tasks if name != "raw"}
    return {"measure": "raw", "tile": list(tile), **ratios, **missing, **times.facts()}


class Exact:
    """The exact prediction of an image, from numpy to numpy: all that this file knows of the predictor."""

    def __init__(
        self, spec: NetSpec, network: nn.Module, pixels: np.ndarray, precision: Precision = "full"
    ) -> None:
        target = TargetSpec(classes=(CELL, BOUNDARY))
        self._model = Model(Trained(TrainingSpec(net=spec, target=target), network))
        self._image = Image(pixels, "ZYX"[-spec.ndim :])
        self._tiling = TilingSpec(precision=precision)
        plan = make_plan(self._image, spec, self._tiling)
        self.tile = plan.tile[-spec.ndim :]
        self.limit = pixels.size / plan.computed
        """The part of the computed pixels that is kept."""

    def __call__(self) -> np.ndarray:
        """Predict: (classes, [Z,] Y, X)."""
        return self._model.predict(self._image, tiling=self._tiling)


def tiled(spec: NetSpec, network: nn.Module, pixels: np.ndarray, rounds: int) -> dict[str, Any]:
    """Compare the exact prediction with the prepared network on one tile."""
    exact, ready = Exact(spec, network, pixels), prepare(network, spec.ndim, CPU)
    x = torch.randn(1, spec.in_channels, *exact.tile).contiguous(memory_format=memory_format(spec.ndim))
    times = take_turns({"tiled": exact, "raw": lambda: ready(x)}, rounds)
    part = times.ratio("tiled", "raw") * pixels.size / math.prod(exact.tile)
    return {
        "measure": "tiled",
        "size": list(pixels.shape),
        "tile": list(exact.tile),
        "tiled / raw": round(part, 3),
        "area limit": round(exact.limit, 3),
        "tiled / (raw x area limit)": round(part / exact.limit, 3),
        **times.facts(),
    }


def half(spec: NetSpec, network: nn.Module, pixels: np.ndarray, rounds: int) -> dict[str, Any]:
    """Compare the exact prediction in half precision with that in full."""
    tasks = {"full": Exact(spec, network, pixels), "half": Exact(spec, network, pixels, "half")}
    times = take_turns(tasks, rounds)
    ratio = round(times.ratio("half", "full"), 3)
    return {"measure": "half", "size": list(pixels.shape), "half / full": ratio, **times.facts()}


@dataclass(frozen=True)
class Windows:
    """A way to use MONAI's sliding windows."""

    how: str
    network: nn.Module
    layout: torch.memory_format
    """Of the network and the image."""
    roi: tuple[int, ...]
    overlap: float
    mode: str

    def __str__(self) -> str:
        return f"{self.how}, {str(self.layout).removeprefix('torch.')}, {list(self.roi)}"

    def task(self, spec: NetSpec, pixels: np.ndarray) -> Task:
        """Make the task: from numpy to numpy, with the normalisation and the softmax of the exact prediction."""
        from monai.inferers import sliding_window_inference

        image = Image(pixels, "ZYX"[-spec.ndim :])

        def predict() -> np.ndarray:
            block = intensity.fit(image).apply(pixels[None])
            x = torch.from_numpy(block)[None].contiguous(memory_format=self.layout)
            y = sliding_window_inference(x, self.roi, 1, self.network, overlap=self.overlap, mode=self.mode)
            return probabilities(y, spec)[0].numpy()

        return predict


Variant = tuple[str, nn.Module, torch.memory_format]


def variants(network: nn.Module, ndim: int) -> Iterator[Variant]:
    """Give what users of MONAI can make of a network by PyTorch alone."""
    for how, made in (("plain", network), ("BatchNorm folded", fold(network))):
        for layout in (torch.contiguous_format, memory_format(ndim)):
            yield how, copy.deepcopy(made).to(memory_format=layout), layout


def windows(spec: NetSpec, network: nn.Module, pixels: np.ndarray, rounds: int) -> Iterator[dict[str, Any]]:
    """Compare the exact prediction with MONAI's sliding windows."""
    exact = Exact(spec, network, pixels)
    theirs = list(variants(network, spec.ndim))
    ours = [("prepared", prepare(network, spec.ndim, CPU), memory_format(spec.ndim))]

    def seconds(way: Windows) -> float:
        return seconds_of(way.task(spec, pixels))

    exact()  # warms up
    for (overlap, mode), networks in itertools.product(((0.25, "constant"), (0.5, "gaussian")), (theirs, ours)):
        best = min((Windows(*network, exact.tile, overlap, mode) for network in networks), key=seconds)
        best = min((replace(best, roi=roi) for roi in (exact.tile, *WINDOWS[spec.ndim])), key=seconds)
        times = take_turns({"exact": exact, "windows": best.task(spec, pixels)}, rounds)
        yield {
            "measure": f"windows, overlap {overlap:.0%}, {mode}",
            "size": list(pixels.shape),
            "windows": str(best),
            "exact / windows": round(times.ratio("exact", "windows"), 3),
            **times.facts(),
        }


def main() -> None:
    """Print a line for every measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=SPECS, default="unet")
    parser.add_argument("--size", type=int, nargs="+", help="of the image: [Z] Y X")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--only", nargs="+", choices=("raw", "tiled", "half", "windows"), default=["raw", "tiled", "windows"]
    )
    options = parser.parse_args()
    set_threads(None)
    keep_memory()
    spec = SPECS[options.network]
    torch.manual_seed(0)
    network = build(spec).eval()
    size = tuple(options.size or SIZES[spec.ndim])
    pixels = np.random.default_rng(0).integers(0, 255, size, dtype=np.uint8)

    def results() -> Iterator[dict[str, Any]]:
        if "raw" in options.only:
            yield from (raw(spec, network, tile, options.rounds) for tile in TILES[spec.ndim])
        if "tiled" in options.only:
            yield tiled(spec, network, pixels, options.rounds)
        if "half" in options.only:
            yield half(spec, network, pixels, options.rounds)
        if "windows" in options.only:
            yield from windows(spec, network, pixels, options.rounds)

    with torch.inference_mode():
        for result in results():
            print(json.dumps({"network": spec.kind, "threads": torch.get_num_threads(), **result}), flush=True)


if __name__ == "__main__":
    main()
