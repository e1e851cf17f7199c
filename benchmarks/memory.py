"""Peak memory of a prediction: it must not grow with the image.

    python benchmarks/memory.py [--slices 8 80] [--rounds 3] [--size 2048] [--base 8] [--output cells]

Writes a stack of mirrored real pixels (a bundled sample) as zarr, predicts it by the command line in a process of
its own, and prints the peak of that process's resident memory, for every number of slices. The same command takes
up to a tenth more or less every time (where freed memory can be used again depends on chance), so medians of a few
rounds are compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
import zarr

from napari_unet.jobs import Model
from napari_unet.learn.modelfile import Trained
from napari_unet.nets import build
from napari_unet.spec import BOUNDARY, CELL, TargetSpec, TrainingSpec, UNetSpec
from napari_unet.storage.samples import load_sample

LOOK = 0.05
"""Seconds between two looks at the process."""


def write_stack(path: Path, slices: int, size: int, dtype: np.dtype) -> int:
    """Write mirrored real pixels, another part in every slice; returns the bytes of the stack."""
    image = load_sample("epithelium").image
    plane = np.asarray(image.data if hasattr(image, "data") else image).squeeze()
    reach = size + slices
    pads = [(0, max(0, reach - n)) for n in plane.shape]
    large = np.pad(plane, pads, mode="symmetric").astype(dtype)
    stack = zarr.create_array(
        path, shape=(slices, size, size), chunks=(1, 512, 512), dtype=dtype, compressors=None
    )
    for n in range(slices):
        stack[n] = large[n : n + size, n : n + size]
    return int(stack.nbytes)


def peak_of(command: list[str]) -> tuple[int, float]:
    """Run a command; returns the peak of its resident memory in bytes, and seconds."""
    began = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(LOOK)
    if process.wait():
        raise SystemExit(f"{command} failed")
    return peak, time.perf_counter() - began


def main() -> None:
    """Print a line for every stack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, nargs="+", default=[8, 80])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--base", type=int, default=8)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--dtype", default="uint8")
    parser.add_argument("--output", default="boundaries")
    parser.add_argument("--folder", type=Path, help="where the stacks are written; default: a temporary folder")
    options = parser.parse_args()
    net = UNetSpec(base=options.base, depth=options.depth)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        model = folder / "model.safetensors"
        spec = TrainingSpec(net=net, target=TargetSpec(classes=(CELL, BOUNDARY)))
        torch.manual_seed(0)  # cells of every run are made of the same boundaries
        Model(Trained(spec, build(net).eval())).save(model)
        sources = {n: folder / f"{n}.zarr" for n in options.slices}
        sizes = {n: write_stack(path, n, options.size, np.dtype(options.dtype)) for n, path in sources.items()}
        peaks: dict[int, list[int]] = {n: [] for n in sources}
        for round_, slices in itertools.product(range(options.rounds), sources):
            source, out = sources[slices], folder / f"out-{slices}-{round_}.ome.zarr"
            command = [sys.executable, "-m", "napari_unet", "predict", str(model), str(source), "--axes", "ZYX"]
            command += ["--output", options.output, "-o", str(out)]
            peak, seconds = peak_of(command)
            peaks[slices].append(peak)
            shutil.rmtree(out)
            facts = {"slices": slices, "stack_gb": round(sizes[slices] / 1e9, 2), "peak_gb": round(peak / 1e9, 3)}
            print(json.dumps({**facts, "seconds": round(seconds, 1)}), flush=True)
        medians = {n: statistics.median(found) for n, found in peaks.items()}
        ratio = max(medians.values()) / min(medians.values())
        print(json.dumps({"largest / smallest median": round(ratio, 3)}))


if __name__ == "__main__":
    main()
